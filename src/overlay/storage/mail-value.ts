import { ByteReader, ByteWriter, fromHex } from '../../base/bytes.ts';
import { MalformedMessageError } from '../../base/errors.ts';
import type { NodeId } from '../../base/node-id.ts';

const VERSION = 1;
const ID_BYTES = 8;
const MAX_USER_BYTES = 255;
const MAX_TEXT_BYTES = 255;

/** Of a mailbox: a host that leaves messages has one at each, so no more of one are in a mailbox. */
export const MAILBOX_PLACES = 8;
/** Where a host has parts: each slot is one recording, those of the greeting first. */
export const MAIL_SLOTS = 34;
/** A greeting is written where the one before is not: until it is whole, that one is there. */
export const GREETING_SLOTS = 2;
/** Of IDLOC-MAIL-PART: a message with one of them fits the messages of every overlay. */
export const MAX_MAIL_PART_BYTES = 2_048;
const PART_HEADER_BYTES = 12;
export const MAIL_CONTENT_BYTES = MAX_MAIL_PART_BYTES - PART_HEADER_BYTES;
/** Of one recording: 256 KiB, and what sealing it takes. */
export const MAX_MAIL_PARTS = 130;

/** What lives longest; the signature does not cover the lifetime of a value. */
export const MAIL_LIFETIME_S = 14 * 86_400;

/**
 * IDLOC-MAILBOX: that a user takes voice mail, as one of its hosts says.
 *
 * ```
 * struct { uint8 slot; uint64 saved_at; uint8 count; } Greeting;
 * struct { uint8 version; uint8 ring_seconds; uint16 max_seconds; Greeting greeting<0..10>; } IdlocMailbox;
 * ```
 */
export interface MailboxValue {
  readonly ringSeconds: number;
  readonly maxSeconds: number;
  /** Where its parts are, which the same host has written; null: there is none. */
  readonly greeting: PartsName | null;
}

/** What names parts that belong together. */
export interface PartsName {
  /** 0 to MAIL_SLOTS - 1 */
  readonly slot: number;
  /** Milliseconds since the epoch: another one each time. */
  readonly savedAt: number;
  /** 1 to MAX_MAIL_PARTS */
  readonly count: number;
}

export function encodeMailbox({ ringSeconds, maxSeconds, greeting }: MailboxValue): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(ringSeconds);
  writer.u16(maxSeconds);
  writer.vector(1, () => {
    if (greeting !== null) writeName(writer, greeting);
  });
  return writer.finish();
}

/** Undefined: it is none. */
export function mailboxOf(bytes: Uint8Array): MailboxValue | undefined {
  return reading(bytes, (reader) => {
    const ringSeconds = reader.u8();
    const maxSeconds = reader.u16();
    const field = reader.vector(1);
    reader.end();
    if (ringSeconds === 0 || maxSeconds === 0) reader.fail('a time of nothing');
    const greeting = field.remaining === 0 ? null : readName(field);
    field.end();
    if (greeting !== null && greeting.slot >= GREETING_SLOTS) reader.fail('a greeting where there is none');
    return { ringSeconds, maxSeconds, greeting };
  });
}

/**
 * IDLOC-MAIL: that a host has left a message, under the key of its Node-ID at a place of the mailbox.
 *
 * ```
 * struct { uint8 version; uint8 place; opaque user<0..2^8-1>; opaque id[8]; opaque sealed<...>; } IdlocMail;
 * ```
 */
export interface MailValue {
  /** 0 to MAILBOX_PLACES - 1. With the user it tells a peer that stores it where it belongs. */
  readonly place: number;
  /** Whose mailbox it is. */
  readonly user: string;
  /** Of the message, hexadecimal; of what is taken away, which one that was. */
  readonly id: string;
  /** A MailHead, encrypted; empty: the message is taken away. */
  readonly sealed: Uint8Array;
}

export function encodeMail({ place, user, id, sealed }: MailValue): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(place);
  writer.vector(1, () => writer.utf8(user));
  writer.bytes(fromHex(id));
  writer.bytes(sealed);
  return writer.finish();
}

/** Undefined: it is none. */
export function mailOf(bytes: Uint8Array): MailValue | undefined {
  return reading(bytes, (reader) => {
    const place = reader.u8();
    if (place >= MAILBOX_PLACES) reader.fail(`place ${place}`);
    const field = reader.vector(1);
    if (field.remaining === 0 || field.remaining > MAX_USER_BYTES) reader.fail('no user');
    const user = Buffer.from(field.rest()).toString('utf8');
    const id = reader.hex(ID_BYTES);
    return { place, user, id, sealed: reader.rest().slice() };
  });
}

