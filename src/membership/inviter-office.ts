import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { RevokedHost } from '../identity/enrollment-register.ts';
import type { Replacement } from '../identity/enrollment.ts';
import type { Reserve } from '../overlay/reservations.ts';
import { MAX_LEAVING_SKEW_MS } from './constants.ts';
import type { EnrollmentDeskPorts } from './enrollment-desk.ts';
import type { Inviting, MembershipRules } from './ports.ts';
import type { SpreadRecord } from './spreading-message.ts';

export interface InviterOfficePorts {
  readonly isRevoked: (hit: Hit) => boolean;
  /** Statements for all members. */
  readonly publish: (kind: SpreadRecord['kind'], records: readonly Uint8Array[], now: number) => void;
  /** A certificate for this host itself. @returns whether it is in force now. */
  readonly take: (chain: readonly Uint8Array[], now: number) => boolean;
  /** Brings another host a certificate. */
  readonly deliver: (
    hit: Hit,
    chain: readonly Uint8Array[],
    now: number,
    done: (taken: boolean, now: number) => void,
  ) => void;
  readonly holdersOf: EnrollmentDeskPorts['holdersOf'];
  /** Keeps a name in the overlay. */
  readonly reserve: Reserve;
  /** A host has left, and this inviter knows: its name is nobody's. */
  readonly left: (hit: Hit, now: number) => void;
}

/** The right to invite, where this host has it, and what it does by it. */
export class InviterOffice {
  private readonly self: Hit;
  private readonly rules: MembershipRules;
  private readonly ports: InviterOfficePorts;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private right: Inviting | undefined;

  /** @param right where the authority's key is. */
  constructor(
    components: {
      readonly self: Hit;
      readonly rules: MembershipRules;
      readonly ports: InviterOfficePorts;
      readonly clock: Clock;
      readonly logger: Logger;
    },
    right: Inviting | undefined,
  ) {
    this.self = components.self;
    this.rules = components.rules;
    this.ports = components.ports;
    this.clock = components.clock;
    this.logger = components.logger;
    this.right = right;
  }

  /** Undefined where this host may not invite. */
  get inviting(): Inviting | undefined {
    const counts = this.right?.isAuthority === true || this.rules.inviters().includes(this.self);
    return counts ? this.right : undefined;
  }

  /** Other hosts that may invite. */
  get others(): readonly Hit[] {
    return this.rules.inviters().filter((hit) => hit !== this.self);
  }

  /** All that may invite, this host too when it may. */
  get inviters(): readonly Hit[] {
    return this.inviting === undefined ? this.others : [this.self, ...this.others];
  }

  /** Without this host nobody lets others in and renews their certificates. */
  get isOnlyInviter(): boolean {
    return this.inviting !== undefined && this.others.length === 0;
  }

  /** Others ask whom they know to be inviters: who has the authority's key is one like all of them. */
  get isUnknownAuthority(): boolean {
    return this.inviting?.isAuthority === true && !this.rules.inviters().includes(this.self);
  }

  /** A record says that this host may invite. */
  granted(grant: Uint8Array): void {
    if (this.right?.isAuthority !== true) this.right = this.rules.invitingBy(grant);
  }

  /**
   * @param userOf the users of hosts, as far as this inviter's own register may not know them.
   * @throws {TypeError} without the right to.
   */
  revoke(hits: readonly Hit[], now: number, userOf: (hit: Hit) => string | null = () => null): void {
    const right = this.rightToInvite();
    const wallNow = this.clock.wall();
    const members = hits.filter((hit) => !this.ports.isRevoked(hit));
    this.ports.publish(
      'revocation',
      members.map((hit) => right.revocationOf(hit, wallNow, userOf(hit))),
      now,
    );
  }

  /** A newcomer has taken the place of hosts: of those that the register knows, or of all others of its user. */
  replace({ newcomer, user, replaced, replacesUser }: Replacement, now: number): void {
    this.revoke(replaced, now);
    if (!replacesUser || user === null) return;
    this.ports.holdersOf(user, now, (hits, at) => {
      const others = (hits ?? []).filter((hit) => hit !== newcomer && hit !== this.self);
      if (this.inviting !== undefined) this.revoke(others, at);
    });
  }

  /** Keeps a name for one of these hosts. Where nobody else lets hosts in, the register alone says whose a name is. */
  readonly reserve: Reserve = (user, hits, now, done) => {
    if (this.isOnlyInviter) done('kept', now);
    else this.ports.reserve(user, hits, now, done);
  };

  /** @param spki DER SubjectPublicKeyInfo of the host's key. @throws {TypeError} without the right to. */
  grant(spki: Uint8Array, now: number): void {
    this.ports.publish('grant', [this.rightToInvite().grantFor(spki, this.clock.wall())], now);
  }

  /** Gives a member another name, if it can be reached. @throws {TypeError} without the right to. */
  rename(
    host: { readonly hit: Hit; readonly spki: Uint8Array },
    user: string,
    now: number,
    done: (renamed: boolean, now: number) => void,
  ): void {
    const chain = this.rightToInvite().issueFor(host.spki, user, this.clock.wall());
    if (host.hit === this.self) {
      done(this.ports.take(chain, now), now);
      return;
    }
    this.ports.deliver(host.hit, chain, now, (taken, at) => {
      if (taken) this.inviting?.sawIssued(chain, this.clock.wall());
      done(taken, at);
    });
  }

  /** A host says that it leaves: the message is signed by it; said again later, it is too old. */
  sawLeaving(hit: Hit, leftAt: number, now: number): void {
    const { inviting } = this;
    if (inviting === undefined || Math.abs(this.clock.wall() - leftAt) > MAX_LEAVING_SKEW_MS) return;
    this.logger.info('a host leaves', { nodeId: hit });
    inviting.sawLeaving(hit, leftAt);
    this.ports.left(hit, now);
  }

  /** Whoever was thrown out is not to walk in again with what it has still: the ticket that it came with, most of all. */
  endTickets(revoked: readonly RevokedHost[]): void {
    const ended = this.inviting?.sawRevoked(revoked, this.clock.wall()) ?? 0;
    if (ended > 0) this.logger.info('tickets ended', { count: ended, nodeId: revoked.map(({ hit }) => hit) });
  }

  private rightToInvite(): Inviting {
    const { inviting } = this;
    if (inviting === undefined) throw new TypeError('this host may not invite');
    return inviting;
  }
}
