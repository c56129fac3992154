import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { readOverlayConfiguration } from '../config/overlay-configuration-reader.ts';
import { EnrollmentServer } from '../identity/enrollment.ts';
import type { EnrollmentRegister } from '../identity/enrollment-register.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { KeyStore } from '../identity/key-store.ts';
import type { Lifecycle } from '../membership/lifecycle.ts';
import { Membership } from '../membership/membership.ts';
import { invitingOf, ownCertificate, type RulesComponents, rulesOf } from '../membership/rules.ts';
import type { Membership as StoredMembership } from './membership.ts';

export interface MemberComponents {
  readonly store: KeyStore;
  readonly identity: HostIdentity;
  /** A member's. */
  readonly lifecycle: Lifecycle;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the certificates that this host issues, where it may; undefined: as the configuration says. */
  readonly lifetimeMs?: number | undefined;
}

export interface MemberMachine {
  readonly membership: Membership;
  /** Whom this host has let in, and its tickets; empty where it never could. */
  readonly register: EnrollmentRegister;
}

/** The machine that keeps what the state directory holds of a membership. */
export function memberOf(stored: StoredMembership, components: MemberComponents): MemberMachine {
  const { store, identity, lifecycle, random, clock, logger, lifetimeMs } = components;
  const { authority, configuration, document, certificates, trust, secret, founder } = stored;
  const { overlay } = configuration;
  const register = founder?.register ?? store.loadRegister(overlay);
  const lifetime = (): number => lifetimeMs ?? membership.configuration.certificateLifetimeS * 1000;
  const rules: RulesComponents = {
    identity,
    trust,
    root: certificates.at(-1) ?? new Uint8Array(),
    enrollmentBy: (issuer) =>
      new EnrollmentServer({
        issuer,
        register,
        trust,
        configuration: () => membership.document,
        secret: () => secret,
        lifetimeMs: lifetime,
        random,
        onReplaced: (replacement) => membership.office.replace(replacement, clock.monotonic()),
      }),
    random,
    lifetimeMs: lifetime,
  };
  const membership: Membership = new Membership(
    {
      self: identity.hit,
      spki: identity.spki,
      rules: rulesOf(rules),
      store,
      lifecycle,
      random,
      clock,
      logger,
      readConfiguration: (bytes) => readOverlayConfiguration(bytes, { overlay, authority }),
    },
    {
      own: ownCertificate(certificates),
      document,
      records: store.loadRecords(),
      inviting: founder === undefined ? undefined : invitingOf(founder.authority, rules),
    },
  );
  register.onWaiting(() => {
    membership.gather('register', (done) => register.writeSoon(done), clock.monotonic());
  });
  return { membership, register };
}
