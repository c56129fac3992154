import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { CertificateError } from './errors.ts';
import { KeyCache } from './key-cache.ts';

/** Of inviters, newcomers and whoever has others than P-256: what members sign is verified elsewhere. About 3 KiB each. To read one costs nearly as much as to verify with it. */
const MAX_CACHED_KEYS = 256;
/** Bounds the work that a stranger's key may cause: a larger RSA key costs more per verification. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 4096;
/** DER of a 4096-bit key is 550 bytes. */
const MAX_SPKI_BYTES = 600;
export const MAX_SIGNATURE_BYTES = 512;

const cache = new KeyCache(MAX_CACHED_KEYS);

/** RFC 5480: how the SubjectPublicKeyInfo of an uncompressed point of P-256 begins, and how long it is. */
const P256_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex').toString('latin1');
const P256_BYTES = 91;

/** The point in a DER SubjectPublicKeyInfo of P-256, not compressed; undefined: it is of another kind. It may be none of the curve. */
export function p256PointOf(spki: Uint8Array): Uint8Array | undefined {
  if (spki.length !== P256_BYTES) return undefined;
  const prefix = Buffer.from(spki.buffer, spki.byteOffset, P256_PREFIX.length).toString('latin1');
  return prefix === P256_PREFIX ? spki.subarray(P256_PREFIX.length - 1) : undefined;
}

/** What its bytes tell is not asked of the key: what it then keeps is as large as itself. */
function isAcceptable(key: KeyObject, spki: Uint8Array): boolean {
  if (p256PointOf(spki) !== undefined) return true;
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') return namedCurve === 'prime256v1';
  return (
    key.asymmetricKeyType === 'rsa' &&
    modulusLength !== undefined &&
    modulusLength >= MIN_RSA_BITS &&
    modulusLength <= MAX_RSA_BITS
  );
}

/**
 * The key in a DER SubjectPublicKeyInfo: ECDSA P-256, or RSA of 2048 to 4096 bits.
 * @throws {CertificateError} when it is no such key.
 */
export function publicKeyOf(spki: Uint8Array): KeyObject {
  const name = Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength).toString('latin1');
  const cached = cache.get(name);
  if (cached !== undefined) return cached;
  if (spki.length > MAX_SPKI_BYTES) throw new CertificateError(`a public key of ${spki.length} bytes is too long`);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new CertificateError('the public key cannot be read', { cause });
  }
  if (!isAcceptable(key, spki))
    throw new CertificateError('the public key is neither ECDSA P-256 nor RSA of 2048 to 4096 bits');
  cache.add(name, key);
  return key;
}

/**
 * ECDSA P-256 with SHA-256 (DER signature) or RSASSA-PKCS1-v1_5 with SHA-256 (RFC 6940 s6.3.4), as the key says.
 * Never throws: a key or signature that cannot be read is a wrong one.
 */
export function verifySignature(spki: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length > MAX_SIGNATURE_BYTES) return false;
  try {
    return verify('sha256', data, publicKeyOf(spki), signature);
  } catch {
    return false;
  }
}

export function sha256(data: Uint8Array): Uint8Array {
  // In one call: a Hash is an object outside the heap, which the garbage collector lets go of in a pause.
  return new Uint8Array(hash('sha256', data, 'buffer'));
}
