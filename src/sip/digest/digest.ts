import { createHash } from 'node:crypto';

/** Of RFC 8760 s2.1 those that phones know, the most wanted first. */
export const DIGEST_ALGORITHMS = ['SHA-256', 'MD5'] as const;
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number];

const HASHES: Readonly<Record<DigestAlgorithm, string>> = { 'SHA-256': 'sha256', MD5: 'md5' };
/** Hex digits of a hash (RFC 8760 s2.2). */
export const DIGEST_LENGTHS: Readonly<Record<DigestAlgorithm, number>> = { 'SHA-256': 64, MD5: 32 };

/** What a client has answered a challenge with (RFC 7616 s3.4), as it was written. */
export interface DigestInput {
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  /** `qop=auth`; absent: none, as in RFC 2069. */
  readonly qop?: { readonly nc: string; readonly cnonce: string } | undefined;
}

/** H(A1) of RFC 7616 s3.4.2, without `-sess`: all that has to be kept of a password. Hex. */
export function ha1Of(algorithm: DigestAlgorithm, user: string, realm: string, password: string): string {
  return hash(algorithm, `${user}:${realm}:${password}`);
}

/** `response` of RFC 7616 s3.4.1, `qop=auth` or none. Hex. */
export function digestResponse(
  algorithm: DigestAlgorithm,
  ha1: string,
  { method, uri, nonce, qop }: DigestInput,
): string {
  const middle = qop === undefined ? nonce : `${nonce}:${qop.nc}:${qop.cnonce}:auth`;
  return hash(algorithm, `${ha1}:${middle}:${hash(algorithm, `${method}:${uri}`)}`);
}

function hash(algorithm: DigestAlgorithm, text: string): string {
  return createHash(HASHES[algorithm]).update(text, 'utf8').digest('hex');
}
