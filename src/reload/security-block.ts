import { ByteWriter } from '../base/bytes.ts';
import type { ByteReader } from '../base/bytes.ts';
import { MAX_CERTIFICATES } from './constants.ts';
import { malformed, readList, readOpaque, writeList, writeOpaque, writeU8 } from './wire.ts';

/**
 * RFC 6940 s6.3.4. X.509 certificates (type 0) are in DER.
 *
 * ```
 * struct { CertificateType type; opaque certificate<0..2^16-1>; } GenericCertificate;
 * ```
 */
export interface GenericCertificate {
  readonly type: number;
  readonly certificate: Uint8Array;
}

/**
 * RFC 6940 s6.3.4: who signed. `cert_hash` is H(certificate); `cert_hash_node_id` is H(NodeId || certificate), a MUST for
 * a certificate with several Node-IDs. The hash algorithm is TLS's number.
 *
 * ```
 * struct { SignerIdentityType identity_type; uint16 length; SignerIdentityValue identity[SignerIdentity.length]; } SignerIdentity;
 * ```
 */
export type SignerIdentity =
  | { readonly type: 'cert_hash'; readonly hashAlgorithm: number; readonly hash: Uint8Array }
  | { readonly type: 'cert_hash_node_id'; readonly hashAlgorithm: number; readonly hash: Uint8Array }
  | { readonly type: 'none' }
  | { readonly type: 'unknown'; readonly code: number; readonly value: Uint8Array };

/**
 * RFC 6940 s6.3.4.
 *
 * ```
 * struct { SignatureAndHashAlgorithm algorithm; SignerIdentity identity; opaque signature_value<0..2^16-1>; } Signature;
 * ```
 */
export interface Signature {
  readonly hashAlgorithm: number;
  readonly signatureAlgorithm: number;
  readonly identity: SignerIdentity;
  readonly value: Uint8Array;
}

/** `struct { GenericCertificate certificates<0..2^16-1>; Signature signature; } SecurityBlock;` (RFC 6940 s6.3.4). */
export interface SecurityBlock {
  readonly certificates: readonly GenericCertificate[];
  readonly signature: Signature;
}

/** RFC 6940 s7.4.2.2: the signature of a synthesised nonexistent value in a Fetch answer. */
export const EMPTY_SIGNATURE: Signature = {
  hashAlgorithm: 0,
  signatureAlgorithm: 0,
  identity: { type: 'none' },
  value: new Uint8Array(0),
};

const CERT_HASH = 1;
const CERT_HASH_NODE_ID = 2;
const NONE = 3;

export function encodeSignerIdentity(writer: ByteWriter, identity: SignerIdentity): void {
  switch (identity.type) {
    case 'cert_hash':
    case 'cert_hash_node_id':
      writer.u8(identity.type === 'cert_hash' ? CERT_HASH : CERT_HASH_NODE_ID);
      writer.vector(2, () => {
        writeU8(writer, identity.hashAlgorithm);
        writeOpaque(writer, 1, identity.hash);
      });
      return;
    case 'none':
      writer.u8(NONE);
      writer.u16(0);
      return;
    case 'unknown':
      if (identity.code <= NONE) throw new RangeError(`${identity.code} is not an unknown SignerIdentityType`);
      writeU8(writer, identity.code);
      writeOpaque(writer, 2, identity.value);
  }
}

/** The bytes that end every signature input (RFC 6940 s6.3.4, s7.1). */
export function signerIdentityBytes(identity: SignerIdentity): Uint8Array {
  const writer = new ByteWriter();
  encodeSignerIdentity(writer, identity);
  return writer.finish();
}

export function decodeSignerIdentity(reader: ByteReader): SignerIdentity {
  const at = reader.offset;
  const code = reader.u8();
  if (code === 0) malformed(at, 'SignerIdentityType 0 is invalid');
  const value = reader.vector(2);
  const identity = decodeIdentityValue(code, value);
  value.end();
  return identity;
}

function decodeIdentityValue(code: number, value: ByteReader): SignerIdentity {
  switch (code) {
    case CERT_HASH:
      return { type: 'cert_hash', hashAlgorithm: value.u8(), hash: readOpaque(value, 1) };
    case CERT_HASH_NODE_ID:
      return { type: 'cert_hash_node_id', hashAlgorithm: value.u8(), hash: readOpaque(value, 1) };
    case NONE:
      return { type: 'none' };
    default:
      return { type: 'unknown', code, value: value.rest() };
  }
}

export function encodeSignature(writer: ByteWriter, signature: Signature): void {
  writeU8(writer, signature.hashAlgorithm);
  writeU8(writer, signature.signatureAlgorithm);
  encodeSignerIdentity(writer, signature.identity);
  writeOpaque(writer, 2, signature.value);
}

export function decodeSignature(reader: ByteReader): Signature {
  return {
    hashAlgorithm: reader.u8(),
    signatureAlgorithm: reader.u8(),
    identity: decodeSignerIdentity(reader),
    value: readOpaque(reader, 2),
  };
}

export function encodeSecurityBlock(writer: ByteWriter, security: SecurityBlock): void {
  writeList(writer, 2, security.certificates, (_, { type, certificate }) => {
    writeU8(writer, type);
    writeOpaque(writer, 2, certificate);
  });
  encodeSignature(writer, security.signature);
}

export function decodeSecurityBlock(reader: ByteReader): SecurityBlock {
  const certificates = readList(reader.vector(2), MAX_CERTIFICATES, (list) => ({
    type: list.u8(),
    certificate: readOpaque(list, 2),
  }));
  return { certificates, signature: decodeSignature(reader) };
}
