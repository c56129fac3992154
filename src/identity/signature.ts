import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { CertificateError } from './errors.ts';

/** A node verifies mostly for its neighbours: a few hundred keys are in use at a time. */
const MAX_CACHED_KEYS = 1024;
/** Bounds the work that a stranger's key may cause: a larger RSA key costs more per verification. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 4096;
/** DER of a 4096-bit key is 550 bytes. */
const MAX_SPKI_BYTES = 600;
const MAX_SIGNATURE_BYTES = 512;

/** Least recently used keys leave first: a Map keeps the order of insertion. */
const cache = new Map<string, KeyObject>();

function isAcceptable(key: KeyObject): boolean {
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
  if (cached !== undefined) {
    cache.delete(name);
    cache.set(name, cached);
    return cached;
  }
  if (spki.length > MAX_SPKI_BYTES) throw new CertificateError(`a public key of ${spki.length} bytes is too long`);
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw new CertificateError('the public key cannot be read', { cause });
  }
  if (!isAcceptable(key))
    throw new CertificateError('the public key is neither ECDSA P-256 nor RSA of 2048 to 4096 bits');
  if (cache.size >= MAX_CACHED_KEYS) {
    const [oldest] = cache.keys();
    if (oldest !== undefined) cache.delete(oldest);
  }
  cache.set(name, key);
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
  return new Uint8Array(createHash('sha256').update(data).digest());
}
