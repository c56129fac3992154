import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import { toHex } from '../base/bytes.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { addressFromBytes, addressToBytes } from '../base/ip-address.ts';
import { ATTRIBUTE, MAGIC_COOKIE, MAX_PASSWORD_ALGORITHMS, MAX_TEXT_BYTES, MAX_USERNAME_BYTES } from './constants.ts';
import type { PasswordAlgorithm, StunAttributes, StunErrorCode } from './message.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Attributes while they are being read. */
export type AttributesInProgress = Mutable<StunAttributes>;

interface AttributeCodec {
  readonly type: number;
  /** Reads the value, which is all of `reader`. */
  decode(reader: ByteReader, into: AttributesInProgress, transactionId: string): void;
  /** @returns what writes the value; undefined: the message has no such attribute. */
  encode(from: StunAttributes, transactionId: string): ((writer: ByteWriter) => void) | undefined;
}

type NamesOf<V> = {
  [K in keyof StunAttributes]-?: Required<StunAttributes>[K] extends V ? K : never;
}[keyof StunAttributes];

/** The value for `name` as a patch, so that each codec below stays one expression. */
function attribute<K extends keyof StunAttributes>(
  type: number,
  name: K,
  decode: (reader: ByteReader, transactionId: string) => Required<StunAttributes>[K],
  encode: (writer: ByteWriter, value: Required<StunAttributes>[K], transactionId: string) => void,
): AttributeCodec {
  return {
    type,
    decode: (reader, into, transactionId) => {
      (into as Partial<Record<K, Required<StunAttributes>[K]>>)[name] = decode(reader, transactionId);
      reader.end();
    },
    encode: (from, transactionId) => {
      const value: StunAttributes[K] = from[name];
      if (value === undefined) return undefined;
      return (writer) => encode(writer, value as Required<StunAttributes>[K], transactionId);
    },
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function text(type: number, name: NamesOf<string>, maxBytes: number): AttributeCodec {
  return attribute(
    type,
    name,
    (reader) => {
      if (reader.remaining > maxBytes) reader.fail(`${name} is longer than ${maxBytes} bytes`);
      try {
        return utf8.decode(reader.bytes(reader.remaining));
      } catch (error) {
        if (error instanceof TypeError) reader.fail(`${name} is not UTF-8`);
        throw error;
      }
    },
    (writer, value) => writer.utf8(value),
  );
}

function tieBreaker(type: number, name: NamesOf<bigint>): AttributeCodec {
  return attribute(
    type,
    name,
    (reader) => reader.u64(),
    (writer, value) => writer.u64(value),
  );
}

/*
 * RFC 8489 s14.1, s14.2; X- values are XORed with the cookie, and the cookie and the transaction ID for IPv6.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |0 0 0 0 0 0 0 0|    Family     |         (X-)Port              |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                (X-)Address (32 or 128 bits)                   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
function addressAttribute(type: number, name: NamesOf<SocketAddress>, xor: boolean): AttributeCodec {
  const mask = (bytes: Uint8Array, transactionId: string): Uint8Array => {
    if (!xor) return bytes;
    const key = Buffer.from(MAGIC_COOKIE.toString(16) + transactionId, 'hex');
    return bytes.map((byte, i) => byte ^ (key[i] ?? 0));
  };
  const portMask = xor ? MAGIC_COOKIE >>> 16 : 0;
  return attribute(
    type,
    name,
    (reader, transactionId) => {
      reader.u8();
      const family = reader.u8();
      if (family !== 1 && family !== 2) reader.fail(`address family ${family}`);
      const port = reader.u16() ^ portMask;
      return { address: addressFromBytes(mask(reader.bytes(family === 1 ? 4 : 16), transactionId)), port };
    },
    (writer, { address, port }, transactionId) => {
      const bytes = addressToBytes(address);
      writer.u8(0);
      writer.u8(bytes.length === 4 ? 1 : 2);
      writer.u16(port ^ portMask);
      writer.bytes(mask(bytes, transactionId));
    },
  );
}

/** RFC 8656 s18.6, s18.11: the rest is reserved. */
function addressFamily(type: number, name: 'requestedAddressFamily' | 'additionalAddressFamily'): AttributeCodec {
  return attribute(
    type,
    name,
    (reader) => {
      const family = reader.u8();
      reader.bytes(3);
      return family;
    },
    (writer, value) => writer.u32(value * 2 ** 24),
  );
}

/*
 * RFC 8489 s14.8: 21 reserved bits, 3 bits of class (the hundreds), 8 bits of number (modulo 100), the phrase.
 */
function decodeErrorCode(reader: ByteReader): StunErrorCode {
  reader.u16();
  return decodeCode(reader);
}

function decodeCode(reader: ByteReader): StunErrorCode {
  const hundreds = reader.u8() & 0x07;
  const number = reader.u8();
  if (hundreds < 3 || hundreds > 6 || number > 99) reader.fail(`error code ${hundreds}, ${number}`);
  if (reader.remaining > MAX_TEXT_BYTES) reader.fail('reason phrase is too long');
  // Only people read the phrase: bytes that are not UTF-8 become replacement characters.
  return { code: hundreds * 100 + number, reason: Buffer.from(reader.rest()).toString('utf8') };
}

function encodeCode(writer: ByteWriter, { code, reason }: StunErrorCode): void {
  writer.u8(Math.floor(code / 100));
  writer.u8(code % 100);
  writer.utf8(reason);
}

/*
 * RFC 8489 s14.12; s14.11 has a list of these.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |           Algorithm           |  Algorithm Parameters Length  |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |               Algorithm Parameters (variable), padded to 32 bits
 */
function decodeAlgorithm(reader: ByteReader): PasswordAlgorithm {
  const number = reader.u16();
  const parameters = Uint8Array.from(reader.vector(2).rest());
  // The last one's padding may be that of the attribute.
  reader.bytes(Math.min(reader.remaining, paddingOf(parameters.length)));
  return { number, parameters };
}

function encodeAlgorithm(writer: ByteWriter, { number, parameters }: PasswordAlgorithm): void {
  writer.u16(number);
  writer.vector(2, () => writer.bytes(parameters));
  writer.bytes(new Uint8Array(paddingOf(parameters.length)));
}

function paddingOf(bytes: number): number {
  return (4 - (bytes % 4)) % 4;
}

/** In the order in which they are written: that of RFC 5769's samples. */
const CODECS: readonly AttributeCodec[] = [
  text(ATTRIBUTE.software, 'software', MAX_TEXT_BYTES),
  attribute(ATTRIBUTE.errorCode, 'errorCode', decodeErrorCode, (writer, error) => {
    writer.u16(0);
    encodeCode(writer, error);
  }),
  // RFC 8656 s18.12: the family, then as ERROR-CODE.
  attribute(
    ATTRIBUTE.addressErrorCode,
    'addressErrorCode',
    (reader) => {
      const family = reader.u8();
      reader.u8();
      return { family, ...decodeCode(reader) };
    },
    (writer, { family, ...error }) => {
      writer.u8(family);
      writer.u8(0);
      encodeCode(writer, error);
    },
  ),
  attribute(
    ATTRIBUTE.unknownAttributes,
    'unknownAttributes',
    (reader) => {
      const types: number[] = [];
      while (reader.remaining > 0) types.push(reader.u16());
      return types;
    },
    (writer, types) => types.forEach((type) => writer.u16(type)),
  ),
  addressAttribute(ATTRIBUTE.mappedAddress, 'mappedAddress', false),
  addressAttribute(ATTRIBUTE.xorRelayedAddress, 'xorRelayedAddress', true),
  addressAttribute(ATTRIBUTE.xorMappedAddress, 'xorMappedAddress', true),
  // RFC 8656 s18.1, s18.7: the rest is reserved, zero when sent and ignored when received.
  attribute(
    ATTRIBUTE.channelNumber,
    'channelNumber',
    (reader) => {
      const number = reader.u16();
      reader.u16();
      return number;
    },
    (writer, value) => {
      writer.u16(value);
      writer.u16(0);
    },
  ),
  attribute(
    ATTRIBUTE.requestedTransport,
    'requestedTransport',
    (reader) => {
      const protocol = reader.u8();
      reader.bytes(3);
      return protocol;
    },
    (writer, value) => writer.u32(value * 2 ** 24),
  ),
  attribute(
    ATTRIBUTE.evenPort,
    'evenPort',
    (reader) => (reader.u8() & 0x80) !== 0,
    (writer, reserves) => writer.u8(reserves ? 0x80 : 0),
  ),
  addressFamily(ATTRIBUTE.requestedAddressFamily, 'requestedAddressFamily'),
  addressFamily(ATTRIBUTE.additionalAddressFamily, 'additionalAddressFamily'),
  attribute(
    ATTRIBUTE.lifetime,
    'lifetime',
    (reader) => reader.u32(),
    (writer, value) => writer.u32(value),
  ),
  addressAttribute(ATTRIBUTE.xorPeerAddress, 'xorPeerAddress', true),
  attribute(
    ATTRIBUTE.data,
    'data',
    (reader) => reader.rest(),
    (writer, value) => writer.bytes(value),
  ),
  attribute(
    ATTRIBUTE.priority,
    'priority',
    (reader) => reader.u32(),
    (writer, value) => writer.u32(value),
  ),
  attribute(
    ATTRIBUTE.useCandidate,
    'useCandidate',
    () => true,
    () => {},
  ),
  tieBreaker(ATTRIBUTE.iceControlled, 'iceControlled'),
  tieBreaker(ATTRIBUTE.iceControlling, 'iceControlling'),
  attribute(
    ATTRIBUTE.userhash,
    'userhash',
    (reader) => {
      if (reader.remaining !== 32) reader.fail('USERHASH has 32 bytes');
      return toHex(reader.rest());
    },
    (writer, value) => writer.hex(value),
  ),
  text(ATTRIBUTE.username, 'username', MAX_USERNAME_BYTES),
  text(ATTRIBUTE.nonce, 'nonce', MAX_TEXT_BYTES),
  text(ATTRIBUTE.realm, 'realm', MAX_TEXT_BYTES),
  attribute(ATTRIBUTE.passwordAlgorithm, 'passwordAlgorithm', decodeAlgorithm, encodeAlgorithm),
  attribute(
    ATTRIBUTE.passwordAlgorithms,
    'passwordAlgorithms',
    (reader) => {
      const algorithms: PasswordAlgorithm[] = [];
      while (reader.remaining > 0) {
        if (algorithms.length >= MAX_PASSWORD_ALGORITHMS) reader.fail('too many password algorithms');
        algorithms.push(decodeAlgorithm(reader));
      }
      return algorithms;
    },
    (writer, algorithms) => algorithms.forEach((algorithm) => encodeAlgorithm(writer, algorithm)),
  ),
  addressAttribute(ATTRIBUTE.otherAddress, 'otherAddress', false),
  attribute(
    ATTRIBUTE.padding,
    'paddingLength',
    (reader) => reader.rest().length,
    (writer, length) => writer.bytes(new Uint8Array(length)),
  ),
];

/** RFC 5780 s7.2: bits A and B. Whoever asks us gets 420, as for what is not known here. */
function writeChangeRequest(writer: ByteWriter, { address, port }: Required<StunAttributes>['changeRequest']): void {
  writer.u16(ATTRIBUTE.changeRequest);
  writer.u16(4);
  writer.u32((address ? 4 : 0) | (port ? 2 : 0));
}

const BY_TYPE = new Map(CODECS.map((codec) => [codec.type, codec]));

/**
 * @returns false when this type means nothing here.
 * @throws {MalformedMessageError}
 */
export function decodeAttribute(
  type: number,
  reader: ByteReader,
  into: AttributesInProgress,
  transactionId: string,
): boolean {
  const codec = BY_TYPE.get(type);
  codec?.decode(reader, into, transactionId);
  return codec !== undefined;
}

/** Type, length, value, zero bytes up to a multiple of four (RFC 8489 s14). */
export function encodeAttributes(writer: ByteWriter, attributes: StunAttributes, transactionId: string): void {
  const { changeRequest, draftAdditionalAddressFamily: draft } = attributes;
  if (changeRequest !== undefined) writeChangeRequest(writer, changeRequest);
  if (draft !== undefined) {
    writer.u16(ATTRIBUTE.draftAdditionalAddressFamily);
    writer.u16(4);
    writer.u32(draft * 2 ** 24);
  }
  writeKnown(writer, attributes, transactionId);
  const { additionalRelayedAddress: second } = attributes;
  if (second !== undefined) writeKnown(writer, { xorRelayedAddress: second }, transactionId);
}

function writeKnown(writer: ByteWriter, attributes: StunAttributes, transactionId: string): void {
  for (const codec of CODECS) {
    const content = codec.encode(attributes, transactionId);
    if (content === undefined) continue;
    writer.u16(codec.type);
    writer.vector(2, () => content(writer));
    while (writer.length % 4 !== 0) writer.u8(0);
  }
}
