import { createHash } from 'node:crypto';
import { ByteReader, ByteWriter, fromHex, toHex } from '../../base/bytes.ts';
import { MalformedMessageError } from '../../base/errors.ts';

const VERSION = 1;
const TOKEN_BYTES = 32;
const MAX_USER_BYTES = 255;
/** So few that a mark says next to nothing of a number, and enough that hardly another number has it. */
const MARK_BYTES = 2;
const MAX_MARKS = 64;

/**
 * IDLOC-NUMBER: whom a telephone number calls, as a gateway's host says. The number itself is not in it.
 *
 * ```
 * struct { uint8 version; opaque token[32]; opaque user<0..2^8-1>; } IdlocNumber;
 * ```
 */
export interface NumberValue {
  /** Of the number (`numberToken`): with it a peer that stores the record checks whose place it is at. */
  readonly token: Uint8Array;
  /** `bob@home.example`; null: nobody any more, which is what a record that is taken away says. */
  readonly user: string | null;
}

/**
 * What stands for a number: another one in each overlay. It hides the number from whoever does not look for it; who tries all numbers
 * finds it.
 * @param number E.164: `+4930123456`
 */
export function numberToken(overlay: string, number: string): Uint8Array {
  return createHash('sha256').update(`idloc number 1\n${overlay}\n${number}`).digest();
}

/** The resource name of a number that a gateway has given to somebody. Each gateway has its own, which nobody else can write at. */
export function numberResourceName(token: Uint8Array, gateway: string): string {
  return `number:${toHex(token)}:${gateway}`;
}

export function encodeNumberValue({ token, user }: NumberValue): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.bytes(token);
  writer.vector(1, () => writer.utf8(user ?? ''));
  return writer.finish();
}

/** Undefined: it is none. */
export function numberOf(bytes: Uint8Array): NumberValue | undefined {
  try {
    const reader = new ByteReader(bytes);
    if (reader.u8() !== VERSION) return undefined;
    const token = reader.bytes(TOKEN_BYTES).slice();
    const field = reader.vector(1);
    reader.end();
    if (field.remaining > MAX_USER_BYTES) return undefined;
    const user = Buffer.from(field.rest()).toString('utf8');
    return { token, user: user === '' ? null : user };
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** The mark of a number, hexadecimal. */
export function numberMark(token: Uint8Array): string {
  return toHex(token.subarray(0, MARK_BYTES));
}

/**
 * IDLOC-NUMBERS: the marks of all numbers that a gateway's host has given. Who dials a number looks first whether its mark is there: so
 * nobody hears what is dialled in the world outside, and the list itself tells nobody the numbers.
 *
 * ```
 * struct { uint8 version; uint16 marks<0..2^16-1>; } IdlocNumbers;
 * ```
 * @param marks one after the other, hexadecimal
 */
export function encodeNumberMarks(marks: string): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.vector(2, () => writer.bytes(fromHex(marks)));
  return writer.finish();
}

/** None: it is no such list. */
export function numberMarksOf(bytes: Uint8Array): readonly string[] {
  try {
    const reader = new ByteReader(bytes);
    if (reader.u8() !== VERSION) return [];
    const list = reader.vector(2);
    reader.end();
    const marks: string[] = [];
    while (list.remaining > 0 && marks.length < MAX_MARKS) marks.push(toHex(list.bytes(MARK_BYTES)));
    return marks;
  } catch (error) {
    if (error instanceof MalformedMessageError) return [];
    throw error;
  }
}
