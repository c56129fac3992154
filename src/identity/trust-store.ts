import { equalBytes, toHex } from '../base/bytes.ts';
import { hitToAddress, type Hit, type NodeId } from '../base/node-id.ts';
import { type NodeCertificate, parseCertificate } from './certificate.ts';
import { CertificateError } from './errors.ts';
import { isGrantOf } from './issuer.ts';
import { isUserOf } from './names.ts';
import { hitOfSpki } from './orchid.ts';
import { sha256 } from './signature.ts';
import { Standing, type Revocation } from './standing.ts';

/** `invite`: members hold a certificate of the authority. `open`: a self-signed certificate makes a member. */
export type OverlayMode = 'invite' | 'open';

/** Clocks of members may differ by this much where validity is checked, or by this part of a certificate's life. */
export const CLOCK_SKEW_MS = 10 * 60_000;
const CLOCK_SKEW_PART = 1 / 8;
/** About 2 KiB each. A node talks with some hundred others at a time; a relay of many may verify again. */
const MAX_CACHED_PEERS = 4096;
/** A leaf, its inviter and the authority; more is not needed. */
const MAX_CHAIN_LENGTH = 8;
/** Certificates of inviters that are remembered, of 700 bytes; a chain brings another one again. */
const MAX_INVITER_CERTIFICATES = 1024;

export interface VerifiedPeer {
  readonly certificate: NodeCertificate;
  /** DER of the certificate. */
  readonly der: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** The HIT of the certificate's key. */
  readonly nodeId: NodeId;
  /** The authority's word in an invite overlay; the peer's own word in an open one; null when not a member. */
  readonly user: string | null;
  /** False: self-signed in an invite overlay, or lapsed. Such a peer may only enroll. */
  readonly member: boolean;
  /**
   * A certificate of this overlay that is not in force: expired, not valid yet, or made by an inviter whose right was
   * withdrawn. It still proves who is to have a new one, unless that host was revoked (`revokedAsGuest`).
   */
  readonly lapsed: boolean;
  /** The inviter that made the certificate; null: the authority, or the peer itself. */
  readonly issuer: Hit | null;
}

export interface VerifyOptions {
  /** Takes a certificate whenever it is valid: for hosts that do not know the time yet. Validity is then `validityOf`'s word. */
  readonly anyTime?: boolean;
  /** Takes a revoked host for a guest, which can be told so, instead of throwing. */
  readonly revokedAsGuest?: boolean;
}

export type CertificateValidity = 'early' | 'valid' | 'expired';

export interface TrustStoreOptions {
  readonly overlay: string;
  readonly mode: OverlayMode;
  /** SHA-256 of the authority's DER SubjectPublicKeyInfo, 32 bytes. */
  readonly authority: Uint8Array;
  /** DER; when absent it is learned from the first chain that brings the certificate with that fingerprint. */
  readonly authorityCertificate?: Uint8Array;
}

/** Who may be believed in one overlay (RFC 6940 s11.3). It stays usable after every error. */
export class TrustStore {
  readonly overlay: string;
  readonly mode: OverlayMode;
  /** SHA-256 of the authority's DER SubjectPublicKeyInfo. */
  readonly authority: Uint8Array;
  private authorityCert: NodeCertificate | undefined;
  private readonly inviterCerts = new Map<Hit, NodeCertificate>();
  private readonly cache = new Map<string, VerifiedPeer>();
  private readonly standing = new Standing();

  /** @throws {CertificateError} when the authority's certificate does not fit the fingerprint and the overlay. */
  constructor({ overlay, mode, authority, authorityCertificate }: TrustStoreOptions) {
    this.overlay = overlay;
    this.mode = mode;
    this.authority = authority;
    if (authorityCertificate !== undefined && !this.learnAuthority(authorityCertificate))
      throw new CertificateError(
        `the authority's certificate is not the one that the overlay ${overlay} was created with`,
      );
  }

  /** The authority's certificate (DER) once known. */
  get authorityCertificate(): Uint8Array | undefined {
    return this.authorityCert?.der;
  }

  /**
   * From now on `nodeId` fails to verify: `bad-node` of the overlay configuration (RFC 6940 s11.1), or a revocation that was
   * proven. Its links stay: closing them is the caller's.
   * @param mark.by the inviter whose word it is, which counts for less; null: the authority's.
   */
  revoke(nodeId: NodeId, mark: { readonly by: Hit | null; readonly at: number } = { by: null, at: 0 }): void {
    this.standing.revoke(nodeId, mark);
  }

