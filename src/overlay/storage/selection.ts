import { toHex } from '../../base/bytes.ts';
import {
  type ArrayRange,
  EMPTY_SIGNATURE,
  type ModelSpecifier,
  type StoredData,
  type StoredDataValue,
} from '../../reload/index.ts';
import type { Kind } from './kinds.ts';
import type { SignedValue } from './admission.ts';

/** Keys that were asked for and are not there are each answered by a synthesised value; more are not looked at. */
const MAX_KEYS = 64;

/** What a Fetch or Stat specifier asks for. */
export interface Selection {
  readonly stored: readonly SignedValue[];
  /** RFC 6940 s7.4.2.2: `exists` false, unsigned, for what was named and is not known. */
  readonly absent: readonly StoredData[];
}

/** A part of what there is of a Kind. */
export interface Wanted {
  /** For dictionaries; absent: all entries. */
  readonly keys?: readonly Uint8Array[] | undefined;
  /** For arrays; absent: all elements. */
  readonly ranges?: readonly ArrayRange[] | undefined;
}

/** What to ask for of a Kind: what is wanted of it, or everything. */
export function specifierOf({ dataModel }: Kind, wanted: Wanted = {}): ModelSpecifier {
  switch (dataModel) {
    case 'single':
      return { model: 'single' };
    case 'array':
      return { model: 'array', ranges: wanted.ranges ?? [{ first: 0, last: 0xffffffff }] };
    case 'dictionary':
      return { model: 'dictionary', keys: wanted.keys ?? [] };
  }
}

/** @returns undefined when the specifier is of another data model than the Kind */
export function select(kind: Kind, specifier: ModelSpecifier, values: readonly SignedValue[]): Selection | undefined {
  if (specifier.model !== kind.dataModel) return undefined;
  switch (specifier.model) {
    case 'single':
      return { stored: values, absent: values.length > 0 ? [] : [absent({ model: 'single', ...NOTHING })] };
    case 'array': {
      const { ranges } = specifier;
      const stored = values.filter(({ data: { value } }) =>
        ranges.some(({ first, last }) => value.model === 'array' && first <= value.index && value.index <= last),
      );
      return { stored, absent: [] };
    }
    case 'dictionary': {
      if (specifier.keys.length === 0) return { stored: values, absent: [] };
      const wanted = new Map(specifier.keys.slice(0, MAX_KEYS).map((key) => [toHex(key), key]));
      const stored = values.filter(
        ({ data: { value } }) => value.model === 'dictionary' && wanted.delete(toHex(value.key)),
      );
      return { stored, absent: [...wanted.values()].map((key) => absent({ model: 'dictionary', key, ...NOTHING })) };
    }
  }
}

const NOTHING = { exists: false, value: new Uint8Array() };

function absent(value: StoredDataValue): StoredData {
  return { storageTime: 0n, lifetime: 0, value, signature: EMPTY_SIGNATURE };
}
