import { Buffer } from 'node:buffer';
import dnsPacket, { type Answer } from 'dns-packet';
import { MalformedMessageError } from '../base/errors.ts';
import { HEADER_BYTES, MAX_NAME_BYTES, MAX_UDP_PAYLOAD_BYTES, MIN_UDP_PAYLOAD_BYTES } from './constants.ts';

/** RFC 1035 s4.1.1, RFC 6891 s9. */
export const Rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;
export type Rcode = (typeof Rcode)[keyof typeof Rcode];

export interface Question {
  /** As asked, whatever the case of its letters; no dot at the end. */
  readonly name: string;
  /** `AAAA`, ..., or `UNKNOWN_65` for types that dns-packet has no name for. */
  readonly type: string;
  /** `IN`, ... */
  readonly class: string;
}

export interface Query {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly question: Question;
  /** The question section as it came: answers repeat it byte by byte, since clients compare the case of letters. */
  readonly questionBytes: Uint8Array;
}

export interface Edns {
  readonly udpPayloadSize: number;
  readonly version: number;
}

export interface Response {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly additionals: readonly Answer[];
}

/** A datagram that deserves an answer at all: a whole header, and a query. Answering answers would make loops. */
export function isQuery(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_BYTES && ((bytes[2] ?? 0) & 0x80) === 0;
}

/**
 * The header and the one question. Further sections are not looked at: they concern whoever answers (`decodeEdns`).
 * @throws {MalformedMessageError}
 */
export function decodeQuery(bytes: Uint8Array): Query {
  if (bytes.length < HEADER_BYTES) throw new MalformedMessageError(bytes.length, 'no whole DNS header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  if ((flags & 0x8000) !== 0) throw new MalformedMessageError(2, 'an answer where a query belongs');
  if (view.getUint16(4) !== 1) throw new MalformedMessageError(4, 'not exactly one question');
  const end = questionEnd(bytes);
  const head = Buffer.from(bytes.subarray(0, end));
  head.fill(0, 6, HEADER_BYTES);
  const question = decodeGuarded(head).questions?.[0];
  if (question === undefined) throw new MalformedMessageError(HEADER_BYTES, 'no question');
  return {
    id: view.getUint16(0),
    opcode: (flags >> 11) & 0xf,
    recursionDesired: (flags & 0x0100) !== 0,
    question: { name: question.name, type: question.type, class: question.class ?? 'IN' },
    questionBytes: Uint8Array.from(bytes.subarray(HEADER_BYTES, end)),
  };
}

/**
 * The OPT record of a query (RFC 6891 s6.1), undefined when it has none.
 * @throws {MalformedMessageError}
 */
export function decodeEdns(bytes: Uint8Array): Edns | undefined {
  let found: Edns | undefined;
  for (const record of decodeGuarded(Buffer.from(bytes)).additionals ?? []) {
    if (record.type !== 'OPT') continue;
    if (found !== undefined) throw new MalformedMessageError(HEADER_BYTES, 'two OPT records');
    found = { udpPayloadSize: record.udpPayloadSize, version: record.ednsVersion };
  }
  return found;
}

/** How large an answer over UDP may be. */
export function udpLimit(edns: Edns | undefined): number {
  if (edns === undefined) return MIN_UDP_PAYLOAD_BYTES;
  return Math.max(MIN_UDP_PAYLOAD_BYTES, Math.min(edns.udpPayloadSize, MAX_UDP_PAYLOAD_BYTES));
}

/**
 * The answer in at most `limit` bytes: additional records go first; then everything goes and TC is set.
 */
export function encodeResponse(query: Query, response: Response, edns: Edns | undefined, limit: number): Uint8Array {
  const whole = encodeSections(query, response, edns, false);
  if (whole.length <= limit) return whole;
  const lean = encodeSections(query, { ...response, additionals: [] }, edns, false);
  if (lean.length <= limit) return lean;
  return encodeSections(query, { ...response, answers: [], authorities: [], additionals: [] }, edns, true);
}

/** An answer made from the header alone, for queries whose rest cannot be read. */
export function encodeHeaderError(bytes: Uint8Array, rcode: Rcode): Uint8Array {
  const out = new Uint8Array(HEADER_BYTES);
  out.set(bytes.subarray(0, 2));
  // QR, the opcode and RD as asked.
  out[2] = 0x80 | ((bytes[2] ?? 0) & 0x79);
  out[3] = rcode & 0xf;
  return out;
}

/** Where the question section ends. Names in questions are never compressed, there is nothing to point at. */
export function questionEnd(bytes: Uint8Array): number {
  let offset = HEADER_BYTES;
  for (;;) {
    const length = bytes[offset];
    if (length === undefined) throw new MalformedMessageError(offset, 'the name of the question ends early');
    if (length > 63) throw new MalformedMessageError(offset, 'a compressed name in the question');
    offset += 1 + length;
    if (offset - HEADER_BYTES > MAX_NAME_BYTES) throw new MalformedMessageError(offset, 'name too long');
    if (length === 0) break;
  }
  if (offset + 4 > bytes.length) throw new MalformedMessageError(offset, 'the question ends early');
  return offset + 4;
}

function encodeSections(query: Query, response: Response, edns: Edns | undefined, truncated: boolean): Uint8Array {
  const additionals = [...response.additionals];
  if (edns !== undefined) {
    additionals.push({
      type: 'OPT',
      name: '.',
      udpPayloadSize: MAX_UDP_PAYLOAD_BYTES,
      extendedRcode: response.rcode >> 4,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    });
  }
  const records = dnsPacket.encode({
    type: 'response',
    id: query.id,
    flags:
      (response.rcode & 0xf) |
      dnsPacket.RECURSION_AVAILABLE |
      (query.recursionDesired ? dnsPacket.RECURSION_DESIRED : 0) |
      (response.authoritative ? dnsPacket.AUTHORITATIVE_ANSWER : 0) |
      (truncated ? dnsPacket.TRUNCATED_RESPONSE : 0),
    answers: [...response.answers],
    authorities: [...response.authorities],
    additionals,
  });
  const out = new Uint8Array(records.length + query.questionBytes.length);
  out.set(records.subarray(0, HEADER_BYTES));
  out[5] = 1;
  out.set(query.questionBytes, HEADER_BYTES);
  out.set(records.subarray(HEADER_BYTES), HEADER_BYTES + query.questionBytes.length);
  return out;
}

function decodeGuarded(bytes: Buffer): dnsPacket.DecodedPacket {
  try {
    return dnsPacket.decode(bytes);
  } catch (error) {
    throw new MalformedMessageError(HEADER_BYTES, error instanceof Error ? error.message : 'not DNS');
  }
}
