import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MAX_CERTIFICATE_BYTES } from '../identity/certificate.ts';

/**
 * Bodies of exp_a (RFC 6940 s14.8): how hosts come by certificates. What is in them is signed, so it does not matter who
 * carries them. The answer to `enroll` is identity's EnrollmentAnswer, that to `renew` is `issued` or `refused`; `issued`
 * comes unasked when a host gets another name, and is answered with nothing, as `leaving` is: the host that signed the message gives
 * its name back.
 *
 * ```
 *   struct {
 *     uint8  version;                                  // 1
 *     uint8  type;
 *     select (type) {
 *       case enroll (1):  opaque spki<0..2^8-1>;       // of the key that asks
 *                         opaque request<0..2^16-1>;   // identity's EnrollmentRequest
 *       case renew (2):   Certificate chain<0..2^16-1>;    // what the host has, in force or not
 *       case issued (3):  Certificate chain<0..2^16-1>;    // the host's own first
 *       case refused (4): opaque why<0..2^8-1>;            // printable ASCII
 *       case leaving (5): uint64 at;                       // milliseconds since the epoch
 *     };
 *   } CertificateMessage;
 *   opaque Certificate<0..2^16-1>;                     // DER
 * ```
 */
export type CertificateMessage =
  | { readonly type: 'enroll'; readonly spki: Uint8Array; readonly request: Uint8Array }
  | { readonly type: 'renew'; readonly chain: readonly Uint8Array[] }
  | { readonly type: 'issued'; readonly chain: readonly Uint8Array[] }
  | { readonly type: 'refused'; readonly why: string }
  | { readonly type: 'leaving'; readonly at: number };

const VERSION = 1;
const TYPES = { enroll: 1, renew: 2, issued: 3, refused: 4, leaving: 5 } as const;
/** A host's own, its inviter's, the authority's. */
const MAX_CHAIN_LENGTH = 3;
const MAX_WHY_LENGTH = 200;

export function encodeCertificateMessage(message: CertificateMessage): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(TYPES[message.type]);
  switch (message.type) {
    case 'enroll':
      writer.vector(1, () => writer.bytes(message.spki));
      writer.vector(2, () => writer.bytes(message.request));
      break;
    case 'renew':
    case 'issued':
      writer.vector(2, () => {
        for (const der of message.chain) writer.vector(2, () => writer.bytes(der));
      });
      break;
    case 'refused':
      writer.vector(1, () => writer.utf8(message.why.replace(/[^\x20-\x7e]/g, '?').slice(0, MAX_WHY_LENGTH)));
      break;
    case 'leaving':
      writer.u64(BigInt(Math.floor(message.at)));
  }
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeCertificateMessage(bytes: Uint8Array): CertificateMessage {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version} of the message is not known`);
  const message = readMessage(reader, reader.u8());
  reader.end();
  return message;
}

function readMessage(reader: ByteReader, type: number): CertificateMessage {
  switch (type) {
    case TYPES.enroll:
      return { type: 'enroll', spki: reader.vector(1).rest(), request: reader.vector(2).rest() };
    case TYPES.renew:
      return { type: 'renew', chain: readChain(reader.vector(2)) };
    case TYPES.issued:
      return { type: 'issued', chain: readChain(reader.vector(2)) };
    case TYPES.refused: {
      const why = Buffer.from(reader.vector(1).rest()).toString('latin1');
      if (!/^[\x20-\x7e]*$/.test(why)) reader.fail('text that is not printable ASCII');
      return { type: 'refused', why };
    }
    case TYPES.leaving: {
      const at = Number(reader.u64());
      if (!Number.isSafeInteger(at)) reader.fail('not a time');
      return { type: 'leaving', at };
    }
    default:
      return reader.fail(`type ${type} of the message is not known`);
  }
}

function readChain(reader: ByteReader): Uint8Array[] {
  const chain: Uint8Array[] = [];
  while (reader.remaining > 0) {
    const der = reader.vector(2).rest();
    if (der.length > MAX_CERTIFICATE_BYTES || chain.length === MAX_CHAIN_LENGTH) reader.fail('too many certificates');
    chain.push(der.slice());
  }
  return chain;
}
