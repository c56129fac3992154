import { concatBytes, fromHex, toHex } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import { isCaptureFile, readCapture } from './capture/capture-file.ts';
import { DATA_FRAME_HEADER_BYTES, FRAME_TYPES, RELOAD_PORT, RELOAD_VERSION } from './constants.ts';
import {
  decodeForwardingHeader,
  encodeForwardingHeader,
  fragmentOffset,
  isLastFragment,
  isWholeMessage,
} from './forwarding-header.ts';
import type { DecodedForwardingHeader } from './forwarding-header.ts';
import { decodeFrame, encodeFrame } from './frame.ts';
import { toJsonValue } from './json-value.ts';
import type { JsonValue } from './json-value.ts';
import { decodeMessage, encodeMessage } from './message.ts';
import { registeredDataModel } from './stored-data.ts';
import type { DataModelOf } from './stored-data.ts';

/** Where something stood: a line of hexadecimal text, or a packet of a capture. */
export type InspectionOrigin =
  | { readonly line: number }
  | { readonly packet: number; readonly time: number; readonly from: string; readonly to: string };

/**
 * One message (or frame, or fragment) for people and programs. In `header`, `contents` and `security`, 64-bit numbers are
 * decimal text and byte strings hexadecimal text.
 */
export interface InspectedMessage {
  readonly origin: InspectionOrigin;
  /** Present when the message came in a frame; an ack frame has nothing else. */
  readonly frame?: JsonValue;
  readonly header?: JsonValue;
  readonly contents?: JsonValue;
  readonly security?: JsonValue;
  /** What follows the header of a fragment. */
  readonly fragmentData?: string;
  /** The hexadecimal text that this codec writes for what it read. */
  readonly reencoded: string;
}

export interface InspectedFailure {
  readonly origin: InspectionOrigin;
  /** Bytes from the start of the line's or datagram's bytes, a frame header included. */
  readonly offset: number;
  readonly reason: string;
}

export type Inspection = InspectedMessage | InspectedFailure;

export interface InspectOptions {
  /** Data models of the Kinds; by default those of the registered ones. */
  readonly dataModelOf?: DataModelOf;
  /** The UDP port that carries RELOAD frames in a capture. */
  readonly port?: number;
}

/**
 * Every RELOAD message in the input: a capture (pcap or pcapng), where UDP datagrams of one port carry frames, or text with one
 * message or frame in hexadecimal on a line (blanks within are ignored, so are empty lines and what follows a `#`).
 * @throws {MalformedMessageError} only for a capture file whose own format is broken, with the offset in the file.
 */
export function inspect(input: Uint8Array, options: InspectOptions = {}): Inspection[] {
  return isCaptureFile(input)
    ? inspectCapture(input, options)
    : inspectText(Buffer.from(input).toString('utf8'), options);
}

function inspectText(text: string, options: InspectOptions): Inspection[] {
  const inspections: Inspection[] = [];
  text.split(/\r?\n/).forEach((content, i) => {
    const hex = content.replace(/#.*$/, '').replace(/\s+/g, '');
    if (hex === '') return;
    const origin = { line: i + 1 };
    inspections.push(attempt(origin, () => inspectOne(origin, bytesOfHex(hex), options)));
  });
  return inspections;
}

function bytesOfHex(hex: string): Uint8Array {
  const bad = hex.search(/[^0-9a-fA-F]/);
  if (bad >= 0) throw new MalformedMessageError(bad >> 1, 'not a hexadecimal digit');
  if (hex.length % 2 !== 0) throw new MalformedMessageError(hex.length >> 1, 'an odd number of hexadecimal digits');
  return fromHex(hex);
}

function inspectCapture(bytes: Uint8Array, options: InspectOptions): Inspection[] {
  const port = options.port ?? RELOAD_PORT;
  const inspections: Inspection[] = [];
  for (const { packet, time, from, to, fromPort, toPort, payload, cutOff } of readCapture(bytes)) {
    if ((fromPort !== port && toPort !== port) || !startsFrame(payload)) continue;
    const origin = { packet, time, from, to };
    inspections.push(
      cutOff
        ? { origin, offset: payload.length, reason: 'the capture kept a part of this packet only' }
        : attempt(origin, () => inspectOne(origin, payload, options)),
    );
  }
  return inspections;
}

/** On the same port go STUN and DTLS, which start otherwise (RFC 7983). */
function startsFrame(bytes: Uint8Array): boolean {
  return bytes[0] === FRAME_TYPES.data || bytes[0] === FRAME_TYPES.ack;
}

function attempt(origin: InspectionOrigin, read: () => Inspection): Inspection {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedMessageError) return { origin, offset: error.offset, reason: error.reason };
    throw error;
  }
}

function inspectOne(origin: InspectionOrigin, bytes: Uint8Array, options: InspectOptions): InspectedMessage {
  if (!startsFrame(bytes)) return { origin, ...inspectMessage(bytes, options) };
  const frame = decodeFrame(bytes);
  if (frame.type === 'ack') return { origin, frame: toJsonValue(frame), reencoded: toHex(encodeFrame(frame)) };
  const { type, sequence } = frame;
  const inspected = inFrame(() => inspectMessage(frame.message, options));
  const reencoded = toHex(encodeFrame({ type, sequence, message: fromHex(inspected.reencoded) }));
  return { origin, frame: { type, sequence }, ...inspected, reencoded };
}

/** Offsets of a message, moved by the header of the frame around it. */
function inFrame<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedMessageError)
      throw new MalformedMessageError(error.offset + DATA_FRAME_HEADER_BYTES, error.reason);
    throw error;
  }
}

function inspectMessage(bytes: Uint8Array, options: InspectOptions): Omit<InspectedMessage, 'origin'> {
  const header = decodeForwardingHeader(bytes);
  if (!isWholeMessage(header)) {
    const data = bytes.subarray(header.headerLength);
    const reencoded = toHex(concatBytes(encodeForwardingHeader(header, data.length), data));
    return { header: describeHeader(header), fragmentData: toHex(data), reencoded };
  }
  const message = decodeMessage(bytes, { dataModelOf: options.dataModelOf ?? registeredDataModel });
  return {
    header: describeHeader(header),
    contents: toJsonValue(message.contents),
    security: toJsonValue(message.security),
    reencoded: toHex(encodeMessage(message)),
  };
}

function describeHeader(header: DecodedForwardingHeader): JsonValue {
  const { fragment, ...fields } = header;
  const described = { raw: fragment, last: isLastFragment(header), offset: fragmentOffset(header) };
  return toJsonValue({ version: RELOAD_VERSION, ...fields, fragment: described });
}
