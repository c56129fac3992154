import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MAX_VALUES } from './constants.ts';
import type { DataModel, DataModelOf } from './stored-data.ts';
import { malformed, readList, readOpaque, writeList, writeOpaque, writeU32, writeU64 } from './wire.ts';

/** `struct { int32 first; int32 last; } ArrayRange;` (RFC 6940 s7.4.2.1); unsigned here, since 0xffffffff is "the final element". */
export interface ArrayRange {
  readonly first: number;
  readonly last: number;
}

/** What of a Kind is asked for; `opaque` where the Kind is not known here. No keys: all entries. */
export type ModelSpecifier =
  | { readonly model: 'single' }
  | { readonly model: 'array'; readonly ranges: readonly ArrayRange[] }
  | { readonly model: 'dictionary'; readonly keys: readonly Uint8Array[] }
  | { readonly model: 'opaque'; readonly bytes: Uint8Array };

/**
 * RFC 6940 s7.4.2.1.
 *
 * ```
 * struct {
 *   KindId kind;  uint64 generation;  uint16 length;
 *   select (DataModel) {
 *     case single_value: ;
 *     case array:      ArrayRange indices<0..2^16-1>;
 *     case dictionary: DictionaryKey keys<0..2^16-1>;
 *   } model_specifier;
 * } StoredDataSpecifier;
 * ```
 */
export interface StoredDataSpecifier {
  readonly kind: number;
  readonly generation: bigint;
  readonly specifier: ModelSpecifier;
}

export function encodeStoredDataSpecifier(
  writer: ByteWriter,
  { kind, generation, specifier }: StoredDataSpecifier,
): void {
  writeU32(writer, kind);
  writeU64(writer, generation);
  writer.vector(2, () => {
    switch (specifier.model) {
      case 'single':
        return;
      case 'array':
        checkRanges(specifier.ranges, (reason) => {
          throw new RangeError(reason);
        });
        writeList(writer, 2, specifier.ranges, (_, { first, last }) => {
          writeU32(writer, first);
          writeU32(writer, last);
        });
        return;
      case 'dictionary':
        writeList(writer, 2, specifier.keys, (_, key) => writeOpaque(writer, 2, key));
        return;
      case 'opaque':
        writer.bytes(specifier.bytes);
    }
  });
}

export function decodeStoredDataSpecifier(reader: ByteReader, dataModelOf: DataModelOf): StoredDataSpecifier {
  const kind = reader.u32();
  const generation = reader.u64();
  const content = reader.vector(2);
  const specifier = readSpecifier(content, dataModelOf(kind));
  content.end();
  return { kind, generation, specifier };
}

function readSpecifier(reader: ByteReader, model: DataModel | undefined): ModelSpecifier {
  switch (model) {
    case undefined:
      return { model: 'opaque', bytes: reader.rest() };
    case 'single':
      return { model };
    case 'array': {
      const at = reader.offset;
      const ranges = readList(reader.vector(2), MAX_VALUES, (list) => ({ first: list.u32(), last: list.u32() }));
      checkRanges(ranges, (reason) => malformed(at, reason));
      return { model, ranges };
    }
    case 'dictionary':
      return { model, keys: readList(reader.vector(2), MAX_VALUES, (list) => readOpaque(list, 2)) };
  }
}

/** RFC 6940 s7.4.2.1: "The first integer MUST be less than or equal to the second. [...] they MUST NOT overlap." */
function checkRanges(ranges: readonly ArrayRange[], fail: (reason: string) => never): void {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  let end = -1;
  for (const { first, last } of sorted) {
    if (first > last) fail('an array range ends before it starts');
    if (first <= end) fail('array ranges overlap');
    end = last;
  }
}
