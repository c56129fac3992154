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
