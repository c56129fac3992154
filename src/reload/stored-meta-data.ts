/** `struct { Boolean exists; uint32 value_length; HashAlgorithm hash_algorithm; opaque hash_value<0..255>; } MetaData;` (RFC 6940 s7.4.3.2). */
export interface MetaData {
  readonly exists: boolean;
  readonly valueLength: number;
  readonly hashAlgorithm: number;
  /** Over the value with its four length bytes in front. */
  readonly hash: Uint8Array;
}

/** RFC 6940 s7.4.3.2: parallels StoredDataValue. */
export type MetaDataValue =
  | ({ readonly model: 'single' } & MetaData)
  | ({ readonly model: 'array'; readonly index: number } & MetaData)
  | ({ readonly model: 'dictionary'; readonly key: Uint8Array } & MetaData);

/** `struct { uint32 value_length; uint64 storage_time; uint32 lifetime; MetaDataValue metadata; } StoredMetaData;` (RFC 6940 s7.4.3.2). */
export interface StoredMetaData {
  readonly storageTime: bigint;
  readonly lifetime: number;
  readonly metadata: MetaDataValue;
}
