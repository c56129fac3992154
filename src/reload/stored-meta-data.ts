import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { DataModel } from './stored-data.ts';
import { readBoolean, readOpaque, writeBoolean, writeOpaque, writeU32, writeU64, writeU8 } from './wire.ts';

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

export function encodeStoredMetaData(writer: ByteWriter, { storageTime, lifetime, metadata }: StoredMetaData): void {
  writer.vector(4, () => {
    writeU64(writer, storageTime);
    writeU32(writer, lifetime);
    if (metadata.model === 'array') writeU32(writer, metadata.index);
    if (metadata.model === 'dictionary') writeOpaque(writer, 2, metadata.key);
    writeBoolean(writer, metadata.exists);
    writeU32(writer, metadata.valueLength);
    writeU8(writer, metadata.hashAlgorithm);
    writeOpaque(writer, 1, metadata.hash);
  });
}

export function decodeStoredMetaData(reader: ByteReader, model: DataModel): StoredMetaData {
  const content = reader.vector(4);
  const data = { storageTime: content.u64(), lifetime: content.u32(), metadata: readMetaDataValue(content, model) };
  content.end();
  return data;
}

function readMetaDataValue(reader: ByteReader, model: DataModel): MetaDataValue {
  switch (model) {
    case 'single':
      return { model, ...readMetaData(reader) };
    case 'array':
      return { model, index: reader.u32(), ...readMetaData(reader) };
    case 'dictionary':
      return { model, key: readOpaque(reader, 2), ...readMetaData(reader) };
  }
}

function readMetaData(reader: ByteReader): MetaData {
  return {
    exists: readBoolean(reader),
    valueLength: reader.u32(),
    hashAlgorithm: reader.u8(),
    hash: readOpaque(reader, 1),
  };
}
