import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Standing } from '../mobility/standing.ts';
import { REPLICAS } from '../overlay/constants.ts';
import type { OverlayRole } from '../overlay/events.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';

// Implementation constants.

/** Between two looks; a change of addresses is looked at at once. */
const LOOK_MS = 15_000;
/** Others can come to this host for so long, without a break, before it holds up the overlay with them. */
const OPEN_MS = 180_000;
/** They cannot, for so long, before it hands over what it holds: a peer behind a NAT does its work as long as its links live. */
const CLOSED_MS = 300_000;
/** Added to both, at random: hosts that lose their addresses together do not change together. */
const SPREAD_MS = 60_000;
/** After an attempt that came to nothing. */
const RETRY_MS = 60_000;
const MAX_CHANGES = 3;
const CHANGES_WITHIN_MS = 3_600_000;
/** A role that was guessed follows the first answer that comes within this. */
const GUESS_MS = 60_000;
/**
 * A newcomer is a client for so long: many who come together are all in at once, and whoever goes again at once has cost nobody
 * a change of the ring. Where few peers hold the overlay, one more of them is worth more than that.
 */
const NEWCOMER_MS = 10_000;
const NEWCOMER_SPREAD_MS = 10_000;
const NEWCOMER_WANTED_MS = 2_000;
const NEWCOMER_WANTED_SPREAD_MS = 2_000;
/** A resource and its copies, and one peer more. */
const ENOUGH_PEERS = REPLICAS + 2;

const SEEN_OPEN = 'others see this host at its own address';

/** The node whose role it is: an OverlayNode. */
export type RoleNode = Pick<
  OverlayNode,
  'role' | 'state' | 'isChangingRole' | 'knownPeers' | 'mayBecomeClient' | 'becomePeer' | 'becomeClient'
>;

export interface RoleKeeperComponents {
  /** Undefined: it has no role now. */
  readonly node: () => RoleNode | undefined;
  readonly standing: (now: number) => Standing;
  readonly random: Random;
  readonly logger: Logger;
}

export interface RoleKeeperOptions {
  readonly role: OverlayRole | 'auto';
  /** Whoever created the overlay holds it up wherever it is. */
  readonly founder: boolean;
  /** We were in this overlay before. */
  readonly returning: boolean;
}

/**
 * Whether this host is still what it is: a peer where others can come to it, a client where they cannot.
 *
 *   client ──others can come for 3 min──> peer ──they cannot for 5 min, and two other peers are linked──> client
 *      └──a newcomer to whom others can come: for some seconds ──^
 *
 * At most three changes an hour. A first role that was decided before anybody had told how this host is seen is mended as soon
 * as somebody does.
 */
export class RoleKeeper implements Timed {
  private readonly components: RoleKeeperComponents;
  private readonly options: RoleKeeperOptions;
  private lookAt: number | undefined;
  /** What the situation asks for, and when it is to be. */
  private wanted: OverlayRole | undefined;
  private dueAt = 0;
  private changes: number[] = [];
  private guessedAt: number | undefined;
  /** A newcomer to whom others can come is a peer from then on: soon, where few peers are known. */
  private newcomer: { readonly soonAt: number; readonly at: number } | undefined;
  /** Its place in the ring was meant for it from the beginning: that it takes it is no change. */
  private isEntering = false;
  private why = '';

  constructor(components: RoleKeeperComponents, options: RoleKeeperOptions) {
    this.components = components;
    this.options = options;
  }

  start(now: number): void {
    if (this.options.role === 'auto') this.lookAt = now + LOOK_MS;
  }

  /** The role was decided without an answer of anybody. */
  guessed(now: number): void {
    this.guessedAt = now;
  }

  /** The role was decided: a client for a while, and a peer then, since others see this host at its own address. */
  entersLater(now: number): void {
    const { random } = this.components;
    this.newcomer = {
      soonAt: now + NEWCOMER_WANTED_MS + random.float() * NEWCOMER_WANTED_SPREAD_MS,
      at: now + NEWCOMER_MS + random.float() * NEWCOMER_SPREAD_MS,
    };
    this.lookAt = Math.min(this.lookAt ?? Infinity, this.newcomer.soonAt);
  }

