import { equalBytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { IdlocError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { RendezvousMode } from '../config/overlay-configuration.ts';
import { exportAuthority, importAuthority } from '../identity/authority-export.ts';
import type { Membership as Enrolled } from '../identity/enrollment.ts';
import { EnrollmentError } from '../identity/errors.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import { checkNewOverlayName } from '../identity/new-overlay-name.ts';
import { isMemberLabel } from '../identity/names.ts';
import type { KeyStore } from '../identity/key-store.ts';
import type { StateDirectory } from '../identity/state-directory.ts';
import type { Ticket } from '../identity/ticket.ts';
import { Lifecycle, type MembershipState } from '../membership/lifecycle.ts';
import { readLeftMark, removeLeftMark, writeLeftMark } from './left-mark.ts';
import {
  adoptMembership,
  checkUserFree,
  createMembership,
  loadMembership,
  restoreAuthority,
  type Membership,
} from './membership.ts';
import { userName } from './newcomer.ts';
import type { LifeHandlers } from './operations.ts';
import { keptSettings } from './kept-settings.ts';
import {
  decide,
  expiredHere,
  isTicketOf,
  otherOverlay,
  readTicket,
  readWish,
  usable,
  type Belonging,
  type Wish,
} from './wish.ts';

/** `.internal` is never delegated in the DNS. */
const PRIVATE_SUFFIX = 'internal';
const PRIVATE_NAME = /^[0-9a-f]{10}\.internal$/;
/** Two machines of one image have one host name. */
const CHOOSE_ANOTHER = '`idloc join TICKET --name NAME`, or `name = "NAME"` in the configuration of the service';
const RENDEZVOUS_OFF = 'members meet through BitTorrent only after `idloc overlay --rendezvous mainline`';
/** What a host keeps when it leaves. */
const IDENTITY_FILE = 'identity.pem';
const LEFT_FILE = 'left';
const MEMBERSHIP_FILE = 'certificate.pem';

/** What a life stands on. */
export interface AnyGround {
  close(): void;
}

export interface AnyLife {
  readonly membership: Membership;
  readonly handlers: LifeHandlers;
  readonly addressed: Promise<void>;
  readonly ipv4: string | undefined;
  /** Nobody else lets hosts in, and there are others. */
  readonly isOnlyInviter: boolean;
  stop(): Promise<void>;
  /** Stops for good. @returns whether name and address are free for others now. */
  leave(): Promise<boolean>;
}

/** How lives are made: with sockets in the agent, without in tests. */
export interface LifeMaker<G extends AnyGround> {
  /** @throws {IdlocError} when a privilege is missing. */
  open(): G;
  /**
   * @param user the name to ask for; null: none.
   * @param lifecycle moves between invited and enrolling.
   * @throws {IdlocError} when nobody lets us in.
   */
  enroll(ground: G, ticket: Ticket, user: string | null, lifecycle: Lifecycle): Promise<Enrolled>;
  /** The life owns the ground, and moves the lifecycle on from `member`. */
  live(ground: G, membership: Membership, given: Given): AnyLife;
}

/** What a life is given beside its membership. */
export interface Given {
  /** The one that it began with. */
  readonly ticket: Ticket | undefined;
  readonly lifecycle: Lifecycle;
  /** Calls it off. */
  readonly onLost: (error: Error) => void;
}

export interface LivesComponents<G extends AnyGround> {
  readonly config: AgentConfig;
  readonly state: StateDirectory;
  readonly store: KeyStore;
  readonly identity: HostIdentity;
  readonly maker: LifeMaker<G>;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the agent is busy with, where it lives in no overlay. */
export type Between = 'starting' | 'enrolling' | 'left' | 'stopping';

export interface Entered {
  readonly overlay: string;
  readonly name: string | null;
  readonly changed: boolean;
  /** Where members find each other beside the LAN. */
  readonly rendezvous: RendezvousMode;
}

export interface Left {
  readonly overlay: string;
  /** Where its files are now. */
  readonly files: string;
  /** All who let hosts in know that name and address are free for others now. */
  readonly givenBack: boolean;
}

/**
 * The one overlay that the host is in, one after the other.
 *
 * `Lifecycle` says what it is there: begun as invited, a host comes to be a member, leaves, and goes into the next overlay; from
 * one to the other without leaving only where the first is one of its own.
 *
 * What fails on the way leaves the host where it was. One change at a time.
 */
export class Lives<G extends AnyGround> {
  private readonly components: LivesComponents<G>;
  private readonly tools: { readonly random: Random; readonly clock: Clock };
  private readonly lost = Promise.withResolvers<never>();
  private readonly lifecycle = new Lifecycle();
  private life: AnyLife | undefined;
  private entering = false;
  private changing = false;
  private stopping = false;
  private wish: Wish = readWish({ join: null, overlay: null });

  constructor(components: LivesComponents<G>) {
    this.components = components;
    this.tools = { random: components.random, clock: components.clock };
    this.lost.promise.catch(() => {});
  }

  /** What the host is to its overlay, or to the one that it wants to be in. */
  get state(): MembershipState {
    return this.lifecycle.state;
  }

  /** Undefined: there is a life. */
  get between(): Between | undefined {
    if (this.life !== undefined) return undefined;
    if (this.stopping) return 'stopping';
    if (this.entering) return 'enrolling';
    return this.state === 'left' ? 'left' : 'starting';
  }

  get current(): AnyLife | undefined {
    return this.life;
  }

  /** Rejects when the agent cannot go on. */
  get ended(): Promise<never> {
    return this.lost.promise;
  }

  /**
   * The first life, or none.
   * @throws {IdlocError} when the host is in no overlay and cannot get into the one that is wished.
   */
  async begin(wish: Wish): Promise<void> {
    const { state, logger } = this.components;
    this.wish = wish;
    const left = readLeftMark(state);
    let membership = this.load();
    if (membership !== undefined && left?.overlay === membership.configuration.overlay) {
      // Stopped on its way out.
      this.setAside(left.overlay);
      membership = undefined;
    }
    const decision = decide(wish, membership && belongingOf(membership), left);
    switch (decision.do) {
      case 'wait':
        this.lifecycle.move('left');
        logger.info('in no overlay', { left: left?.overlay, hint: 'idloc join TICKET, or idloc create OVERLAY' });
        return;
      case 'live':
        if (decision.instead !== undefined) logger.error('settings not followed', { why: decision.instead });
        if (membership !== undefined) this.live(this.components.maker.open(), membership, undefined);
        return;
      case 'join':
        await this.beginWith(decision.ticket, membership);
        return;
      case 'create':
        await this.enter(() => this.found(decision.overlay, membership), undefined);
    }
  }

  /**
   * @param name a host name in the overlay, one label; undefined: as the ticket or the settings say.
   * @throws {IdlocError} when it stays where it is.
   */
  async join(text: string, name?: string): Promise<Entered> {
    return this.change(async () => {
      const ticket = readTicket(text);
      const before = this.life?.membership;
      if (before !== undefined && isTicketOf(ticket, belongingOf(before))) return this.entered(false);
      const good = usable(ticket);
      this.checkFree(before, good.overlay);
      const user = this.userFor(good, name);
      await this.replace((ground) => this.becomeMember(ground, good, user, before), good);
      return this.entered(true);
    });
  }

  /** @throws {IdlocError} when it stays where it is. */
  async create(overlay: string, rendezvous?: RendezvousMode): Promise<Entered> {
    return this.change(async () => {
      checkNewOverlayName(overlay);
      const before = this.life?.membership;
      if (before?.configuration.overlay === overlay) return this.entered(false);
      this.checkFree(before, overlay);
      await this.replace(() => this.found(overlay, before, rendezvous), undefined);
      return this.entered(true);
    });
  }

  /**
   * The identity stays, and so does the agent; name and address are given back. The files of the membership are moved aside, with
   * the authority's key.
   * @throws {IdlocError} when others are left behind whom nobody could renew, and `force` is not given.
   */
  async leave({ force }: { readonly force: boolean }): Promise<Left> {
    return this.change(async () => {
      const { life } = this;
      if (life === undefined) throw new IdlocError('no_overlay', 'this host is in no overlay');
      const { overlay } = life.membership.configuration;
      if (life.isOnlyInviter && !force)
        throw new IdlocError(
          'only_inviter',
          `nobody else lets others into ${overlay} and renews their certificates: \`idloc grant NAME invite\` first, or \`idloc leave --force\``,
        );
      writeLeftMark(this.components.state, { overlay, settings: this.wish.digest });
      this.life = undefined;
      const givenBack = await life.leave();
      this.lifecycle.move('left');
      const files = this.setAside(overlay);
      this.components.logger.info('left', { overlay, files, givenBack });
      return { overlay, files, givenBack };
    });
  }

  /**
   * What makes this host the founder, for a safe place.
   * @throws {IdlocError} when the authority is not here, or the passphrase is too short.
   */
  async exportAuthority(passphrase: string): Promise<{ overlay: string; text: string }> {
    const { founder, configuration, document, secret } = this.life?.membership ?? {};
    if (founder === undefined || configuration === undefined || document === undefined)
      throw new IdlocError('no_authority', "the overlay's authority is not on this host: export it where it is");
    const { authority, register } = founder;
    const contents = { authority, register, configuration: document, secret: secret ?? null };
    return {
      overlay: configuration.overlay,
      text: await exportAuthority(contents, passphrase, this.components.random),
    };
  }

  /**
   * Makes this host the founder of the overlay of an export; one that is no member yet becomes one.
   * @throws {IdlocError} when it stays what it is.
   */
  async importAuthority(text: string, passphrase: string): Promise<Entered> {
    return this.change(async () => {
      const { store, identity, config } = this.components;
      const contents = await importAuthority(text, passphrase);
      const { overlay, fingerprint } = contents.authority;
      const before = this.life?.membership;
      const same = before !== undefined && equalBytes(before.authority, fingerprint);
      if (same && before.founder !== undefined) return this.entered(false);
      if (!same) this.checkFree(before, overlay);
      const user = same ? null : userName(config, overlay);
      checkUserFree(contents, identity, user);
      await this.replace(() => {
        if (!same) this.makeRoom(before);
        const member = same ? before : undefined;
        return Promise.resolve(restoreAuthority(store, identity, { contents, member, user }, this.tools));
      }, undefined);
      return this.entered(true);
    });
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.end();
  }

  private checkFree(before: Membership | undefined, wanted: string): void {
    if (before !== undefined && !belongingOf(before).disposable)
      throw otherOverlay(before.configuration.overlay, wanted);
  }

  /** One at a time: the second is told so. */
  private async change<T>(action: () => Promise<T>): Promise<T> {
    if (this.changing || this.entering || this.stopping)
      throw new IdlocError('busy', 'the agent is on its way into another overlay: try again in a moment');
    this.changing = true;
    try {
      return await action();
    } finally {
      this.changing = false;
    }
  }

  /** Out of the overlay that the host is in, into the next; back again when that fails. */
  private async replace(arrive: (ground: G) => Promise<Membership>, ticket: Ticket | undefined): Promise<void> {
    await this.end();
    try {
      await this.enter(arrive, ticket);
    } catch (error) {
      if (!this.stopping) this.resume();
      throw error;
    }
  }

  private async enter(arrive: (ground: G) => Promise<Membership>, ticket: Ticket | undefined): Promise<void> {
    const ground = this.components.maker.open();
    let membership: Membership;
    this.entering = true;
    this.lifecycle.move('invited');
    try {
      membership = await arrive(ground);
    } catch (error) {
      ground.close();
      throw error;
    } finally {
      this.entering = false;
    }
    this.live(ground, membership, ticket);
  }

  /** What the state directory says, once more. */
  private resume(): void {
    // Unless there is a membership: where it failed may be after the old one was moved aside.
    this.lifecycle.move('left');
    try {
      const membership = this.load();
      if (membership !== undefined) this.live(this.components.maker.open(), membership, undefined);
    } catch (error) {
      this.lost.reject(error);
    }
  }

  private live(ground: G, membership: Membership, ticket: Ticket | undefined): void {
    const { maker, config, logger } = this.components;
    for (const kept of keptSettings(config, membership)) logger.warn('setting not followed', { why: kept });
    const { lifecycle } = this;
    lifecycle.move('member');
    try {
      this.life = maker.live(ground, membership, { ticket, lifecycle, onLost: (error) => this.lost.reject(error) });
    } catch (error) {
      lifecycle.move('left');
      ground.close();
      throw error;
    }
  }

  private async end(): Promise<void> {
    const { life } = this;
    this.life = undefined;
    await life?.stop();
    this.lifecycle.move('left');
  }

  /** By a ticket of the settings. */
  private async beginWith(ticket: Ticket, before: Membership | undefined): Promise<void> {
    const { maker, clock, logger } = this.components;
    const user = this.userFor(ticket);
    try {
      await this.enter((ground) => this.becomeMember(ground, ticket, user, before), ticket);
    } catch (error) {
      const stays = before !== undefined && expiredHere(ticket, clock.wall()) !== undefined;
      if (!stays || (error instanceof IdlocError && error.code === 'stopped')) throw error;
      // An old ticket may stand in the settings for ever.
      const { overlay } = before.configuration;
      logger.error('settings not followed', { why: `${messageOf(error)}: this host stays in ${overlay}` });
      this.live(maker.open(), before, undefined);
    }
  }

  /** @throws {IdlocError} `bad_user`. */
  private userFor(ticket: Ticket, name?: string): string | null {
    const { overlay } = ticket;
    if (name !== undefined && !isMemberLabel(name))
      throw new IdlocError('bad_user', `${name} is no host name in ${overlay}: use a-z, 0-9 and -, at most 63`);
    const wanted = name === undefined ? undefined : `${name}@${overlay}`;
    if (ticket.user !== null && wanted !== undefined && wanted !== ticket.user)
      throw new IdlocError('bad_user', `the ticket is for ${ticket.user}: join without --name, or ask for another`);
    return ticket.user ?? wanted ?? userName(this.components.config, overlay);
  }

  private async becomeMember(
    ground: G,
    ticket: Ticket,
    user: string | null,
    before: Membership | undefined,
  ): Promise<Membership> {
    const { maker, store, clock, logger } = this.components;
    const doubt = expiredHere(ticket, clock.wall());
    if (doubt !== undefined) logger.warn('old ticket', { why: doubt });
    const enrolled = await maker.enroll(ground, ticket, user, this.lifecycle).catch((error: unknown) => {
      if (!(error instanceof EnrollmentError) || error.refusal !== 'username_not_available') throw error;
      throw new EnrollmentError(error.refusal, `${error.message}: ${CHOOSE_ANOTHER}`, { cause: error });
    });
    this.makeRoom(before);
    return adoptMembership(store, enrolled, this.tools);
  }

  private found(
    wanted: string | undefined,
    before: Membership | undefined,
    rendezvous = this.components.config.rendezvous ?? 'none',
  ): Promise<Membership> {
    const { config, store, identity, random, logger } = this.components;
    const overlay = wanted ?? `${Buffer.from(random.bytes(5)).toString('hex')}.${PRIVATE_SUFFIX}`;
    // What can be refused is asked for before anything is set aside.
    checkNewOverlayName(overlay);
    const { ipv4Prefix, certificateLifetimeS } = config;
    const options = { overlay, user: userName(config, overlay), ipv4Prefix, certificateLifetimeS, rendezvous };
    const hint = rendezvous === 'none' && wanted !== undefined ? { hint: RENDEZVOUS_OFF } : {};
    logger.info('creating overlay', { overlay, rendezvous, ...hint });
    this.makeRoom(before);
    return Promise.resolve(createMembership(store, identity, options, this.tools));
  }

  /** For the files of another membership. */
  private makeRoom(before: Membership | undefined): void {
    if (before !== undefined) this.setAside(before.configuration.overlay);
    removeLeftMark(this.components.state);
  }

  private setAside(overlay: string): string {
    const { state } = this.components;
    return state.setAside(`left-${overlay}`, { kept: [IDENTITY_FILE, LEFT_FILE], first: MEMBERSHIP_FILE });
  }

  private load(): Membership | undefined {
    return loadMembership(this.components.store, this.components.identity, this.tools);
  }

  private entered(changed: boolean): Entered {
    const { membership } = this.life ?? {};
    if (membership === undefined) throw new IdlocError('no_overlay', 'this host is in no overlay');
    return {
      overlay: membership.configuration.overlay,
      name: membership.user?.replace('@', '.') ?? null,
      changed,
      rendezvous: membership.configuration.rendezvous,
    };
  }
}

function belongingOf({ configuration, authority, founder }: Membership): Belonging {
  const { overlay } = configuration;
  const disposable = PRIVATE_NAME.test(overlay) && founder?.register.memberList().length === 1;
  return { overlay, authority, disposable };
}
