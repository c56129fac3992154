import { MalformedMessageError } from '../base/errors.ts';

/*
 * What an agent and an answering machine say to each other over a stream socket, one call on each connection:
 *
 *     agent                                    machine
 *       |--- ORDERS, SOUND, SOUND..., START --->|
 *       |<-- READY: where it hears SIP ---------|
 *       |--- ENOUGH, if the agent ends -------->|
 *       |<-- RECORDING, if somebody spoke ------|
 *       |<-- OVER ------------------------------|
 *
 * Whoever has had enough closes the connection, and the call is over.
 *
 *     0        1                 5
 *     +--------+-----------------+-----------+
 *     |  type  | length, 32 bits |  payload  |
 *     +--------+-----------------+-----------+
 */

/**
 * An agent and a machine may be of different versions while one is installed: numbers are not given anew, and 5 had another meaning.
 * Payloads: of `orders`, `ready` and `over` JSON, of `sound` and `recording` Ogg Opus, of the others none.
 */
export const FRAME = { orders: 1, sound: 2, start: 3, ready: 4, recording: 6, over: 7, enough: 8 } as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

export interface Frame {
  readonly type: FrameType;
  readonly payload: Uint8Array;
}

const HEADER_BYTES = 5;
/** An hour at 16 kbit/s. */
export const MAX_PAYLOAD_BYTES = 8 << 20;
/** What one call plays. */
export const MAX_SOUNDS = 64;
export const MAX_SOUND_BYTES = 16 << 20;
export const MAX_SECONDS = 600;
/** Where a machine hears SIP. */
export const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const;

export interface Orders {
  /** `record`: what is played is a greeting, and what is said behind it is kept. `play`: what is played is all, and it hangs up then. */
  readonly task: 'record' | 'play';
  /** Of the media. */
  readonly family: 4 | 6;
  /** Which has the addresses that media come to. */
  readonly interfaceName: string;
  /** What the caller can do; Opus only where it has no other. */
  readonly codec: 'g711' | 'opus';
  /** Of a recording, or of what is played. */
  readonly maxSeconds: number;
  /** Of each sound, in their order: what is longer than it should be is cut off there. Absent, or behind the last: as long as there is time. */
  readonly soundSeconds?: readonly number[] | undefined;
}

/** How a call was. */
export interface Report {
  /** Of the recording. */
  readonly seconds: number;
  /** Sounds that the caller has heard to their ends. */
  readonly played: number;
  readonly why: string;
}

export function encodeFrame(type: FrameType, payload: Uint8Array = new Uint8Array()): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

export function encodeJson(type: FrameType, value: unknown): Buffer {
  return encodeFrame(type, Buffer.from(JSON.stringify(value)));
}

/** Frames out of the pieces in which a stream brings them. */
export class FrameReader {
  private pieces: Uint8Array[] = [];
  private bytes = 0;
  private wanted = HEADER_BYTES;

  /** @throws {MalformedMessageError} for what is no frame, or too long: nothing that follows can be read. */
  push(piece: Uint8Array): Frame[] {
    this.pieces.push(piece);
    this.bytes += piece.length;
    const frames: Frame[] = [];
    while (this.bytes >= this.wanted) {
      const all = Buffer.concat(this.pieces);
      const type = all.readUInt8(0);
      const length = all.readUInt32BE(1);
      if (!isFrameType(type)) throw new MalformedMessageError(0, `no frame type: ${type}`);
      if (length > MAX_PAYLOAD_BYTES) throw new MalformedMessageError(1, `a payload of ${length} bytes`);
      const end = HEADER_BYTES + length;
      const isWhole = all.length >= end;
      if (isWhole) frames.push({ type, payload: all.subarray(HEADER_BYTES, end) });
      const rest = isWhole ? all.subarray(end) : all;
      this.pieces = [rest];
      this.bytes = rest.length;
      this.wanted = isWhole ? HEADER_BYTES : end;
    }
    return frames;
  }
}

/** @throws {MalformedMessageError} */
export function parseOrders(payload: Uint8Array): Orders {
  const { task, family, interfaceName, codec, maxSeconds, soundSeconds } = parseObject(payload);
  if (task !== 'record' && task !== 'play') throw new MalformedMessageError(0, 'no task');
  if (family !== 4 && family !== 6) throw new MalformedMessageError(0, 'no address family');
  // It is written into a file of lines.
  if (typeof interfaceName !== 'string' || !/^[A-Za-z0-9_.-]{1,15}$/.test(interfaceName))
    throw new MalformedMessageError(0, 'no name of an interface');
  if (codec !== 'g711' && codec !== 'opus') throw new MalformedMessageError(0, 'no codec');
  if (typeof maxSeconds !== 'number' || !(maxSeconds >= 1 && maxSeconds <= MAX_SECONDS))
    throw new MalformedMessageError(0, `seconds are 1 to ${MAX_SECONDS}`);
  const orders = { task, family, interfaceName, codec, maxSeconds } as const;
  if (soundSeconds === undefined) return orders;
  if (!isSeconds(soundSeconds)) throw new MalformedMessageError(0, 'no seconds of sounds');
  return { ...orders, soundSeconds };
}

/** @throws {MalformedMessageError} */
export function parseReport(payload: Uint8Array): Report {
  const { seconds, played, why } = parseObject(payload);
  if (typeof seconds !== 'number' || !(seconds >= 0 && seconds <= 2 * MAX_SECONDS))
    throw new MalformedMessageError(0, 'no seconds');
  if (typeof played !== 'number' || !Number.isInteger(played) || played < 0 || played > MAX_SOUNDS)
    throw new MalformedMessageError(0, 'no number of sounds');
  return { seconds, played, why: typeof why === 'string' ? why.slice(0, 256) : '' };
}

/** @returns the port. @throws {MalformedMessageError} */
export function parseReady(payload: Uint8Array): number {
  const { port } = parseObject(payload);
  if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port <= 65_535) return port;
  throw new MalformedMessageError(0, 'no port');
}

function parseObject(payload: Uint8Array): Partial<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(payload).toString());
  } catch {
    throw new MalformedMessageError(0, 'no JSON');
  }
  if (typeof value === 'object' && value !== null) return value;
  throw new MalformedMessageError(0, 'no JSON object');
}

function isSeconds(value: unknown): value is readonly number[] {
  const isOne = (seconds: unknown): boolean => typeof seconds === 'number' && seconds >= 1 && seconds <= MAX_SECONDS;
  return Array.isArray(value) && value.length <= MAX_SOUNDS && value.every(isOne);
}

function isFrameType(type: number): type is FrameType {
  return Object.values<number>(FRAME).includes(type);
}
