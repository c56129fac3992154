import type { Hit } from '../base/node-id.ts';
import type { OverlayConfiguration } from '../config/overlay-configuration.ts';
import type { CertificateRequest } from '../identity/enrollment.ts';
import type { RevokedHost } from '../identity/enrollment-register.ts';
import type { VerifiedPeer } from '../identity/trust-store.ts';
import type { RecordKind } from './ledger.ts';

/** What a proven record says. */
export interface Statement {
  /** Whom it is about. */
  readonly hit: Hit;
  /** Of a revocation the host's user; null: not known. */
  readonly user: string | null;
  /** When it was made, milliseconds since the epoch. */
  readonly at: number;
  /** By the authority, not by an inviter. */
  readonly byAuthority: boolean;
}

/** A certificate that was proven to be this host's. */
export interface OwnCertificate {
  /** DER: this host's own, its inviter's when one issued it, the root's. */
  readonly chain: readonly Uint8Array[];
  readonly user: string | null;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly notAfter: number;
}

/** Who may be believed, by the rules of identity. */
export interface MembershipRules {
  /** @throws {CertificateError} when it is no certificate of this host that is in force. */
  readOwn(chain: readonly Uint8Array[], wallNow: number): OwnCertificate;
  /** Whether others take it for a member's no more: it has ended, or its inviter's right has. */
  hasLapsed(own: OwnCertificate, wallNow: number): boolean;
  /** Believes a record; undefined: it is not of this overlay, or not signed by one who may. */
  learn(kind: RecordKind, bytes: Uint8Array): Statement | undefined;
  /** What follows from all records that were learnt, in whatever order. */
  isRevoked(hit: Hit): boolean;
  inviters(): readonly Hit[];
  /** `bad-node` of the configuration. */
  distrust(hit: Hit): void;
  /** The right to invite that a grant for this host brings; undefined: it is of no use. */
  invitingBy(grant: Uint8Array): Inviting | undefined;
}

export type Renewed =
  | { readonly ok: true; readonly chain: readonly Uint8Array[] }
  | { readonly ok: false; readonly why: string }
  /** A certificate that has ended may name a user that is somebody else's by now: to be looked up first. */
  | { readonly ok: 'ask'; readonly hit: Hit; readonly user: string };

/** The right to invite: an issuer of certificates, and of statements. */
export interface Inviting {
  /** May hand on the right to invite itself. */
  readonly isAuthority: boolean;
  /**
   * Answers a newcomer.
   * @throws {Error} when nothing was issued since it could not be written down.
   */
  enroll(request: CertificateRequest, wallNow: number): Uint8Array;
  /** The free name that a newcomer would take, and who it is; undefined: none, or the ticket was made for the name. */
  chosenName(request: CertificateRequest, wallNow: number): { readonly hit: Hit; readonly user: string } | undefined;
  /** The name that a newcomer's ticket was made for, and who it is; undefined: it chooses one, or will be refused. */
  givenName(request: CertificateRequest, wallNow: number): { readonly hit: Hit; readonly user: string } | undefined;
  /** Hosts that it would take the place of, since they were let in here and never seen: the overlay may know them all the same. */
  failedHosts(request: CertificateRequest, wallNow: number): readonly Hit[];
  /** One of those is in the overlay. */
  sawShown(hit: Hit): void;
  /** The answer to a newcomer whose name another inviter keeps. */
  refuseKept(request: CertificateRequest, user: string): Uint8Array;
  /** The answer to a newcomer whose name is somebody else's. */
  refuseName(request: CertificateRequest, user: string): Uint8Array;
  /** The answer to a newcomer of whose name nobody can say now whether it is free. */
  refuseNow(request: CertificateRequest, user: string): Uint8Array;
  /** For the same key and user as the chain says. @param checked the user was looked up, and is this host's or nobody's. */
  renew(chain: readonly Uint8Array[], wallNow: number, checked: boolean): Renewed;
  /** A certificate for a member's key, unasked. @returns DER, the host's own first. */
  issueFor(spki: Uint8Array, user: string | null, wallNow: number): readonly Uint8Array[];
  /** A member is linked: what its certificate says is so. */
  sawMember(peer: VerifiedPeer, wallNow: number): void;
  /** The free-chosen name that a newcomer is refused since others have it, who may have given it back; undefined: none. */
  takenName(request: CertificateRequest, wallNow: number): string | undefined;
  /**
   * A member has said that it leaves: its name is free, unless it has come back since then.
   * @param user the name that it gave back; absent: whichever it has.
   * @returns whether it had the name here.
   */
  sawLeaving(hit: Hit, leftAt: number, user?: string): boolean;
  /** A certificate of ours has reached the host that it is for: what it says is so. */
  sawIssued(chain: readonly Uint8Array[], wallNow: number): void;
  /** Hosts were revoked: tickets of ours that would let them in again end. @returns how many. */
  sawRevoked(revoked: readonly RevokedHost[], wallNow: number): number;
  /** @param user the host's; null: as far as this inviter knows. */
  revocationOf(hit: Hit, wallNow: number, user: string | null): Uint8Array;
  /** Only an authority's. @throws {TypeError} */
  grantFor(spki: Uint8Array, wallNow: number): Uint8Array;
  /** The signed document of it. Only an authority's. @throws {TypeError} */
  signConfiguration(configuration: OverlayConfiguration): Uint8Array;
}

/** Where what must not be lost is written; each throws when it cannot. */
export interface MembershipStore {
  saveCertificates(chain: readonly Uint8Array[]): void;
  saveOverlayDocument(document: Uint8Array): void;
  saveRecords(records: Uint8Array): void;
}
