import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import { isNodeId } from '../base/node-id.ts';
import type { NodeId, ResourceId } from '../base/node-id.ts';
import { MAX_RESOURCE_ID_BYTES, NODE_ID_BYTES } from './constants.ts';

/** Element types that most structures of RFC 6940 share (s6.3.1). Writers throw RangeError for what no reader would take. */

export function malformed(offset: number, reason: string): never {
  throw new MalformedMessageError(offset, reason);
}

/** @throws {RangeError} when it is none of so many bits. */
export function unsigned(value: number, bits: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits)
    throw new RangeError(`${value} is not an unsigned number of ${bits} bits`);
  return value;
}

export function writeU8(writer: ByteWriter, value: number): void {
  writer.u8(unsigned(value, 8));
}

export function writeU16(writer: ByteWriter, value: number): void {
  writer.u16(unsigned(value, 16));
}

export function writeU32(writer: ByteWriter, value: number): void {
  writer.u32(unsigned(value, 32));
}

export function writeU64(writer: ByteWriter, value: bigint): void {
  if (BigInt.asUintN(64, value) !== value)
    throw new RangeError(`${value.toString()} is not an unsigned number of 64 bits`);
  writer.u64(value);
}

export function writeBoolean(writer: ByteWriter, value: boolean): void {
  writer.u8(value ? 1 : 0);
}

/** RFC 6940 s6.3.1.1: "A boolean value is either a 1 or a 0." */
export function readBoolean(reader: ByteReader): boolean {
  const at = reader.offset;
  const value = reader.u8();
  if (value > 1) malformed(at, `${value} is not a Boolean`);
  return value === 1;
}

/** `opaque x<0..2^(8 * lengthBytes)-1>` */
export function writeOpaque(writer: ByteWriter, lengthBytes: 1 | 2 | 3 | 4, value: Uint8Array): void {
  writer.vector(lengthBytes, () => writer.bytes(value));
}

export function readOpaque(reader: ByteReader, lengthBytes: 1 | 2 | 3 | 4): Uint8Array {
  return reader.vector(lengthBytes).rest();
}

export function writeNodeId(writer: ByteWriter, nodeId: NodeId): void {
  if (!isNodeId(nodeId)) throw new RangeError(`not a Node-ID: ${nodeId}`);
  writer.hex(nodeId);
}

export function readNodeId(reader: ByteReader): NodeId {
  return reader.hex(NODE_ID_BYTES);
}

/** @throws {RangeError} when it is not lower-case hexadecimal text of 0 to 254 bytes. */
export function checkResourceId(resourceId: ResourceId): void {
  if (resourceId.length % 2 !== 0 || resourceId.length > 2 * MAX_RESOURCE_ID_BYTES || !/^[0-9a-f]*$/.test(resourceId))
    throw new RangeError(`not a Resource-ID: ${resourceId.slice(0, 64)}`);
}

export function writeResourceId(writer: ByteWriter, resourceId: ResourceId): void {
  checkResourceId(resourceId);
  writer.u8(resourceId.length / 2);
  writer.hex(resourceId);
}

export function readResourceId(reader: ByteReader): ResourceId {
  const at = reader.offset;
  const length = reader.u8();
  if (length > MAX_RESOURCE_ID_BYTES)
    malformed(at, `a Resource-ID has at most ${MAX_RESOURCE_ID_BYTES} bytes, not ${length}`);
  return reader.hex(length);
}

/** Text of which `pattern` names the characters, as one byte each. */
export function writeText(writer: ByteWriter, lengthBytes: 1 | 2, text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new RangeError(`a character is not allowed: ${text.slice(0, 64)}`);
  writer.vector(lengthBytes, () => writer.utf8(text));
}

/** `pattern` must not let through anything but ASCII. */
export function readText(reader: ByteReader, lengthBytes: 1 | 2, pattern: RegExp): string {
  const content = reader.vector(lengthBytes);
  const at = content.offset;
  const text = Buffer.from(content.rest()).toString('latin1');
  if (!pattern.test(text)) malformed(at, 'a character is not allowed here');
  return text;
}

/** Every element of a vector, `max` at most. */
export function readList<T>(reader: ByteReader, max: number, readItem: (reader: ByteReader) => T): T[] {
  const items: T[] = [];
  while (reader.remaining > 0) {
    if (items.length === max) reader.fail(`more than ${max} elements`);
    items.push(readItem(reader));
  }
  return items;
}

/** A vector of elements. */
export function writeList<T>(
  writer: ByteWriter,
  lengthBytes: 1 | 2 | 3 | 4,
  items: readonly T[],
  writeItem: (writer: ByteWriter, item: T) => void,
): void {
  writer.vector(lengthBytes, () => {
    for (const item of items) writeItem(writer, item);
  });
}

/** `NodeId ids<0..2^16-1>` */
export function writeNodeIds(writer: ByteWriter, nodeIds: readonly NodeId[]): void {
  writeList(writer, 2, nodeIds, writeNodeId);
}

export function readNodeIds(reader: ByteReader): NodeId[] {
  return readList(reader.vector(2), Math.floor(0xffff / NODE_ID_BYTES), readNodeId);
}
