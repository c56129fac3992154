import { equalBytes, equalSecrets } from '../base/bytes.ts';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import { type Hit, hitToAddress } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { type NodeCertificate, parseCertificate } from './certificate.ts';
import { secretOfCode } from './code-secret.ts';
import {
  answerSignatureInput,
  codeProof,
  decodeEnrollmentAnswer,
  decodeEnrollmentRequest,
  encodeEnrollmentAnswer,
  encodeEnrollmentRequest,
  type EnrollmentAnswer,
  MAX_CONFIGURATION_BYTES,
  signatureInput,
  type SignedEnrollmentAnswer,
} from './enrollment-message.ts';
import {
  keptText,
  takenText,
  type Admission,
  type EnrollmentRegister,
  type Redemption,
  type RevokedHost,
} from './enrollment-register.ts';
import { CertificateError, EnrollmentError, type EnrollmentRefusal, NameTakenError } from './errors.ts';
import type { HostIdentity } from './host-identity.ts';
import type { Issuer } from './issuer.ts';
import { hitOfSpki } from './orchid.ts';
import { verifySignature } from './signature.ts';
import { TrustStore, type VerifiedPeer } from './trust-store.ts';

/** A request for a certificate: it is signed by the key that it is for, whoever carries it. */
export interface CertificateRequest {
  readonly bytes: Uint8Array;
  /** DER SubjectPublicKeyInfo of that key. */
  readonly spki: Uint8Array;
}

/** A newcomer took the place of hosts, which are to be revoked. */
export interface Replacement {
  readonly newcomer: Hit;
  readonly user: string | null;
  /** As far as the register knows. */
  readonly replaced: readonly Hit[];
  /** A lost key: every other host of the user, also those that only the overlay knows. */
  readonly replacesUser: boolean;
}

export interface EnrollmentServerComponents {
  readonly issuer: Issuer;
  readonly register: EnrollmentRegister;
  /** Which certificates prove a membership. */
  readonly trust: TrustStore;
  /** The signed overlay configuration document as it is now. */
  readonly configuration: () => Uint8Array;
  /** The overlay's rendezvous secret; null: it has none. */
  readonly secret: () => Uint8Array | null;
  /** How long certificates live: the configuration's. */
  readonly lifetimeMs: () => number;
  readonly random: Random;
  /** Called during `handle`. */
  readonly onReplaced?: (replacement: Replacement) => void;
}

/** Plays RELOAD's enrollment server (RFC 6940 s11.3) where a key is that may issue certificates. Bytes in, bytes out. */
export class EnrollmentServer {
  private readonly components: EnrollmentServerComponents;

  constructor(components: EnrollmentServerComponents) {
    this.components = components;
  }

  /**
   * @param wallNow milliseconds since the epoch.
   * @returns the answer; a refusal also for bytes that are no request, and when nothing can be written.
   */
  handle(request: CertificateRequest, wallNow: number): Uint8Array {
    return this.answered(request, () => {
      const { register, lifetimeMs, onReplaced } = this.components;
      const redemption = this.redemptionOf(request, wallNow);
      const { user, replaced, replacesUser } = register.redeem(redemption, wallNow + lifetimeMs());
      if (replaced.length > 0 || replacesUser) onReplaced?.({ newcomer: redemption.hit, user, replaced, replacesUser });
      return this.issueFor(request, user, wallNow);
    });
  }

