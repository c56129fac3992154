import { ByteReader, ByteWriter, concatBytes, equalBytes } from '../base/bytes.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { OverlayAuthority } from '../identity/authority.ts';
import { parseCertificate } from '../identity/certificate.ts';
import { CertificateError } from '../identity/errors.ts';
import { sha256, verifySignature } from '../identity/signature.ts';
import {
  CERTIFICATE_TYPE_X509,
  decodeSecurityBlock,
  encodeSecurityBlock,
  HASH_ALGORITHMS,
  SIGNATURE_ALGORITHMS,
  signerIdentityBytes,
  type SignerIdentity,
} from '../reload/index.ts';
import { OverlayConfigurationError } from './errors.ts';

/*
 * RFC 6940 s11.1: the configuration element, from its first < to its last >, is signed "using the standard SecurityBlock" of
 * s6.3.4, which follows in base64. It does not say whether the SignerIdentity is signed behind the content: it is here, as it
 * is for messages (s6.3.4) and values (s7.1).
 */

/** @returns the SecurityBlock over the bytes of the configuration element. */
export function signElement(element: Uint8Array, authority: OverlayAuthority): Uint8Array {
  const { certificate } = authority;
  const identity: SignerIdentity = {
    type: 'cert_hash',
    hashAlgorithm: HASH_ALGORITHMS.sha256,
    hash: sha256(certificate),
  };
  const writer = new ByteWriter();
  encodeSecurityBlock(writer, {
    certificates: [{ type: CERTIFICATE_TYPE_X509, certificate }],
    signature: {
      hashAlgorithm: HASH_ALGORITHMS.sha256,
      signatureAlgorithm: SIGNATURE_ALGORITHMS.ecdsa,
      identity,
      value: authority.sign(concatBytes(element, signerIdentityBytes(identity))),
    },
  });
  return writer.finish();
}

/**
 * @param authority SHA-256 of the authority's DER SubjectPublicKeyInfo.
 * @throws {OverlayConfigurationError} when the block is malformed or was not made by the authority for this element.
 */
export function verifyElement(element: Uint8Array, securityBlock: Uint8Array, authority: Uint8Array): void {
  try {
    const reader = new ByteReader(securityBlock);
    const { certificates, signature } = decodeSecurityBlock(reader);
    reader.end();
    const { identity } = signature;
    const [signer] = certificates;
    if (
      signer?.type !== CERTIFICATE_TYPE_X509 ||
      identity.type !== 'cert_hash' ||
      identity.hashAlgorithm !== HASH_ALGORITHMS.sha256 ||
      signature.hashAlgorithm !== HASH_ALGORITHMS.sha256 ||
      !equalBytes(identity.hash, sha256(signer.certificate))
    )
      throw new OverlayConfigurationError(
        'the signature of the configuration does not name the certificate it comes with',
      );
    const { spki } = parseCertificate(signer.certificate);
    if (!equalBytes(sha256(spki), authority))
      throw new OverlayConfigurationError("the configuration is signed by another key than the overlay's authority");
    if (!verifySignature(spki, concatBytes(element, signerIdentityBytes(identity)), signature.value))
      throw new OverlayConfigurationError('the configuration was changed after it was signed');
  } catch (cause) {
    if (!(cause instanceof MalformedMessageError) && !(cause instanceof CertificateError)) throw cause;
    throw new OverlayConfigurationError('the signature of the configuration cannot be read', { cause });
  }
}
