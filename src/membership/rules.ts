import { equalBytes } from '../base/bytes.ts';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { signOverlayConfiguration } from '../config/overlay-configuration-writer.ts';
import type { OverlayAuthority } from '../identity/authority.ts';
import { parseCertificate } from '../identity/certificate.ts';
import type { EnrollmentServer } from '../identity/enrollment.ts';
import { CertificateError, EnrollmentError } from '../identity/errors.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import { Inviter, type Issuer } from '../identity/issuer.ts';
import { hitOfSpki } from '../identity/orchid.ts';
import { signRevocation, verifyRevocation } from '../identity/revocation.ts';
import { type TrustStore, validityOf } from '../identity/trust-store.ts';
import type { Inviting, MembershipRules, OwnCertificate, Renewed } from './ports.ts';

export interface RulesComponents {
  readonly identity: HostIdentity;
  readonly trust: TrustStore;
  /** DER: the authority's certificate. */
  readonly root: Uint8Array;
  /** Answers newcomers in the name of an issuer; its register is this host's. */
  readonly enrollmentBy: (issuer: Issuer) => EnrollmentServer;
  readonly random: Random;
  /** Of the certificates that this host issues. */
  readonly lifetimeMs: () => number;
}

/** The rules of a membership where certificates are RELOAD's (RFC 6940 s11.3) and the trust store knows the overlay's authority. */
export function rulesOf(components: RulesComponents): MembershipRules {
  const { identity, trust, root } = components;
  return {
    readOwn: (chain, wallNow) => {
      // It was made just now, whatever the clock of this host says.
      const { certificate, spki } = trust.verifyMember(chain, wallNow, { anyTime: true });
      if (!equalBytes(spki, identity.spki)) throw new CertificateError('the certificate is of another key');
      return ownCertificate([...withoutRoot(chain, root), root], certificate);
    },
    hasLapsed: ({ chain }, wallNow) => {
      try {
        const { lapsed, certificate } = trust.verify(chain, wallNow);
        // A clock that is slow takes a good certificate for one that is not valid yet: others know better.
        return lapsed && validityOf(certificate, wallNow) !== 'early';
      } catch {
        return false;
      }
    },
    learn: (kind, bytes) => {
      if (kind === 'grant') {
        const granted = trust.learnIssuer(bytes);
        return granted && { hit: granted.nodeId, user: null, at: granted.notBefore, byAuthority: true };
      }
      try {
        const revocation = verifyRevocation(bytes, trust);
        trust.apply(revocation);
        const { hit, user, revokedAt: at, by } = revocation;
        return { hit, user, at, byAuthority: by === null };
      } catch (error) {
        if (error instanceof CertificateError || error instanceof MalformedMessageError) return undefined;
        throw error;
      }
    },
    isRevoked: (hit) => trust.isRevoked(hit),
    inviters: () => trust.inviters(),
    distrust: (hit) => trust.revoke(hit),
    invitingBy: (grant) => {
      try {
        return invitingOf(new Inviter(identity, grant, root), components);
      } catch (error) {
        if (error instanceof CertificateError) return undefined;
        throw error;
      }
    },
  };
}

/** @param chain DER as it was kept: this host's own first, the root's last. */
export function ownCertificate(
  chain: readonly Uint8Array[],
  own = parseCertificate(chain[0] ?? EMPTY),
): OwnCertificate {
  const { user, notBefore, notAfter } = own;
  return { chain, user, issuedAt: notBefore, notAfter };
}

/** What a host may do with the authority's key, or with its own and the certificate that makes it an inviter. */
export function invitingOf(issuer: OverlayAuthority | Inviter, components: RulesComponents): Inviting {
  const { trust, random, lifetimeMs, enrollmentBy } = components;
  const enrollment = enrollmentBy(issuer);
  const issue = (spki: Uint8Array, user: string | null, wallNow: number): Uint8Array[] =>
    issuer.issue(spki, user, wallNow, random, { lifetimeMs: lifetimeMs() });
  return {
    isAuthority: !(issuer instanceof Inviter),
    enroll: (request, wallNow) => enrollment.handle(request, wallNow),
    chosenName: (request, wallNow) => {
      const user = enrollment.chosenName(request, wallNow);
      return user === undefined ? undefined : { hit: hitOfSpki(request.spki), user };
    },
    givenName: (request, wallNow) => {
      const user = enrollment.givenName(request, wallNow);
      return user === undefined ? undefined : { hit: hitOfSpki(request.spki), user };
    },
    failedHosts: (request, wallNow) => enrollment.failedHosts(request, wallNow),
    sawShown: (hit) => enrollment.sawShown(hit),
    refuseName: (request, user) => enrollment.refuseName(request, user),
    refuseKept: (request, user) => enrollment.refuseKept(request, user),
    refuseNow: (request, user) => enrollment.refuseNow(request, user),
    sawMember: (peer, wallNow) => enrollment.sawMember(peer, wallNow),
    takenName: (request, wallNow) => enrollment.takenName(request, wallNow),
    sawLeaving: (hit, leftAt, user) => enrollment.sawLeaving(hit, leftAt, user),
    renew: (chain, wallNow, checked) => renewed(chain, trust, wallNow, checked, enrollment),
    issueFor: issue,
    sawIssued: (chain, wallNow) => enrollment.sawMember(trust.verify(chain, wallNow), wallNow),
    sawRevoked: (revoked, wallNow) => enrollment.sawRevoked(revoked, wallNow),
    revocationOf: (hit, wallNow, user) =>
      signRevocation(issuer, {
        what: 'member',
        hit,
        user: user ?? enrollment.userOf(hit),
        revokedAt: Math.floor(wallNow),
        reason: '',
      }),
    grantFor: (spki, wallNow) => {
      if (issuer instanceof Inviter) throw new TypeError('an inviter cannot hand its right on');
      return issuer.grant(spki, wallNow, random);
    },
    signConfiguration: (configuration) => {
      if (issuer instanceof Inviter) throw new TypeError('an inviter cannot say what the overlay agrees on');
      return signOverlayConfiguration(configuration, issuer);
    },
  };
}

function renewed(
  chain: readonly Uint8Array[],
  trust: TrustStore,
  wallNow: number,
  checked: boolean,
  enrollment: EnrollmentServer,
): Renewed {
  try {
    const { lapsed, certificate, nodeId: hit } = trust.verify(chain, wallNow);
    const { user } = certificate;
    if (lapsed && user !== null && !checked) return { ok: 'ask', hit, user };
    return { ok: true, chain: enrollment.renew(chain, wallNow) };
  } catch (error) {
    if (error instanceof CertificateError || error instanceof EnrollmentError)
      return { ok: false, why: messageOf(error) };
    throw error;
  }
}

function withoutRoot(chain: readonly Uint8Array[], root: Uint8Array): readonly Uint8Array[] {
  return chain.filter((der) => !equalBytes(der, root));
}

const EMPTY = new Uint8Array();
