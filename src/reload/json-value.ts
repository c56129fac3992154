import { toHex } from '../base/bytes.ts';

export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };

/** Plain data for JSON: 64-bit numbers as decimal text, byte strings as hexadecimal text, absent fields left out. */
export function toJsonValue(value: unknown): JsonValue {
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'string':
      return value;
    case 'bigint':
      return value.toString();
    case 'object': {
      if (value === null) return null;
      if (value instanceof Uint8Array) return toHex(value);
      if (Array.isArray(value)) return value.map(toJsonValue);
      const fields = Object.entries(value).filter(([, field]) => field !== undefined);
      return Object.fromEntries(fields.map(([name, field]) => [name, toJsonValue(field)]));
    }
    default:
      throw new TypeError(`a ${typeof value} has no JSON form`);
  }
}
