import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { AttributesInProgress } from './attributes.ts';
import { decodeAttribute, encodeAttributes } from './attributes.ts';
import {
  ATTRIBUTE,
  FIRST_OPTIONAL_TYPE,
  HEADER_BYTES,
  MAGIC_COOKIE,
  MAX_PEERS,
  MAX_UNKNOWN_LISTED,
  TRANSACTION_ID_BYTES,
} from './constants.ts';
import type { IntegrityAlgorithm } from './integrity.ts';
import { computeFingerprint, computeIntegrity } from './integrity.ts';
import type { StunClass, StunMessage } from './message.ts';

/*
 * RFC 8489 s5. M and C are the bits of method and class.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |0 0|M M M M M C M M M C M M M M|         Message Length        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                         Magic Cookie                          |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                     Transaction ID (96 bits)                  |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
const CLASSES: readonly StunClass[] = ['request', 'indication', 'success', 'error'];

export interface EncodeStunOptions {
  /** Adds MESSAGE-INTEGRITY under this key. */
  readonly key?: Uint8Array;
  /** Default `sha1`, which is ICE's (RFC 8445 s7.1). */
  readonly integrity?: IntegrityAlgorithm;
  /** Adds FINGERPRINT. */
  readonly fingerprint?: boolean;
}

export function encodeStun(message: StunMessage, options: EncodeStunOptions = {}): Uint8Array {
  const classBits = CLASSES.indexOf(message.class);
  const { method } = message;
  const writer = new ByteWriter();
  writer.u16(
    ((method & 0xf80) << 2) |
      ((method & 0x070) << 1) |
      (method & 0x00f) |
      ((classBits & 2) << 7) |
      ((classBits & 1) << 4),
  );
  writer.u16(0);
  writer.u32(MAGIC_COOKIE);
  writer.hex(message.transactionId);
  encodeAttributes(writer, message.attributes, message.transactionId);
  if (options.key !== undefined) {
    const algorithm = options.integrity ?? 'sha1';
    const hmac = computeIntegrity(writer.finish(), writer.length, options.key, algorithm);
    writer.u16(algorithm === 'sha1' ? ATTRIBUTE.messageIntegrity : ATTRIBUTE.messageIntegritySha256);
    writer.vector(2, () => writer.bytes(hmac));
  }
  if (options.fingerprint === true) {
    const offset = writer.length;
    writer.patchU16(2, offset + 8 - HEADER_BYTES);
    const value = computeFingerprint(writer.finish(), offset);
    writer.u16(ATTRIBUTE.fingerprint);
    writer.vector(2, () => writer.u32(value));
  }
  writer.patchU16(2, writer.length - HEADER_BYTES);
  return writer.finish();
}

/**
 * Checks the form, and FINGERPRINT when there is one. Who sent it, `verifyIntegrity` tells.
 * @throws {MalformedMessageError} also for bytes that are no STUN at all.
 */
export function decodeStun(bytes: Uint8Array): StunMessage {
  const reader = new ByteReader(bytes);
  const type = reader.u16();
  if (type >= 0x4000) throw new MalformedMessageError(0, 'the first two bits are not zero');
  const length = reader.u16();
  if (reader.u32() !== MAGIC_COOKIE) throw new MalformedMessageError(4, 'no magic cookie');
  const transactionId = reader.hex(TRANSACTION_ID_BYTES);
  if (length !== reader.remaining || length % 4 !== 0)
    throw new MalformedMessageError(2, `length ${length}, ${reader.remaining} bytes follow`);

  const attributes: AttributesInProgress = {};
  const unknownRequired: number[] = [];
  const integrity: { sha1?: number; sha256?: number } = {};
  const seen = new Set<number>();
  const peers: SocketAddress[] = [];
  while (reader.remaining > 0) {
    const offset = reader.offset;
    const attributeType = reader.u16();
    const value = reader.vector(2);
    reader.bytes((4 - (reader.offset % 4)) % 4);
    if (attributeType === ATTRIBUTE.fingerprint) {
      // RFC 8489 s14.7: "MUST be the last attribute in the message".
      if (reader.remaining > 0) reader.fail('attributes after FINGERPRINT');
      if (value.u32() !== computeFingerprint(bytes, offset)) value.fail('FINGERPRINT does not match');
      value.end();
      continue;
    }
    if (seen.has(attributeType)) {
      const covered = integrity.sha1 === undefined && integrity.sha256 === undefined;
      if (attributeType === ATTRIBUTE.xorPeerAddress && covered && peers.length < MAX_PEERS) {
        const further: AttributesInProgress = {};
        decodeAttribute(attributeType, value, further, transactionId);
        if (further.xorPeerAddress !== undefined) peers.push(further.xorPeerAddress);
      } else if (attributeType === ATTRIBUTE.xorRelayedAddress && covered) {
        const further: AttributesInProgress = {};
        decodeAttribute(attributeType, value, further, transactionId);
        if (further.xorRelayedAddress !== undefined) attributes.additionalRelayedAddress ??= further.xorRelayedAddress;
      }
      continue;
    }
    seen.add(attributeType);
    if (attributeType === ATTRIBUTE.messageIntegrity && integrity.sha256 === undefined) {
      if (value.remaining !== 20) value.fail('MESSAGE-INTEGRITY has 20 bytes');
      integrity.sha1 = offset;
    } else if (attributeType === ATTRIBUTE.messageIntegritySha256) {
      if (value.remaining < 16 || value.remaining > 32 || value.remaining % 4 !== 0)
        value.fail('MESSAGE-INTEGRITY-SHA256 has 16 to 32 bytes');
      integrity.sha256 = offset;
    } else if (integrity.sha1 !== undefined || integrity.sha256 !== undefined) {
      // RFC 8489 s14.5: what follows is not covered, so it is ignored.
      continue;
    } else if (
      !decodeAttribute(attributeType, value, attributes, transactionId) &&
      attributeType < FIRST_OPTIONAL_TYPE &&
      unknownRequired.length < MAX_UNKNOWN_LISTED
    ) {
      unknownRequired.push(attributeType);
    }
  }
  return {
    class: CLASSES[((type >> 7) & 2) | ((type >> 4) & 1)] ?? 'request',
    method: ((type >> 2) & 0xf80) | ((type >> 1) & 0x070) | (type & 0x00f),
    transactionId,
    attributes,
    unknownRequired,
    ...(attributes.xorPeerAddress !== undefined && { peerAddresses: [attributes.xorPeerAddress, ...peers] }),
    integrity,
    byteLength: bytes.length,
  };
}
