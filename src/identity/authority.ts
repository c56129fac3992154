import { equalBytes } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { authorityCertificate, inviterCertificate } from './certificate-issuer.ts';
import { parseCertificate, type NodeCertificate } from './certificate.ts';
import { KeyStoreError } from './errors.ts';
import { HostIdentity } from './host-identity.ts';
import { issueMember, type Issuer } from './issuer.ts';
import { sha256 } from './signature.ts';

/** The key that an overlay was created with: signs its certificates and its configuration (RFC 6940 s11.1, s11.3). */
export class OverlayAuthority implements Issuer {
  readonly overlay: string;
  /** DER root certificate, self-signed. */
  readonly certificate: Uint8Array;
  /** SHA-256 of the DER SubjectPublicKeyInfo, 32 bytes: what a ticket carries. */
  readonly fingerprint: Uint8Array;
  readonly intermediate = undefined;
  private readonly key: HostIdentity;
  private readonly rootCertificate: NodeCertificate;

  /** @throws {KeyStoreError} when key and certificate do not belong together. */
  constructor(key: HostIdentity, certificate: Uint8Array) {
    const parsed = parseCertificate(certificate);
    if (!parsed.isAuthority || parsed.pathLength !== undefined || !equalBytes(parsed.spki, key.spki))
      throw new KeyStoreError("the authority's key and certificate do not belong together");
    this.key = key;
    this.certificate = parsed.der;
    this.rootCertificate = parsed;
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

  /** As Issuer names it. */
  get root(): Uint8Array {
    return this.certificate;
  }

  issue(
    spki: Uint8Array,
    user: string | null,
    wallNow: number,
    random: Random,
    { lifetimeMs }: { readonly lifetimeMs?: number } = {},
  ): Uint8Array[] {
    const { key, rootCertificate: root, intermediate } = this;
    return issueMember({ key, root, intermediate }, { spki, user, wallNow, lifetimeMs }, random);
  }

  /**
   * Gives a member the right to invite, for as long as the overlay lives: inviters go on when the authority is gone.
   * @param memberSpki DER SubjectPublicKeyInfo of the member's host.
   * @returns DER: with it the host's key makes an `Inviter`.
   * @throws {CertificateError} when the key is no host identity.
   */
  grant(memberSpki: Uint8Array, wallNow: number, random: Random): Uint8Array {
    const { overlay } = this;
    const { notAfter } = this.rootCertificate;
    // X.509 has whole seconds: rounded up, so that it is later than a withdrawal in the same second.
    const notBefore = Math.ceil(wallNow / 1000) * 1000;
    return inviterCertificate(this.key, { spki: memberSpki, overlay, notBefore, notAfter }, random);
  }
}
