import { createECDH, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { Hit } from '../base/node-id.ts';
import { KeyStoreError } from './errors.ts';
import { hitOfSpki } from './orchid.ts';

const CURVE = 'prime256v1';

/** A P-256 key pair that names a host by its HIT (RFC 7401 s3). Printing it shows no secret. */
export class HostIdentity {
  readonly hit: Hit;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly #key: KeyObject;

  private constructor(key: KeyObject) {
    this.#key = key;
    this.spki = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }));
    this.hit = hitOfSpki(this.spki);
  }

  static generate(): HostIdentity {
    return new HostIdentity(generateKeyPairSync('ec', { namedCurve: CURVE }).privateKey);
  }

  /**
   * @param pkcs8 DER PrivateKeyInfo (RFC 5208) without a password.
   * @throws {KeyStoreError} when it is no P-256 key.
   */
  static fromPkcs8(pkcs8: Uint8Array): HostIdentity {
    let key: KeyObject;
    try {
      key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
    } catch (cause) {
      throw new KeyStoreError('the private key cannot be read', { cause });
    }
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== CURVE)
      throw new KeyStoreError('the private key is no ECDSA key on the curve P-256');
    return new HostIdentity(key);
  }

  /**
   * The identity that a private scalar of 32 bytes gives: the same one every time, for simulations and tests.
   * @throws {KeyStoreError} when the scalar is zero or not below the order of the curve.
   */
  static fromScalar(scalar: Uint8Array): HostIdentity {
    const ecdh = createECDH(CURVE);
    try {
      ecdh.setPrivateKey(scalar);
    } catch (cause) {
      throw new KeyStoreError('not a private scalar of P-256', { cause });
    }
    const point = ecdh.getPublicKey();
    const coordinate = (at: number): string => point.subarray(at, at + 32).toString('base64url');
    const d = Buffer.from(scalar).toString('base64url');
    const key = createPrivateKey({
      key: { kty: 'EC', crv: 'P-256', d, x: coordinate(1), y: coordinate(33) },
      format: 'jwk',
    });
    return new HostIdentity(key);
  }

  /** DER PrivateKeyInfo: a secret. */
  get pkcs8(): Uint8Array {
    return new Uint8Array(this.#key.export({ format: 'der', type: 'pkcs8' }));
  }

  /** ECDSA with SHA-256; the signature is DER (RFC 3279 s2.2.3), as X.509 and RELOAD want it. */
  sign(data: Uint8Array): Uint8Array {
    return new Uint8Array(sign('sha256', data, this.#key));
  }
}

export function generateHostIdentity(): HostIdentity {
  return HostIdentity.generate();
}
