import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { FRAME_TYPES } from './constants.ts';
import { malformed, readOpaque, writeOpaque, writeU32 } from './wire.ts';

/**
 * What stands in one record of an overlay link (RFC 6940 s6.6.2).
 *
 * ```
 * struct {
 *   FramedMessageType type;                      // data(128), ack(129)
 *   select (type) {
 *     case data: uint32 sequence;      opaque message<0..2^24-1>;
 *     case ack:  uint32 ack_sequence;  uint32 received;
 *   };
 * } FramedMessage;
 * ```
 */
export type FramedMessage =
  | { readonly type: 'data'; readonly sequence: number; readonly message: Uint8Array }
  | { readonly type: 'ack'; readonly ackSequence: number; readonly received: number };

/** @throws {RangeError} when the message has 2^24 bytes or more. */
export function encodeFrame(frame: FramedMessage): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(FRAME_TYPES[frame.type]);
  if (frame.type === 'data') {
    writeU32(writer, frame.sequence);
    writeOpaque(writer, 3, frame.message);
  } else {
    writeU32(writer, frame.ackSequence);
    writeU32(writer, frame.received);
  }
  return writer.finish();
}

/**
 * One whole frame; the message is a view of the input.
 * @throws {MalformedMessageError}
 */
export function decodeFrame(bytes: Uint8Array): FramedMessage {
  const reader = new ByteReader(bytes);
  const frame = readFrame(reader);
  reader.end();
  return frame;
}

function readFrame(reader: ByteReader): FramedMessage {
  const code = reader.u8();
  switch (code) {
    case FRAME_TYPES.data:
      return { type: 'data', sequence: reader.u32(), message: readOpaque(reader, 3) };
    case FRAME_TYPES.ack:
      return { type: 'ack', ackSequence: reader.u32(), received: reader.u32() };
    default:
      return malformed(0, `FramedMessageType ${code} is not known`);
  }
}
