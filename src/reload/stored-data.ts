import { ByteWriter } from '../base/bytes.ts';
import type { ByteReader } from '../base/bytes.ts';
import type { ResourceId } from '../base/node-id.ts';
import { KIND_IDS } from './constants.ts';
import { decodeSignature, encodeSignature, encodeSignerIdentity } from './security-block.ts';
import type { Signature, SignerIdentity } from './security-block.ts';
import { checkResourceId, readBoolean, readOpaque, writeBoolean, writeOpaque, writeU32, writeU64 } from './wire.ts';

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

/** Data models of the registered Kinds: RFC 6940 s8, s9 and SIP-REGISTRATION (RFC 7904 s9.1). */
export function registeredDataModel(kind: number): DataModel | undefined {
  switch (kind) {
    case KIND_IDS.sipRegistration:
      return 'dictionary';
    case KIND_IDS.turnService:
      return 'single';
    case KIND_IDS.certificateByNode:
    case KIND_IDS.certificateByUser:
      return 'array';
    default:
      return undefined;
  }
}

export function encodeStoredDataValue(writer: ByteWriter, value: StoredDataValue): void {
  if (value.model === 'array') writeU32(writer, value.index);
  if (value.model === 'dictionary') writeOpaque(writer, 2, value.key);
  writeBoolean(writer, value.exists);
  writeOpaque(writer, 4, value.value);
}

export function decodeStoredDataValue(reader: ByteReader, model: DataModel): StoredDataValue {
  switch (model) {
    case 'single':
      return { model, ...readDataValue(reader) };
    case 'array':
      return { model, index: reader.u32(), ...readDataValue(reader) };
    case 'dictionary':
      return { model, key: readOpaque(reader, 2), ...readDataValue(reader) };
  }
}

export function encodeStoredData(writer: ByteWriter, data: StoredData): void {
  writer.vector(4, () => {
    writeU64(writer, data.storageTime);
    writeU32(writer, data.lifetime);
    encodeStoredDataValue(writer, data.value);
    encodeSignature(writer, data.signature);
  });
}

export function decodeStoredData(reader: ByteReader, model: DataModel): StoredData {
  const content = reader.vector(4);
  const data = {
    storageTime: content.u64(),
    lifetime: content.u32(),
    value: decodeStoredDataValue(content, model),
    signature: decodeSignature(content),
  };
  content.end();
  return data;
}

/**
 * What the signature of a stored value covers (RFC 6940 s7.1): resource_id || kind || storage_time || StoredDataValue ||
 * SignerIdentity. The text does not say whether the Resource-ID has its length byte; it has none here. The index of an
 * array entry counts as 0 (s7.4.2.2), since appending changes it.
 */
export function dataSignatureInput(
  resourceId: ResourceId,
  kind: number,
  storageTime: bigint,
  value: StoredDataValue,
  signerIdentity: SignerIdentity,
): Uint8Array {
  checkResourceId(resourceId);
  const writer = new ByteWriter();
  writer.hex(resourceId);
  writeU32(writer, kind);
  writeU64(writer, storageTime);
  encodeStoredDataValue(writer, value.model === 'array' ? { ...value, index: 0 } : value);
  encodeSignerIdentity(writer, signerIdentity);
  return writer.finish();
}

function readDataValue(reader: ByteReader): DataValue {
  return { exists: readBoolean(reader), value: readOpaque(reader, 4) };
}
