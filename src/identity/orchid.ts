import { hash } from 'node:crypto';
import { concatBytes, equalBytes, fromHex, toHex } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import { CertificateError } from './errors.ts';

/** RFC 7401 s3.2: the Context ID of HIPv2. */
const CONTEXT_ID = fromHex('f0eff02fbff43d0fe7930c3c6e6174ea');
/** RFC 7343 s6: the first 28 bits, 2001:20::/28. */
const PREFIX = '2001002';
/** RFC 7401 s5.2.10: the HIT suite is also the OGA ID. */
const HASH_OF_SUITE = { 1: 'sha256', 2: 'sha384' } as const;
export type HitSuite = keyof typeof HASH_OF_SUITE;
/** RFC 7343 s2: Encode_96. */
const ENCODED_BYTES = 12;

/** RFC 5480 s2.1.1: SubjectPublicKeyInfo of a P-256 key with the uncompressed point, up to the point's `04`. */
const P256_SPKI_PREFIX = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');
const P256_SPKI_BYTES = 91;
/** RFC 7401 s5.2.9: NIST P-256. */
const ECC_CURVE_P256 = Uint8Array.of(0, 1);

/**
 * RFC 7343 s2: prefix, OGA ID and the middle 96 bits of the hash over Context ID and Host Identity.
 * `hostIdentity` is the Host Identity field of HOST_ID (RFC 7401 s5.2.9).
 */
export function orchid(suite: HitSuite, hostIdentity: Uint8Array): Hit {
  const digest = hash(HASH_OF_SUITE[suite], concatBytes(CONTEXT_ID, hostIdentity), 'buffer');
  const start = (digest.length - ENCODED_BYTES) / 2;
  return `${PREFIX}${suite}${toHex(digest.subarray(start, start + ENCODED_BYTES))}`;
}

/**
 * The HIT of a P-256 public key (DER SubjectPublicKeyInfo, 91 bytes). RFC 7401 s5.2.9 names no form of the point:
 * it is x || y without the `04`, as DNSKEY and IPSECKEY records write ECDSA keys (RFC 6605 s4).
 * @throws {CertificateError} when it is another kind of key, or another encoding of one.
 */
export function hitOfSpki(spki: Uint8Array): Hit {
  if (spki.length !== P256_SPKI_BYTES || !equalBytes(spki.subarray(0, P256_SPKI_PREFIX.length), P256_SPKI_PREFIX))
    throw new CertificateError('not a host identity: the key is no ECDSA key on the curve P-256');
  return orchid(2, concatBytes(ECC_CURVE_P256, spki.subarray(P256_SPKI_PREFIX.length)));
}
