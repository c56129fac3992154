import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { type DataModel, type StoredData, decodeStoredData, encodeStoredData } from '../../reload/index.ts';

/**
 * A StoredData (RFC 6940 s7) as it is encoded, a character a byte: one object of V8's heap without references to others,
 * where as many bytes in an array buffer are two objects, memory outside the heap and an entry in the list of what is to be
 * freed there.
 */
export type PackedData = string;

/** What the objects around the bytes take, roughly: the entry, its resource, the certificate of its writer. */
const OVERHEAD_BYTES = 400;

export function pack(data: StoredData): PackedData {
  const writer = new ByteWriter();
  encodeStoredData(writer, data);
  return Buffer.from(writer.finish().buffer).toString('latin1');
}

export function unpack(packed: PackedData, model: DataModel): StoredData {
  const { buffer, byteOffset, byteLength } = Buffer.from(packed, 'latin1');
  return decodeStoredData(new ByteReader(new Uint8Array(buffer, byteOffset, byteLength)), model);
}

/** What it counts of the bytes that a node stores. */
export function sizeOf(packed: PackedData): number {
  return packed.length + OVERHEAD_BYTES;
}