  isRevoked(nodeId: NodeId): boolean {
    return this.standing.isRevoked(nodeId);
  }

  /** Takes a revocation that was proven (`verifyRevocation`). */
  apply({ what, hit, by, revokedAt }: Revocation): void {
    if (what === 'member') this.revoke(hit, { by, at: revokedAt });
    else this.revokeIssuer(hit, { since: revokedAt });
  }

  /**
   * The host may not invite any more, unless the right was given again later than `since` (milliseconds since the epoch). All
   * that it issued lapses, whenever: with a stolen key it can have been dated back.
   */
  revokeIssuer(hit: Hit, { since }: { readonly since: number }): void {
    this.standing.withdraw(hit, since);
  }

  /**
   * Remembers the certificate (DER) of an inviter: messages then need not bring it.
   * @returns it; undefined when the authority has made no such certificate, or is not known itself.
   */
  learnIssuer(der: Uint8Array): NodeCertificate | undefined {
    let certificate: NodeCertificate;
    try {
      certificate = parseCertificate(der);
      if (this.authorityCert === undefined || !isGrantOf(certificate, this.authorityCert)) return undefined;
    } catch {
      return undefined;
    }
    const hit = certificate.nodeId;
    const known = this.inviterCerts.get(hit);
    this.standing.grant(hit, certificate.notBefore);
    if (known !== undefined && known.notBefore >= certificate.notBefore) return certificate;
    this.inviterCerts.set(hit, certificate);
    evictOldest(this.inviterCerts, MAX_INVITER_CERTIFICATES);
    return certificate;
  }

  /** Whether the host may invite now, as far as is known here. */
  isInviter(hit: Hit): boolean {
    return this.standing.isInviter(hit);
  }

  /** Since when the host may not invite, milliseconds since the epoch; undefined: it may, or nobody has said since when. */
  rightEndedAt(hit: Hit): number | undefined {
    return this.standing.endedAt(hit);
  }

  /** Those that may invite now, as far as is known here; not the authority. */
  inviters(): Hit[] {
    return this.standing.inviters();
  }

  /** The certificate (DER) that makes a host an inviter, when it was seen. */
  issuerCertificate(hit: Hit): Uint8Array | undefined {
    return this.inviterCerts.get(hit)?.der;
  }

  /**
   * @param chain DER certificates, leaf first, behind it in any order that of the inviter and the authority's unless known.
   * @param wallNow milliseconds since the epoch.
   * @throws {CertificateError} when the leaf is malformed, of another overlay, revoked, made for another key than its Node-ID,
   * or signed neither by the authority, nor by an inviter, nor by itself.
   */
  verify(chain: readonly Uint8Array[], wallNow: number, options: VerifyOptions = {}): VerifiedPeer {
    const peer = this.identify(chain);
    if (this.standing.isRevoked(peer.nodeId)) {
      if (options.revokedAsGuest === true) return { ...peer, user: null, member: false, lapsed: true };
      throw new CertificateError(`the node ${hitToAddress(peer.nodeId)} was revoked`);
    }
    // A guest shows its key alone: when it made its certificate is no one's concern.
    if (!peer.member || this.whyLapsed(peer, wallNow, options) === undefined) return peer;
    return { ...peer, user: null, member: false, lapsed: true };
  }

  /**
   * As `verify`, for all that only members may do.
   * @throws {CertificateError} also when the peer is not a member, or its certificate has lapsed.
   */
  verifyMember(chain: readonly Uint8Array[], wallNow: number, options: VerifyOptions = {}): VerifiedPeer {
    const peer = this.verify(chain, wallNow, options);
    if (peer.lapsed) throw new CertificateError(this.whyLapsed(peer, wallNow, options) ?? 'the certificate has lapsed');
    if (!peer.member)
      throw new CertificateError(
        `the node ${hitToAddress(peer.nodeId)} is not a member of the overlay ${this.overlay}`,
      );
    return peer;
  }

