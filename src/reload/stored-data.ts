import type { Signature } from './security-block.ts';

/** RFC 6940 s7.2: known from the Kind, never on the wire. */
export type DataModel = 'single' | 'array' | 'dictionary';

/** Answers which data model a Kind has; undefined: the Kind is not known here. */
export type DataModelOf = (kind: number) => DataModel | undefined;

/** `struct { Boolean exists; opaque value<0..2^32-1>; } DataValue;` (RFC 6940 s7.2). */
export interface DataValue {
  readonly exists: boolean;
  readonly value: Uint8Array;
}

/**
 * RFC 6940 s7.2.
 *
 * ```
 * struct { uint32 index; DataValue value; } ArrayEntry;
 * struct { DictionaryKey key; DataValue value; } DictionaryEntry;     // opaque DictionaryKey<0..2^16-1>
 * ```
 */
export type StoredDataValue =
  | ({ readonly model: 'single' } & DataValue)
  | ({ readonly model: 'array'; readonly index: number } & DataValue)
  | ({ readonly model: 'dictionary'; readonly key: Uint8Array } & DataValue);

/**
 * RFC 6940 s7.
 *
 * ```
 * struct { uint32 length; uint64 storage_time; uint32 lifetime; StoredDataValue value; Signature signature; } StoredData;
 * ```
 */
export interface StoredData {
  /** Milliseconds since the epoch. */
  readonly storageTime: bigint;
  /** Seconds from the arrival of the StoreReq. */
  readonly lifetime: number;
  readonly value: StoredDataValue;
  readonly signature: Signature;
}
