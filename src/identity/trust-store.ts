import { equalBytes, toHex } from '../base/bytes.ts';
import type { NodeId } from '../base/node-id.ts';
import { type NodeCertificate, parseCertificate } from './certificate.ts';
import { CertificateError } from './errors.ts';
import { hitOfSpki } from './orchid.ts';
import { sha256 } from './signature.ts';

/** `invite`: members hold a certificate of the authority. `open`: a self-signed certificate makes a member. */
export type OverlayMode = 'invite' | 'open';

/** Clocks of members may differ by this much where validity is checked. */
export const CLOCK_SKEW_MS = 10 * 60_000;
/** About 2 KiB each. A node talks with some hundred others at a time; a relay of many may verify again. */
const MAX_CACHED_PEERS = 4096;
/** A leaf and the authority; more is not needed and not looked at. */
const MAX_CHAIN_LENGTH = 8;

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
  /** False: self-signed in an invite overlay. Such a peer may only enroll. */
  readonly member: boolean;
}

export interface VerifyOptions {
  /** Takes a certificate whenever it is valid: for hosts that do not know the time yet. Validity is then `validityOf`'s word. */
  readonly anyTime?: boolean;
}

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
  private readonly cache = new Map<string, VerifiedPeer>();
  private readonly revoked = new Set<NodeId>();

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
   * From now on `nodeId` fails to verify: `bad-node` of the overlay configuration (RFC 6940 s11.1), or a revocation.
   * Its links stay: closing them is the caller's.
   */
  revoke(nodeId: NodeId): void {
    this.revoked.add(nodeId);
  }

  isRevoked(nodeId: NodeId): boolean {
    return this.revoked.has(nodeId);
  }

  /**
   * @param chain DER certificates, leaf first. Only the leaf and the authority's certificate matter.
   * @param wallNow milliseconds since the epoch.
   * @throws {CertificateError} when the leaf is malformed, expired, of another overlay, revoked, made for another key than
   * its Node-ID, or signed neither by the authority nor by itself.
   */
  verify(chain: readonly Uint8Array[], wallNow: number, options: VerifyOptions = {}): VerifiedPeer {
    const [leaf] = chain;
    if (leaf === undefined) throw new CertificateError('the peer sent no certificate');
    if (chain.length > MAX_CHAIN_LENGTH)
      throw new CertificateError(`a chain of ${chain.length} certificates is too long`);
    const fingerprint = toHex(sha256(leaf));
    let peer = this.cache.get(fingerprint);
    if (peer === undefined) peer = this.examine(parseCertificate(leaf), chain);
    else this.cache.delete(fingerprint);
    this.cache.set(fingerprint, peer);
    if (this.cache.size > MAX_CACHED_PEERS) {
      const [oldest] = this.cache.keys();
      if (oldest !== undefined) this.cache.delete(oldest);
    }
    if (options.anyTime !== true) checkValidity(peer.certificate, wallNow);
    if (this.revoked.has(peer.nodeId)) throw new CertificateError(`the node ${peer.nodeId} was revoked`);
    return peer;
  }

  /**
   * As `verify`, for all that only members may do.
   * @throws {CertificateError} also when the peer is not a member.
   */
  verifyMember(chain: readonly Uint8Array[], wallNow: number, options: VerifyOptions = {}): VerifiedPeer {
    const peer = this.verify(chain, wallNow, options);
    if (!peer.member)
      throw new CertificateError(`the node ${peer.nodeId} is not a member of the overlay ${this.overlay}`);
    return peer;
  }

  private examine(certificate: NodeCertificate, chain: readonly Uint8Array[]): VerifiedPeer {
    const { der, spki, nodeId, overlay, user } = certificate;
    if (overlay !== this.overlay)
      throw new CertificateError(`the certificate is for the overlay ${overlay}, not ${this.overlay}`);
    // RFC 6940 s11.3.1 asks this of self-signed certificates; here no authority can give a HIT to another key either.
    if (hitOfSpki(spki) !== nodeId)
      throw new CertificateError('the key of the certificate does not give the Node-ID that it names');
    if (certificate.isAuthority) throw new CertificateError("the authority's certificate is no node's certificate");
    if (this.isIssuedByAuthority(certificate, chain)) return { certificate, der, spki, nodeId, user, member: true };
    if (!certificate.isSignedBy(spki))
      throw new CertificateError(`the certificate was not issued by the authority of the overlay ${this.overlay}`);
    const member = this.mode === 'open';
    return { certificate, der, spki, nodeId, user: member ? user : null, member };
  }

  private isIssuedByAuthority(certificate: NodeCertificate, chain: readonly Uint8Array[]): boolean {
    if (this.authorityCert === undefined) {
      if (!chain.slice(1).some((der) => this.learnAuthority(der))) return false;
    }
    return this.authorityCert !== undefined && certificate.isSignedBy(this.authorityCert.spki);
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

/** Whether it is valid at a time, with ten minutes of tolerance. */
export function validityOf({ notBefore, notAfter }: NodeCertificate, wallNow: number): 'early' | 'valid' | 'expired' {
  if (wallNow < notBefore - CLOCK_SKEW_MS) return 'early';
  return wallNow > notAfter + CLOCK_SKEW_MS ? 'expired' : 'valid';
}

/** @throws {CertificateError} outside of the time that the certificate is valid for. */
function checkValidity(certificate: NodeCertificate, wallNow: number): void {
  const { notBefore, notAfter } = certificate;
  const validity = validityOf(certificate, wallNow);
  if (validity === 'early')
    throw new CertificateError(
      `the certificate is valid from ${new Date(notBefore).toISOString()}: is the clock of this host right?`,
    );
  if (validity === 'expired')
    throw new CertificateError(`the certificate has expired on ${new Date(notAfter).toISOString()}`);
}