  /** The peer as it would be if its certificate were in force. */
  private identify(chain: readonly Uint8Array[]): VerifiedPeer {
    const [leaf] = chain;
    if (leaf === undefined) throw new CertificateError('the peer sent no certificate');
    if (chain.length > MAX_CHAIN_LENGTH)
      throw new CertificateError(`a chain of ${chain.length} certificates is too long`);
    const fingerprint = toHex(sha256(leaf));
    const known = this.cache.get(fingerprint);
    if (known !== undefined) return known;
    const peer = this.examine(parseCertificate(leaf), chain.slice(1));
    this.cache.set(fingerprint, peer);
    evictOldest(this.cache, MAX_CACHED_PEERS);
    return peer;
  }

  private examine(certificate: NodeCertificate, above: readonly Uint8Array[]): VerifiedPeer {
    const { der, spki, nodeId, overlay, user, inviter } = certificate;
    if (overlay !== this.overlay)
      throw new CertificateError(`the certificate is for the overlay ${overlay}, not ${this.overlay}`);
    // RFC 6940 s11.3.1 asks this of self-signed certificates; here no authority can give a HIT to another key either.
    if (hitOfSpki(spki) !== nodeId)
      throw new CertificateError('the key of the certificate does not give the Node-ID that it names');
    if (certificate.isAuthority) throw new CertificateError("the certificate of an issuer is no node's certificate");
    if (user !== null && !isUserOf(user, overlay))
      throw new CertificateError(`the certificate names a user of another domain than ${overlay}`);
    const peer = { certificate, der, spki, nodeId, lapsed: false };
    if (this.authorityCert === undefined) above.some((other) => this.learnAuthority(other));
    if (inviter !== undefined) {
      if (certificate.isSignedBy(this.issuerKey(inviter, above)))
        return { ...peer, user, member: true, issuer: inviter };
    } else if (this.authorityCert !== undefined && certificate.isSignedBy(this.authorityCert.spki))
      return { ...peer, user, member: true, issuer: null };
    else if (certificate.isSignedBy(spki)) {
      const member = this.mode === 'open';
      return { ...peer, user: member ? user : null, member, issuer: null };
    }
    throw new CertificateError(`the certificate was not issued by the authority of the overlay ${this.overlay}`);
  }

  private issuerKey(inviter: Hit, above: readonly Uint8Array[]): Uint8Array {
    let known = this.inviterCerts.get(inviter);
    for (const der of known === undefined ? above : []) {
      const learned = this.learnIssuer(der);
      if (learned?.nodeId === inviter) known = learned;
    }
    if (known !== undefined) return known.spki;
    throw new CertificateError(
      `the certificate was issued by ${hitToAddress(inviter)}, which is not known as an inviter`,
    );
  }

  /** Undefined: it has not. */
  private whyLapsed(
    { certificate, issuer }: VerifiedPeer,
    wallNow: number,
    options: VerifyOptions,
  ): string | undefined {
    if (issuer !== null && !this.standing.isInviter(issuer))
      return `the certificate was issued by ${issuer}, which may not invite any more`;
    const { notBefore, notAfter } = certificate;
    switch (options.anyTime === true ? 'valid' : validityOf(certificate, wallNow)) {
      case 'early':
        return `the certificate is valid from ${new Date(notBefore).toISOString()}: is the clock of this host right?`;
      case 'expired':
        return `the certificate has expired on ${new Date(notAfter).toISOString()}`;
      case 'valid':
        return undefined;
    }
  }

  private learnAuthority(der: Uint8Array): boolean {
    let certificate: NodeCertificate;
    try {
      certificate = parseCertificate(der);
    } catch {
      return false;
    }
    if (
      !equalBytes(sha256(certificate.spki), this.authority) ||
      certificate.overlay !== this.overlay ||
      !certificate.isAuthority ||
      !certificate.isSignedBy(certificate.spki)
    )
      return false;
    this.authorityCert = certificate;
    return true;
  }
}

/** Whether it is valid at a time, with ten minutes of tolerance, less for a short life. */
export function validityOf(certificate: NodeCertificate, wallNow: number): CertificateValidity {
  const { notBefore, notAfter } = certificate;
  const skew = Math.min(CLOCK_SKEW_MS, (notAfter - notBefore) * CLOCK_SKEW_PART);
  if (wallNow < notBefore - skew) return 'early';
  return wallNow > notAfter + skew ? 'expired' : 'valid';
}

function evictOldest<K, V>(map: Map<K, V>, max: number): void {
  if (map.size <= max) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
