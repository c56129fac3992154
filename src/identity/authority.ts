import { equalBytes } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import {
  CERTIFICATE_BACKDATE_MS,
  CERTIFICATE_LIFETIME_MS,
  authorityCertificate,
  issueCertificate,
} from './certificate-issuer.ts';
import { parseCertificate } from './certificate.ts';
import { KeyStoreError } from './errors.ts';
import { HostIdentity } from './host-identity.ts';
import { sha256 } from './signature.ts';

/** The key that an overlay was created with: signs its certificates and its configuration (RFC 6940 s11.1, s11.3). */
export class OverlayAuthority {
  readonly overlay: string;
  /** DER root certificate, self-signed. */
  readonly certificate: Uint8Array;
  /** SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes: what a ticket carries. */
  readonly fingerprint: Uint8Array;
  private readonly key: HostIdentity;

  /** @throws {KeyStoreError} when key and certificate do not belong together. */
  constructor(key: HostIdentity, certificate: Uint8Array) {
    const parsed = parseCertificate(certificate);
    if (!parsed.isAuthority || !equalBytes(parsed.spki, key.spki))
      throw new KeyStoreError("the authority's key and certificate do not belong together");
    this.key = key;
    this.certificate = parsed.der;
    this.overlay = parsed.overlay;
    this.fingerprint = sha256(key.spki);
  }

  /**
   * The authority of a new overlay.
   * @throws {CertificateError} when the name is not allowed.
   */
  static create(options: {
    readonly overlay: string;
    readonly wallNow: number;
    readonly random: Random;
  }): OverlayAuthority {
    const key = HostIdentity.generate();
    return new OverlayAuthority(key, authorityCertificate(key, options));
  }

  /** The authority's own HIT: no node has it; `configuration-signer` names it. */
  get hit(): Hit {
    return this.key.hit;
  }

  /** DER SubjectPublicKeyInfo. */
  get spki(): Uint8Array {
    return this.key.spki;
  }

  /** DER PrivateKeyInfo: a secret. */
  get pkcs8(): Uint8Array {
    return this.key.pkcs8;
  }

  sign(data: Uint8Array): Uint8Array {
    return this.key.sign(data);
  }

  /**
   * A member's certificate, valid for a year.
   * @returns DER.
   * @throws {CertificateError} when the user name is not allowed or the key is no host identity.
   */
  issue(spki: Uint8Array, user: string | null, wallNow: number, random: Random): Uint8Array {
    const subject = {
      spki,
      overlay: this.overlay,
      user,
      notBefore: wallNow - CERTIFICATE_BACKDATE_MS,
      notAfter: wallNow + CERTIFICATE_LIFETIME_MS,
    };
    return issueCertificate(this.key, subject, random);
  }
}
