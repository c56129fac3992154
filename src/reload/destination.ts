import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { NodeId, ResourceId } from '../base/node-id.ts';
import {
  malformed,
  readNodeId,
  readOpaque,
  readResourceId,
  writeNodeId,
  writeOpaque,
  writeResourceId,
  writeU8,
} from './wire.ts';

/**
 * One element of a Via or Destination List (RFC 6940 s6.3.2.2).
 *
 * ```
 * struct { DestinationType type; uint8 length; DestinationData destination_data; } Destination;
 * struct { uint16 opaque_id; } Destination;   // top bit MUST be 1
 * ```
 *
 * `compact` tells that an opaque ID is (to be) written in the 16-bit form: it then has two bytes, the first above 0x7f.
 */
export type Destination =
  | { readonly type: 'node'; readonly nodeId: NodeId }
  | { readonly type: 'resource'; readonly resourceId: ResourceId }
  | { readonly type: 'opaque'; readonly opaqueId: Uint8Array; readonly compact: boolean }
  | { readonly type: 'unknown'; readonly code: number; readonly data: Uint8Array };

const NODE = 1;
const RESOURCE = 2;
const OPAQUE = 3;
const COMPACT_BIT = 0x80;

export function encodeDestination(writer: ByteWriter, destination: Destination): void {
  switch (destination.type) {
    case 'node':
      writer.u8(NODE);
      writer.vector(1, () => writeNodeId(writer, destination.nodeId));
      return;
    case 'resource':
      writer.u8(RESOURCE);
      writer.vector(1, () => writeResourceId(writer, destination.resourceId));
      return;
    case 'opaque': {
      const { opaqueId, compact } = destination;
      if (!compact) {
        writer.u8(OPAQUE);
        writer.vector(1, () => writeOpaque(writer, 1, opaqueId));
        return;
      }
      if (opaqueId.length !== 2 || ((opaqueId[0] ?? 0) & COMPACT_BIT) === 0)
        throw new RangeError('a compact opaque ID has two bytes with the top bit set');
      writer.bytes(opaqueId);
      return;
    }
    case 'unknown':
      if (destination.code <= OPAQUE || destination.code >= COMPACT_BIT)
        throw new RangeError(`${destination.code} is not an unknown DestinationType`);
      writeU8(writer, destination.code);
      writeOpaque(writer, 1, destination.data);
  }
}

export function decodeDestination(reader: ByteReader): Destination {
  const at = reader.offset;
  const code = reader.u8();
  if ((code & COMPACT_BIT) !== 0) return { type: 'opaque', opaqueId: Uint8Array.of(code, reader.u8()), compact: true };
  if (code === 0) malformed(at, 'DestinationType 0 is invalid');
  const data = reader.vector(1);
  const destination = decodeData(code, data);
  data.end();
  return destination;
}

function decodeData(code: number, data: ByteReader): Destination {
  switch (code) {
    case NODE:
      return { type: 'node', nodeId: readNodeId(data) };
    case RESOURCE:
      return { type: 'resource', resourceId: readResourceId(data) };
    case OPAQUE:
      return { type: 'opaque', opaqueId: readOpaque(data, 1), compact: false };
    default:
      return { type: 'unknown', code, data: data.rest() };
  }
}
