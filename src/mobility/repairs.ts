import { type Clock, type Timed, earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { Path } from '../ice/path.ts';
import { REPAIR_OTHER_REFLEXIVES_MS, REPAIR_REFLEXIVE_GRACE_MS } from './constants.ts';
import type { LocalAddresses } from './local-addresses.ts';
import { isGloballyReachable } from './reachability.ts';
import { Repair } from './repair.ts';
import type { RepairCause } from './repair.ts';
import { Rounds } from './rounds.ts';

/** A DTLS association, as far as the mending of its path goes. */
export interface Repairable {
  readonly hit: Hit | undefined;
  readonly link: number;
  readonly path: { readonly remote: SocketAddress; readonly ice?: Pick<Path, 'remoteType'> } | undefined;
  readonly framing: { pause(): void };
  /** Data sent now is expected to arrive. */
  pathWorks: boolean;
  repair: Repair | undefined;
}

type RepairAddresses = Pick<LocalAddresses, 'complete' | 'bestKnown' | 'firstWordAt' | 'candidates' | 'mayReach'>;

/** What is to be known of all links. */
export interface RepairableLinks<A> {
  /** The overlay can be asked by some of them. */
  hasWorkingLink(): boolean;
  /** The overlay has been asked for a new path of this one, and it may still come. */
  isNegotiating(association: A, now: number): boolean;
}

/**
 * Links whose path is broken or doubtful. Links to peers that everyone reaches mend themselves, by checks from the new
 * address; the first of them that works again carries the AppAttach for those behind NATs.
 *
 *   works ──begin──> broken ──some other link works, our reflexive address is known──> asked (again and again)
 *     ^                 └──ICE selects a pair, the peer is heard───────┐      └──limit──> the link is down
 *     └────────────────────────────────────────────────────────────────┘
 */
export class Repairs<A extends Repairable> implements Timed {
  private readonly table: RepairableLinks<A>;
  private readonly addresses: RepairAddresses;
  private readonly logger: Logger;
  private readonly ask: (hit: Hit) => void;
  private readonly giveUp: (association: A, reason: string, now: number) => void;
  private readonly settled: (association: A) => void;
  private readonly packetsOf: (association: A) => bigint;
  private readonly broken = new Set<A>();
  private readonly rounds: Rounds<A>;
  /** Some link works, so that asking is possible. */
  private working = false;
  /** What all wait for was there when that was looked at last. */
  private wasReady = false;
  /** Until then our reflexive address is waited for; absent: no longer. */
  private waitUntil: number | undefined;

  constructor(components: {
    table: RepairableLinks<A>;
    addresses: RepairAddresses;
    logger: Logger;
    ask: (hit: Hit) => void;
    giveUp: (association: A, reason: string, now: number) => void;
    /** Its doubtful path has outlived the doubts. */
    settled: (association: A) => void;
    /** Of the peer, that the association has proven. */
    packetsOf: (association: A) => bigint;
    clock: Pick<Clock, 'monotonic'>;
  }) {
    this.table = components.table;
    this.addresses = components.addresses;
    this.logger = components.logger;
    this.ask = components.ask;
    this.giveUp = components.giveUp;
    this.settled = components.settled;
    this.packetsOf = components.packetsOf;
    const consider = (association: A, now: number): boolean => this.considerOne(association, now);
    this.rounds = new Rounds<A>(() => this.broken, consider, components);
  }

  begin(association: A, cause: RepairCause, now: number): void {
    const { repair, path } = association;
    // That nobody answers is no more than a doubt; that the peer does not know us is a reason.
    const worse =
      (cause === 'broken' && association.pathWorks) || (cause === 'forgotten' && repair?.cause === 'silent');
    if (cause === 'broken') {
      association.pathWorks = false;
      association.framing.pause();
    }
    if (repair !== undefined && !worse) return;
    const reachable =
      path !== undefined &&
      (path.ice === undefined || path.ice.remoteType === 'host') &&
      isGloballyReachable(path.remote.address) &&
      this.addresses.mayReach(path.remote.address);
    association.repair = new Repair(cause, now, reachable, this.packetsOf(association));
    this.broken.add(association);
    if (cause !== 'remapped') this.waitUntil = now + REPAIR_REFLEXIVE_GRACE_MS;
    this.logger.info('link.repair', { nodeId: association.hit, link: association.link, cause });
  }

  /** Its path works, or the peer has proven that it is there. */
  end(association: A): void {
    association.repair = undefined;
    this.broken.delete(association);
  }

  /** The peer has just proven that it has the association. */
  notForgotten(association: A): void {
    if (association.repair?.cause !== 'forgotten') return;
    this.end(association);
    this.settled(association);
  }

  /** Links that wait for something. */
  get open(): readonly A[] {
    return [...this.broken];
  }

  /** Time has passed for one of them. */
  due(association: A, now: number): void {
    this.considerOne(association, now);
  }

  /**
   * Looks at all of them, the first at once and the others in the next turns: something that they wait for may have happened.
   * @returns those that wait for something else now
   */
  consider(now: number): readonly A[] {
    return this.becomesReady(now) ? this.rounds.beginAnew(now) : this.rounds.begin(now);
  }

  /** As `consider`, when one has just begun: the others only where all can be asked for now. Many begin at once. */
  begun(association: A, now: number): void {
    if (this.becomesReady(now)) this.rounds.beginAnew(now);
    else this.considerOne(association, now);
  }

  nextTimeout(): number | undefined {
    return earliest(this.waitUntil, this.rounds.nextTimeout());
  }

  /** @returns those that wait for something else now */
  handleTimeout(now: number): readonly A[] {
    if (now < (this.waitUntil ?? Infinity)) return this.rounds.handleTimeout(now);
    this.waitUntil = undefined;
    return this.consider(now);
  }

  /** @returns whether what all wait for is there, and was not: somebody who can be asked, and how others see us. */
  private becomesReady(now: number): boolean {
    this.look(now);
    const { ready, wasReady } = this;
    this.wasReady = ready;
    return ready && !wasReady;
  }

  private look(now: number): void {
    if (this.broken.size === 0) return;
    const working = this.table.hasWorkingLink();
    if (working && !this.working) this.waitUntil = now + REPAIR_REFLEXIVE_GRACE_MS;
    this.working = working;
    const { firstWordAt } = this.addresses;
    if (this.waitUntil !== undefined && firstWordAt !== undefined)
      this.waitUntil = Math.min(this.waitUntil, firstWordAt + REPAIR_OTHER_REFLEXIVES_MS);
    // The others come later, by a list inside the link.
    const known = this.addresses.complete || this.addresses.bestKnown;
    if (!working || known || now >= (this.waitUntil ?? 0)) this.waitUntil = undefined;
  }

  /** @returns whether its deadline is another, or it has ended. */
  private considerOne(association: A, now: number): boolean {
    const { repair, hit } = association;
    if (repair === undefined || hit === undefined) return false;
    if (repair.cause === 'forgotten' && this.packetsOf(association) > repair.packetsBefore) {
      this.notForgotten(association);
      return true;
    }
    if (now >= repair.limitAt) {
      this.end(association);
      if (repair.cause === 'broken' || repair.cause === 'forgotten')
        this.giveUp(association, repair.cause === 'broken' ? 'its path is lost' : 'the peer has forgotten it', now);
      else this.settled(association);
      return true;
    }
    const before = repair.nextTimeout();
    const idle = !this.table.isNegotiating(association, now);
    if (repair.shouldAsk(now, idle && this.ready)) this.ask(hit);
    return repair.nextTimeout() !== before;
  }

  /** A message can be routed, and it can tell where we are now: somewhere, and how others see that. */
  private get ready(): boolean {
    return this.working && this.waitUntil === undefined && this.addresses.candidates.length > 0;
  }
}