  /** Somebody has told how it sees this host. */
  seen(atOwnAddress: boolean, now: number): void {
    const { guessedAt } = this;
    this.guessedAt = undefined;
    if (guessedAt === undefined || guessedAt + GUESS_MS < now || !atOwnAddress) return;
    if (this.options.returning) this.change('peer', SEEN_OPEN, now);
    else this.entersLater(now);
  }

  /** No peer is left that this client could turn to. */
  takePlace(now: number): void {
    this.change('peer', 'no peer of the overlay is left', now);
  }

  /** The situation may be another one. */
  consider(now: number): void {
    const node = this.components.node();
    if (this.options.role !== 'auto' || node?.state !== 'joined' || node.isChangingRole) return;
    const { type, why } = this.components.standing(now);
    this.considerEntering(node, type, now);
    if (this.newcomer !== undefined) return;
    const wanted = this.roleFor(type, node.role);
    if (wanted !== this.wanted) this.dueAt = now + this.patience(wanted);
    this.wanted = wanted;
    if (wanted === undefined) return;
    if (now >= this.dueAt && this.mayChange(now) && (wanted === 'peer' || node.mayBecomeClient)) {
      this.dueAt = now + this.spread(RETRY_MS);
      this.change(wanted, why, now);
    }
    this.lookWhenDue(now);
  }

  /** The node says that its role is another one. */
  changed(role: OverlayRole, now: number): void {
    if (!this.isEntering) this.changes = [...this.changes, now].slice(-MAX_CHANGES);
    this.isEntering = false;
    this.wanted = undefined;
    this.components.logger.info('role changed', { role, why: this.why });
  }

  nextTimeout(): number | undefined {
    return this.lookAt;
  }

  handleTimeout(now: number): void {
    if (this.lookAt === undefined || this.lookAt > now) return;
    this.lookAt = now + LOOK_MS;
    this.consider(now);
  }

  private considerEntering(node: RoleNode, standing: Standing['type'], now: number): void {
    const { newcomer } = this;
    if (newcomer === undefined) return;
    if (node.role === 'peer' || standing === 'closed') {
      this.newcomer = undefined;
      return;
    }
    const dueAt = node.knownPeers < ENOUGH_PEERS ? newcomer.soonAt : newcomer.at;
    if (now < dueAt) {
      this.lookAt = Math.min(this.lookAt ?? Infinity, dueAt);
      return;
    }
    // When it does not get there, it is a client like others.
    this.newcomer = undefined;
    this.isEntering = true;
    this.change('peer', SEEN_OPEN, now);
  }

  /** Hosts that were started together look at the same times: those that try together stand in each other's way. */
  private lookWhenDue(now: number): void {
    if (this.lookAt !== undefined && this.dueAt > now) this.lookAt = Math.min(this.lookAt, this.dueAt);
  }

  private roleFor(standing: Standing['type'], role: OverlayRole): OverlayRole | undefined {
    if (role === 'client') return standing === 'open' ? 'peer' : undefined;
    return standing === 'closed' && !this.options.founder ? 'client' : undefined;
  }

  private patience(wanted: OverlayRole | undefined): number {
    return this.spread(wanted === 'peer' ? OPEN_MS : CLOSED_MS);
  }

  private spread(ms: number): number {
    return ms + this.components.random.float() * SPREAD_MS;
  }

  private mayChange(now: number): boolean {
    const [oldest] = this.changes;
    return this.changes.length < MAX_CHANGES || oldest === undefined || oldest + CHANGES_WITHIN_MS <= now;
  }

  private change(role: OverlayRole, why: string, now: number): void {
    const node = this.components.node();
    if (node === undefined || node.role === role) return;
    this.why = why;
    if (role === 'peer') node.becomePeer(now);
    else node.becomeClient(now);
  }
}