  /**
   * The user name that the request takes for itself, to be looked up in the overlay before it is handled. Undefined: it takes
   * none, its ticket was made for that name, or it will be refused anyway.
   */
  chosenName(request: CertificateRequest, wallNow: number): string | undefined {
    try {
      const admission: Admission = this.components.register.consider(this.redemptionOf(request, wallNow));
      return admission.chosen && admission.user !== null ? admission.user : undefined;
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
  }

  /** The name that the newcomer's ticket was made for, which it gets. Undefined: it chooses, has it, or will be refused. */
  givenName(request: CertificateRequest, wallNow: number): string | undefined {
    try {
      const redemption = this.redemptionOf(request, wallNow);
      const { user, chosen } = this.components.register.consider(redemption);
      return redemption.code === null || chosen || user === null ? undefined : user;
    } catch (error) {
      if (isRefusal(error)) return undefined;
      throw error;
    }
  }

  /** Hosts that the request would take the place of, since they were never seen here. */
  failedHosts(request: CertificateRequest, wallNow: number): readonly Hit[] {
    try {
      return this.components.register.consider(this.redemptionOf(request, wallNow)).failed;
    } catch (error) {
      if (isRefusal(error)) return [];
      throw error;
    }
  }

  /** A host that was never seen here is in the overlay all the same. */
  sawShown(hit: Hit): void {
    this.components.register.noteShown(hit);
  }

  /** Hosts were revoked: tickets that would let them in again end. @returns how many. */
  sawRevoked(revoked: readonly RevokedHost[], wallNow: number): number {
    return this.components.register.endTickets(revoked, wallNow);
  }

  userOf(hit: Hit): string | null {
    return this.components.register.userOf(hit);
  }

  /** The answer to a request whose name somebody else has in the overlay. */
  refuseName(request: CertificateRequest, user: string): Uint8Array {
    return this.refuse(request, 'username_not_available', takenText(user));
  }

  /** The answer to a request whose name another inviter keeps. */
  refuseKept(request: CertificateRequest, user: string): Uint8Array {
    return this.refuse(request, 'username_not_available', keptText(user));
  }

  /** The answer to a request whose name may be somebody else's, as long as the overlay cannot be asked: to be made again soon. */
  refuseNow(request: CertificateRequest, user: string): Uint8Array {
    const text = `whether ${user} is free cannot be known now: try again in a moment`;
    return this.refuse(request, 'cannot_write', text);
  }

  /** A host has shown itself as a member over a link: its installation did not fail, and its name is its own. */
  sawMember({ nodeId: hit, user, certificate, issuer }: VerifiedPeer, wallNow: number): void {
    const { notBefore: issuedAt, notAfter: expiresAt } = certificate;
    this.components.register.noteMembers([{ hit, user, issuedAt, expiresAt, issuer }], wallNow);
  }

  /**
   * A host has said that it leaves: others may have its name.
   * @param user the name that it gave back; absent: whichever it has.
   * @returns whether the register knew it under that name.
   */
  sawLeaving(hit: Hit, leftAt: number, user?: string): boolean {
    return this.components.register.release(hit, leftAt, user);
  }

  /** The name that the request takes for itself though the register has it for others, who may have given it back. */
  takenName(request: CertificateRequest, wallNow: number): string | undefined {
    try {
      this.components.register.consider(this.redemptionOf(request, wallNow));
      return undefined;
    } catch (error) {
      if (isRefusal(error)) return error instanceof NameTakenError ? error.user : undefined;
      throw error;
    }
  }

  /**
   * A new certificate for the key and the user that a certificate of the overlay names, in force or expired: without a request,
   * since it is of no use to anyone but the holder of the key. A host that was renamed here has its new name.
   * @returns DER: the certificate, behind it that of the inviter when this is one.
   * @throws {EnrollmentError | CertificateError} when the host is revoked, or its certificate proves nothing here.
   */
  renew(chain: readonly Uint8Array[], wallNow: number): Uint8Array[] {
    const { issuer, register, trust, lifetimeMs, random } = this.components;
    const { nodeId: hit, spki } = trust.verify(chain, wallNow);
    const shown = this.shownBy(hit, chain, wallNow);
    this.checkLetIn(hit, chain, wallNow);
    const redemption = { hit, user: null, code: null, shown, issuer: this.ownIssuer, wallNow };
    const { user } = register.redeem(redemption, wallNow + lifetimeMs());
    return issuer.issue(spki, user, wallNow, random, { lifetimeMs: lifetimeMs() });
  }

  /** @throws {CertificateError} when the name is not one of the overlay or the key is no host identity. */
  private issueFor(request: CertificateRequest, user: string | null, wallNow: number): Uint8Array {
    const { issuer, configuration, secret, lifetimeMs, random } = this.components;
    const certificates = issuer.issue(request.spki, user, wallNow, random, { lifetimeMs: lifetimeMs() });
    const document = configuration();
    if (document.length > MAX_CONFIGURATION_BYTES) throw new RangeError('the overlay configuration is too long');
    return this.signed(request, {
      issued: true,
      certificates: [...certificates, issuer.root],
      secret: secret(),
      configuration: document,
    });
  }

  private refuse(request: CertificateRequest, refusal: EnrollmentRefusal, text: string): Uint8Array {
    const { intermediate, root } = this.components.issuer;
    const certificates = intermediate === undefined ? [root] : [intermediate, root];
    return this.signed(request, { issued: false, certificates, refusal, text });
  }

  private signed({ bytes }: CertificateRequest, answer: EnrollmentAnswer): Uint8Array {
    const { issuer } = this.components;
    return encodeEnrollmentAnswer(answer, (unsigned) =>
      issuer.sign(answerSignatureInput(issuer.overlay, bytes, unsigned)),
    );
  }

  private answered(request: CertificateRequest, answer: () => Uint8Array): Uint8Array {
    try {
      return answer();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return this.refuse(request, error instanceof EnrollmentError ? error.refusal : 'bad_csr', error.message);
    }
  }

  /** @throws {EnrollmentError | MalformedMessageError | CertificateError} */
  private redemptionOf({ bytes, spki }: CertificateRequest, wallNow: number): Redemption {
    const { issuer, trust } = this.components;
    const request = decodeEnrollmentRequest(bytes);
    const hit = hitOfSpki(spki);
    if (!verifySignature(spki, signatureInput(issuer.overlay, request), request.signature))
      throw new EnrollmentError('bad_csr', 'the request was not signed by the key that it is for');
    if (trust.isRevoked(hit))
      throw new EnrollmentError(
        'failed_authentication',
        'this key was revoked: make a new one and ask for a new ticket',
      );
    const { code } = request;
    if (code === null) this.checkLetIn(hit, request.certificates, wallNow);
    return {
      hit,
      user: request.user,
      code: code && {
        id: code.id,
        isProvenBy: (key) => equalSecrets(codeProof(key, issuer.overlay, spki, request.user), code.proof),
      },
      shown: this.shownBy(hit, request.certificates, wallNow),
      issuer: this.ownIssuer,
      wallNow,
    };
  }

  /**
   * What certificates of the overlay prove of their key, in force or expired. One of an inviter whose right was withdrawn proves
   * nothing to whoever does not know its host: with a stolen key it can have been made for anyone.
   */
  private shownBy(hit: Hit, chain: readonly Uint8Array[], wallNow: number): Redemption['shown'] {
    const { trust } = this.components;
    if (chain.length === 0 || trust.mode === 'open') return null;
    const { nodeId, member, lapsed, issuer, certificate } = trust.verify(chain, wallNow);
    const isIssued = member || lapsed;
    if (!isIssued || nodeId !== hit || (issuer !== null && !trust.isInviter(issuer))) return null;
    const { user, notBefore: issuedAt, notAfter: expiresAt } = certificate;
    return { user, issuedAt, expiresAt, issuer };
  }

  /**
   * Who renews without a ticket is a member by the word of whoever let it in. Where that was an inviter which may not invite any
   * more, its word counts for hosts that were known here before its right ended, and for no others: with its key anyone can make
   * certificates, also such that inviters who have not heard of it yet take for good.
   * @throws {EnrollmentError} when it does not count.
   */
  private checkLetIn(hit: Hit, chain: readonly Uint8Array[], wallNow: number): void {
    const { trust, register } = this.components;
    if (trust.mode === 'open') return;
    const known = register.member(hit);
    const issuer = known === undefined ? this.issuerOf(hit, chain, wallNow) : known.issuer;
    if (issuer === undefined || issuer === null || trust.isInviter(issuer)) return;
    const ended = trust.rightEndedAt(issuer);
    if (known !== undefined && (ended === undefined || known.knownSince === undefined || known.knownSince < ended))
      return;
    throw new EnrollmentError(
      'failed_authentication',
      `this key is no member: ${hitToAddress(issuer)}, which let it in, may not invite any more, and was alone to know it: a new ticket is needed`,
    );
  }

  /** Who made the certificate of this key; undefined: it is none of the overlay. */
  private issuerOf(hit: Hit, chain: readonly Uint8Array[], wallNow: number): Hit | null | undefined {
    if (chain.length === 0) return undefined;
    const { nodeId, member, lapsed, issuer } = this.components.trust.verify(chain, wallNow);
    return nodeId === hit && (member || lapsed) ? issuer : undefined;
  }

  /** As certificates tell of it. */
  private get ownIssuer(): Hit | null {
    const { issuer } = this.components;
    return issuer.intermediate === undefined ? null : issuer.hit;
  }
}

function isRefusal(error: unknown): error is Error {
  return (
    error instanceof EnrollmentError || error instanceof MalformedMessageError || error instanceof CertificateError
  );
}

/**
 * A request for a certificate.
 * @param options.code the ticket's; null renews a membership that this key has.
 * @param options.user the wanted user name; null: what the ticket or the earlier membership says. Another one renames.
 * @param options.certificates DER, the host's own first: what it has from the overlay, also when it has ended. It then need not
 * be known to the inviter that is asked.
 */
export function enrollmentRequest(
  identity: HostIdentity,
  options: {
    readonly overlay: string;
    readonly code: Uint8Array | null;
    readonly user: string | null;
    readonly certificates?: readonly Uint8Array[];
  },
): Uint8Array {
  const { overlay, user, certificates = [] } = options;
  const secret = options.code === null ? null : secretOfCode(options.code);
  const code = secret && { id: secret.id, proof: codeProof(secret.key, overlay, identity.spki, user) };
  const signature = identity.sign(signatureInput(overlay, { user, code, certificates }));
  return encodeEnrollmentRequest({ user, code, certificates, signature });
}

export interface Membership {
  readonly certificate: NodeCertificate;
  /** DER: the host's own, that of the inviter if one issued it, the authority's. */
  readonly certificates: readonly Uint8Array[];
  /** The overlay configuration document; its own signature is not checked here. */
  readonly configuration: Uint8Array;
  /** The overlay's rendezvous secret. */
  readonly secret: Uint8Array | null;
}

/** What was asked, of whom. */
export interface Asked {
  readonly overlay: string;
  /** SHA-256 of the authority's DER SubjectPublicKeyInfo, from the ticket. */
  readonly authority: Uint8Array;
  /** Of the ticket: beside the authority, nobody else may refuse. */
  readonly inviter: Hit;
  /** As it was sent. */
  readonly request: Uint8Array;
}

/**
 * Reads the answer to `enrollmentRequest`: any member may have carried it. The certificate was made just now, whatever the
 * clock of this host says.
 * @throws {EnrollmentError} when the inviter refused; with `cannot_write` it may not do so later.
 * @throws {CertificateError} when the certificate is not one of the ticket's overlay for this identity, or the answer is not
 * proven to be of who may give it: another one may come yet.
 * @throws {MalformedMessageError}
 */
export function acceptEnrollmentAnswer(answerBytes: Uint8Array, identity: HostIdentity, asked: Asked): Membership {
  const signed = decodeEnrollmentAnswer(answerBytes);
  const { answer } = signed;
  const { overlay, authority } = asked;
  const root = answer.certificates.at(-1);
  if (root === undefined) throw new CertificateError("the answer holds no certificate of the overlay's authority");
  const trust = new TrustStore({ overlay, mode: 'invite', authority, authorityCertificate: root });
  if (!answer.issued) {
    if (isSignedBy(refuserOf(answer.certificates, trust, asked), signed, asked))
      throw new EnrollmentError(answer.refusal, `refused: ${answer.text}`);
    throw new CertificateError(`somebody who may not refuse says: ${answer.text}`);
  }
  const { certificate, member, issuer, der } = trust.verify(answer.certificates, 0, { anyTime: true });
  if (!member || !equalBytes(certificate.spki, identity.spki))
    throw new CertificateError('the answer holds a certificate of another key');
  const inviter = issuer === null ? undefined : trust.issuerCertificate(issuer);
  if (!isSignedBy(parseCertificate(inviter ?? root).spki, signed, asked))
    throw new CertificateError('the answer was changed on its way');
  return {
    certificate,
    certificates: [der, ...(inviter === undefined ? [] : [inviter]), root],
    configuration: answer.configuration.slice(),
    secret: answer.secret === null ? null : answer.secret.slice(),
  };
}

/** The key of who refuses, if it may: the authority's, or the ticket's inviter's. */
function refuserOf(
  [first, ...others]: readonly Uint8Array[],
  trust: TrustStore,
  { inviter }: Asked,
): Uint8Array | undefined {
  if (first === undefined) return undefined;
  if (others.length === 0) return parseCertificate(first).spki;
  const granted = trust.learnIssuer(first);
  return granted?.nodeId === inviter ? granted.spki : undefined;
}

function isSignedBy(
  spki: Uint8Array | undefined,
  { unsigned, signature }: SignedEnrollmentAnswer,
  { overlay, request }: Asked,
): boolean {
  return spki !== undefined && verifySignature(spki, answerSignatureInput(overlay, request, unsigned), signature);
}

/** What an answer says to the newcomer, for the log of who gives it. Never throws. */
export function outcomeOf(answerBytes: Uint8Array): { readonly admitted: boolean; readonly reason?: string } {
  try {
    const { answer } = decodeEnrollmentAnswer(answerBytes);
    return answer.issued ? { admitted: true } : { admitted: false, reason: answer.text };
  } catch (error) {
    return { admitted: false, reason: messageOf(error) };
  }
}
