import { equalBytes } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { CERTIFICATE_LIFETIME_MS, backdate, issueCertificate } from './certificate-issuer.ts';
import { parseCertificate, type NodeCertificate } from './certificate.ts';
import { CertificateError } from './errors.ts';
import type { HostIdentity } from './host-identity.ts';
import { hitOfSpki } from './orchid.ts';

/** Who makes certificates of members: the overlay's authority, or a host to which it has given the right to invite. */
export interface Issuer {
  readonly overlay: string;
  /** Of the key that signs: an inviter's own, or the authority's, which no host has. */
  readonly hit: Hit;
  /** DER: the authority's, self-signed. */
  readonly root: Uint8Array;
  /** DER: what an inviter has from the authority; undefined: this is the authority. */
  readonly intermediate: Uint8Array | undefined;
  /** By the key that issues. */
  sign(data: Uint8Array): Uint8Array;
  /**
   * A member's certificate, in force for `lifetimeMs` (a year when absent).
   * @returns DER: the certificate, behind it that of the inviter when it is one.
   * @throws {CertificateError} when the user name is not one of the overlay or the key is no host identity.
   */
  issue(
    spki: Uint8Array,
    user: string | null,
    wallNow: number,
    random: Random,
    options?: { readonly lifetimeMs?: number },
  ): Uint8Array[];
}

/** A member with the right to invite: issues with its host's key and the certificate that the authority made for it. */
export class Inviter implements Issuer {
  readonly overlay: string;
  readonly root: Uint8Array;
  readonly intermediate: Uint8Array;
  private readonly key: HostIdentity;
  private readonly rootCertificate: NodeCertificate;

  /** @throws {CertificateError} when the certificates and the key do not belong together. */
  constructor(key: HostIdentity, grant: Uint8Array, root: Uint8Array) {
    const certificate = parseCertificate(grant);
    const authority = parseCertificate(root);
    if (!equalBytes(certificate.spki, key.spki)) throw new CertificateError('the right to invite is of another key');
    if (!isGrantOf(certificate, authority)) throw new CertificateError('the right to invite is not of this overlay');
    this.overlay = authority.overlay;
    this.key = key;
    this.intermediate = certificate.der;
    this.root = authority.der;
    this.rootCertificate = authority;
  }

  get hit(): Hit {
    return this.key.hit;
  }

  sign(data: Uint8Array): Uint8Array {
    return this.key.sign(data);
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
}

/** What `Issuer.issue` does, with the key of either. */
export function issueMember(
  issuer: {
    readonly key: HostIdentity;
    readonly root: NodeCertificate;
    /** DER; undefined: the key is the authority's. */
    readonly intermediate: Uint8Array | undefined;
  },
  member: {
    readonly spki: Uint8Array;
    readonly user: string | null;
    readonly wallNow: number;
    readonly lifetimeMs: number | undefined;
  },
  random: Random,
): Uint8Array[] {
  const { key, root, intermediate } = issuer;
  const { spki, user, wallNow, lifetimeMs = CERTIFICATE_LIFETIME_MS } = member;
  const subject = { spki, user, overlay: root.overlay, ...validity(root, wallNow, lifetimeMs) };
  const certificate = issueCertificate({ key, inviter: intermediate !== undefined }, subject, random);
  return intermediate === undefined ? [certificate] : [certificate, intermediate];
}

/** Whether the authority gives the certificate's key the right to issue certificates of members, and no other right. */
export function isGrantOf(grant: NodeCertificate, authority: NodeCertificate): boolean {
  return (
    grant.isAuthority &&
    grant.pathLength === 0 &&
    grant.overlay === authority.overlay &&
    !equalBytes(grant.spki, authority.spki) &&
    hitOfSpki(grant.spki) === grant.nodeId &&
    grant.isSignedBy(authority.spki)
  );
}

/** Within the life of the overlay's root certificate. */
function validity(
  root: NodeCertificate,
  wallNow: number,
  lifetimeMs: number,
): { readonly notBefore: number; readonly notAfter: number } {
  return {
    notBefore: Math.max(wallNow - backdate(lifetimeMs), root.notBefore),
    notAfter: Math.min(wallNow + lifetimeMs, root.notAfter),
  };
}
