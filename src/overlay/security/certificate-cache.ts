import { toHex } from '../../base/bytes.ts';
import type { NodeId } from '../../base/node-id.ts';
import { sha256 } from '../../identity/signature.ts';
import { CERTIFICATE_TYPE_X509, HASH_ALGORITHMS, type GenericCertificate } from '../../reload/index.ts';
import type { SignerIdentity } from '../../reload/index.ts';
import { CERTIFICATE_RECHECK_MS, MAX_CERTIFICATES_CACHED, MAX_CERTIFICATES_PER_MESSAGE } from '../constants.ts';

/** What the overlay asks of a certificate; the VerifiedPeer of a TrustStore is one. */
export interface VerifiedCertificate {
  readonly nodeId: NodeId;
  readonly user: string | null;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** The verifier's own copy, which may be kept. */
  readonly der: Uint8Array;
}

/** Says whether a chain of DER certificates, the node's own first, is good in this overlay; throws when it is not. */
export interface CertificateVerifier {
  verifyMember(chain: readonly Uint8Array[], wallNow: number): VerifiedCertificate;
  /** Whether a host may let others in, as far as is known; absent: nobody may. */
  isInviter?(nodeId: NodeId): boolean;
}

/** A node that signed something, and the certificate that proves it. */
export interface Signer {
  readonly nodeId: NodeId;
  readonly user: string | null;
  readonly spki: Uint8Array;
  /** The node's own certificate first. Whoever passes signed values on passes these on with them (s6.3.4). */
  readonly chain: readonly Uint8Array[];
  /** SHA-256 of the certificate, hexadecimal: what `cert_hash` identities say. */
  readonly hash: string;
}

interface CachedSigner {
  readonly signer: Signer;
  checkedAt: number;
}

/**
 * Signers seen lately, by the hash of their certificate. Bounded; the one that was checked longest ago leaves first: to put
 * each back in its place whenever it is used is a garbage of its own, of tables that are made anew.
 */
export class CertificateCache {
  private readonly verifier: CertificateVerifier;
  private readonly cached = new Map<string, CachedSigner>();

  constructor(verifier: CertificateVerifier) {
    this.verifier = verifier;
  }

  get size(): number {
    return this.cached.size;
  }

  /**
   * The node behind a signature's identity.
   * @param bucket the certificates that came in the same message
   * @param wallNow milliseconds since the epoch
   * @returns undefined when no certificate for it is there, or none that is trusted
   */
  resolve(identity: SignerIdentity, bucket: readonly GenericCertificate[], wallNow: number): Signer | undefined {
    // Certificates here name one Node-ID, for which RFC 6940 s6.3.4 demands cert_hash.
    if (identity.type !== 'cert_hash' || identity.hashAlgorithm !== HASH_ALGORITHMS.sha256) return undefined;
    const hash = toHex(identity.hash);
    const known = this.cached.get(hash);
    if (known !== undefined) {
      if (wallNow - known.checkedAt > CERTIFICATE_RECHECK_MS || wallNow < known.checkedAt) {
        this.cached.delete(hash);
        if (this.verified(known.signer.chain, wallNow) === undefined) return undefined;
        known.checkedAt = wallNow;
        this.cached.set(hash, known);
      }
      return known.signer;
    }
    return this.learn(hash, bucket, wallNow);
  }

  /** Takes out what was learnt about certificates, when trust has changed. */
  clear(): void {
    this.cached.clear();
  }

  private learn(hash: string, bucket: readonly GenericCertificate[], wallNow: number): Signer | undefined {
    const candidates = bucket
      .filter(({ type }) => type === CERTIFICATE_TYPE_X509)
      .slice(0, MAX_CERTIFICATES_PER_MESSAGE);
    const own = candidates.find(({ certificate }) => toHex(sha256(certificate)) === hash);
    if (own === undefined) return undefined;
    const chain = [own.certificate];
    let certificate = this.verified(chain, wallNow);
    if (certificate === undefined && candidates.length > 1) {
      // What follows the certificate in the bucket may be its issuers.
      const start = candidates.indexOf(own);
      chain.push(...candidates.slice(start + 1, start + 3).map((entry) => entry.certificate));
      certificate = this.verified(chain, wallNow);
    }
    if (certificate === undefined) return undefined;
    const signer: Signer = {
      nodeId: certificate.nodeId,
      user: certificate.user,
      spki: certificate.spki,
      // Copies: the message that they came in must not stay in memory for them.
      chain: [certificate.der, ...chain.slice(1).map((der) => der.slice())],
      hash,
    };
    this.cached.set(hash, { signer, checkedAt: wallNow });
    if (this.cached.size > MAX_CERTIFICATES_CACHED) {
      const [oldest] = this.cached.keys();
      if (oldest !== undefined) this.cached.delete(oldest);
    }
    return signer;
  }

  private verified(chain: readonly Uint8Array[], wallNow: number): VerifiedCertificate | undefined {
    try {
      return this.verifier.verifyMember(chain, wallNow);
    } catch {
      return undefined;
    }
  }
}