/** The resource name of a place of a mailbox. */
export function mailboxPlaceName(place: number, user: string): string {
  return `mail:${place}:${user}`;
}

/**
 * What only the hosts of the called user read of a message.
 *
 * ```
 * struct { uint8 version; uint64 at; uint16 seconds; uint8 slot; uint64 saved_at; uint8 count; opaque from<0..2^8-1>; } MailHead;
 * ```
 */
export interface MailHead {
  /** Milliseconds since the epoch, by the caller's clock. */
  readonly at: number;
  readonly seconds: number;
  /** Where its recording is, at places of the host that has left it. */
  readonly parts: PartsName;
  /** The caller as it was shown; who it is the signature says. */
  readonly from: string;
}

export function encodeMailHead({ at, seconds, parts, from }: MailHead): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u64(BigInt(at));
  writer.u16(seconds);
  writeName(writer, parts);
  writer.vector(1, () => writer.utf8(from));
  return writer.finish();
}

/** Undefined: it is none. */
export function mailHeadOf(bytes: Uint8Array): MailHead | undefined {
  return reading(bytes, (reader) => {
    const at = readTime(reader);
    const seconds = reader.u16();
    const parts = readName(reader);
    if (parts.slot < GREETING_SLOTS) reader.fail('a message where greetings are');
    const field = reader.vector(1);
    reader.end();
    const from = Buffer.from(field.bytes(Math.min(field.remaining, MAX_TEXT_BYTES))).toString('utf8');
    return { at, seconds, parts, from };
  });
}

/**
 * IDLOC-MAIL-PART: a part of a recording, at a place that its writer alone has.
 *
 * ```
 * struct { uint8 version; uint8 slot; uint8 index; uint8 count; uint64 saved_at; opaque content<...>; } IdlocMailPart;
 * ```
 */
export interface MailPart extends PartsName {
  /** 0 to MAX_MAIL_PARTS - 1 */
  readonly index: number;
  /** Empty: it is taken away. */
  readonly content: Uint8Array;
}

export function encodeMailPart({ slot, index, count, savedAt, content }: MailPart): Uint8Array {
  const writer = new ByteWriter();
  for (const value of [VERSION, slot, index, count]) writer.u8(value);
  writer.u64(BigInt(savedAt));
  writer.bytes(content);
  return writer.finish();
}

/** Undefined: it is none. */
export function mailPartOf(bytes: Uint8Array): MailPart | undefined {
  return reading(bytes, (reader) => {
    const [slot, index, count] = [reader.u8(), reader.u8(), reader.u8()];
    if (slot >= MAIL_SLOTS || index >= count || count > MAX_MAIL_PARTS) reader.fail(`part ${index} of ${count}`);
    return { slot, index, count, savedAt: readTime(reader), content: reader.rest().slice() };
  });
}

/** The resource name of a part. */
export function mailPartName(nodeId: NodeId, slot: number, index: number): string {
  return `mail-part:${nodeId}:${slot}:${index}`;
}

/** @throws {RangeError} when it is empty, or takes more than MAX_MAIL_PARTS. */
export function mailPartsOf(content: Uint8Array, slot: number, savedAt: number): MailPart[] {
  const count = Math.ceil(content.length / MAIL_CONTENT_BYTES);
  if (count === 0 || count > MAX_MAIL_PARTS) throw new RangeError(`${content.length} bytes are no recording`);
  return Array.from({ length: count }, (_, index) => {
    const part = content.subarray(index * MAIL_CONTENT_BYTES, (index + 1) * MAIL_CONTENT_BYTES);
    return { slot, index, count, savedAt, content: part };
  });
}

function writeName(writer: ByteWriter, { slot, savedAt, count }: PartsName): void {
  writer.u8(slot);
  writer.u64(BigInt(savedAt));
  writer.u8(count);
}

function readName(reader: ByteReader): PartsName {
  const slot = reader.u8();
  const savedAt = readTime(reader);
  const count = reader.u8();
  if (slot >= MAIL_SLOTS || count === 0 || count > MAX_MAIL_PARTS) reader.fail(`${count} parts in slot ${slot}`);
  return { slot, savedAt, count };
}

function readTime(reader: ByteReader): number {
  const time = reader.u64();
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) reader.fail('a time too far away');
  return Number(time);
}

function reading<T>(bytes: Uint8Array, read: (reader: ByteReader) => T): T | undefined {
  try {
    const reader = new ByteReader(bytes);
    return reader.u8() === VERSION ? read(reader) : undefined;
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}
