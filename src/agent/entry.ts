import { earliest, type Timed } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import type { OverlayEvent, OverlayRole } from '../overlay/events.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import { Bootstrap } from './bootstrap.ts';

// Implementation constants.

/** A node that has to choose its role waits this long to learn how others see its address. */
const ROLE_DECISION_MS = 500;
/** The founder's peers of before are tried this long when nobody answers; then it stands for the overlay alone. */
const FOUNDER_PATIENCE_MS = 1_000;
/**
 * A peer of the overlay that is linked says so at once. When none has after this time, members are linked but nobody holds
 * the overlay: all were started anew.
 */
const QUIET_MS = 300;
/**
 * A client that is linked with members, and with no peer any more, takes the place of those who are gone after so long, and as
 * much again at random: one begins, and the others are its clients.
 */
const CUT_OFF_MS = 10_000;
/** Meanwhile one of the members is asked about our place so often: it may have found a peer. Less and less often afterwards. */
const ASK_MEMBER_MS = 2_000;
/** Peers with a smaller HIT come first, so that few begin and the others join them. */
const TURN_MS = 300;
/** RFC 6940 s10.7.4.4: a second ring that the overlay fell into is looked for about this often. */
const PARTITION_PROBE_MS = 240_000;

export interface EntryPorts {
  /** Dials; a link may come of it. */
  dial(remote: SocketAddress, now: number): void;
  /** Addresses where someone of the overlay may be. */
  startAddresses(): readonly SocketAddress[];
  /** Where peers may be to whom there is no link: perhaps in another ring. */
  strangers(): readonly SocketAddress[];
  /** Undefined until `makeNode`. */
  node(): OverlayNode | undefined;
  /** Our role was decided before anybody told how it sees us. */
  roleGuessed(now: number): void;
  /** We are to be a peer after a while. */
  entersRingLater(now: number): void;
  /** Our role is decided: the node that knows of the links that are up. */
  makeNode(role: OverlayRole, now: number): OverlayNode;
  /** The node takes messages from now on. */
  nodeStarted(now: number): void;
  /** Messages get to somebody that is linked. */
  hasWorkingLink(): boolean;
  /** Linked members. */
  members(): Iterable<Hit>;
  isPeer(hit: Hit): boolean;
  /** No peer is left: as a client we are to be one. */
  takesPlace(now: number): void;
  /** The overlay is ours alone: others are to know that our former life is over. */
  stoodAlone(now: number): void;
  /** There is a way in again: whoever stored our records may be gone. */
  wayInFound(now: number): void;
}

export interface EntryComponents {
  readonly ports: EntryPorts;
  readonly random: Random;
  readonly self: Hit;
}

export interface EntryOptions {
  /**
   * `auto`: a peer when others see us at an address of our own, a newcomer among them after a while, a client behind a NAT;
   * `RoleKeeper` sees to it from then on.
   */
  readonly role: OverlayRole | 'auto';
  /** We created this overlay: when no peer is known or answers, we are its first peer (again). */
  readonly founder: boolean;
  /** We were in this overlay before: as a peer we hold it up again when no other peer does. A newcomer never does. */
  readonly returning: boolean;
}

/**
 * How we get into the overlay, and back into it: finds a linked member, decides our role, joins through that member.
 *
 *   start ──> searching ──link up──> deciding the role ──> joining ──joined──> in
 *     │                                                         └─nobody holds it─> alone ─^  └──isolated──> searching
 *     └─founder: nobody known, or none answers ──────────────────────────────────────^
 *
 * After a power cut everyone is on its way in and nobody is there. Then peers of before begin anew, alone, and tell whom they
 * are linked with: those who wait join them, and those who began at the same time are of one ring with them by the Updates
 * over their links (RFC 6940 s10.7.3). A client whose last peer stays away does the same after a longer while.
 */
export class Entry implements Timed {
  private readonly ports: EntryPorts;
  private readonly options: EntryOptions;
  private readonly random: Random;
  private readonly bootstrap: Bootstrap;
  private readonly self: Hit;
  private readonly timers = new TimerQueue<'role' | 'alone' | 'cutOff' | 'probe'>();
  private tried: readonly SocketAddress[] = [];
  /** Our node has lost its last peer. */
  private isolated = false;
  /** We search although there are links, since none works. */
  private stranded = false;
  /** A client that has lost its last peer: when it takes the place of the peers, and how often it asks members. */
  private cutOff: { until: number; askMs: number } | undefined;
  /** We hold the overlay, and nobody with us: the search for others goes on. */
  private alone = false;
  /** Peers that come before us have had their time. */
  private turn = false;
  /** `alone` is set: someone is linked. */
  private quiet = false;

  constructor(components: EntryComponents, options: EntryOptions) {
    const { ports, random, self } = components;
    this.ports = ports;
    this.self = self;
    this.options = options;
    this.random = random;
    this.bootstrap = new Bootstrap(
      { connect: (remote, now) => this.tryAt(remote, now), random },
      { patient: !options.returning && !options.founder },
    );
  }

  /** Why we are not in the overlay yet, for a person; undefined: we are. */
  get why(): string | undefined {
    if (this.ports.node()?.state === 'joined') return undefined;
    const [...members] = this.ports.members();
    if (members.length > 0)
      return this.timers.has('role')
        ? 'asking how others see this host'
        : `linked with ${members.length} of its members, none of which has let this host in yet`;
    const { length } = this.tried;
    if (length === 0) return 'no address of any member is known: join with a new ticket';
    return `nobody answers at ${length === 1 ? 'the only known address' : `any of ${length} known addresses`}`;
  }

  start(now: number): void {
    this.tried = this.ports.startAddresses();
    if (this.options.founder) {
      if (this.tried.length === 0) {
        this.standAlone(now);
        return;
      }
      this.timers.set('alone', now + FOUNDER_PATIENCE_MS);
    }
    this.bootstrap.start(this.tried, now);
  }

  stop(): void {
    this.bootstrap.stop();
    this.timers.clear('role');
    this.endCutOff();
  }

  /** No way in is known that works. */
  get searching(): boolean {
    return this.bootstrap.trying;
  }

  /** Somebody of the overlay may be there. */
  found(address: SocketAddress, now: number): void {
    this.bootstrap.add(address, now);
  }

  /** A member is linked; our node knows it already. */
  linkUp(hit: Hit, now: number): void {
    // A client is no way in, so only what comes of the link tells whether the search is over.
    this.bootstrap.rest(now);
    const node = this.ports.node();
    if (node === undefined) this.joinThrough(hit, now);
    else if (node.state === 'joining' || this.isolated) node.join(hit, now);
    this.waitQuietly(now);
  }

  /** A member's link is gone; it is no longer among the members. */
  linkDown(now: number): void {
    const isClient = this.ports.node()?.role === 'client';
    // Up to the first: thousands may go down one by one.
    for (const hit of this.ports.members()) if (!isClient || this.ports.isPeer(hit)) return;
    this.isolated = true;
    this.findWayIn(now);
  }

  /** We are linked, and no link works: whoever restarted, or moved, knows nothing of us. They may mend meanwhile. */
  noneWorks(now: number): void {
    if (this.bootstrap.trying) return;
    this.stranded = true;
    this.search(now);
  }

  /** A peer has told how it sees us. */
  seen(atOwnAddress: boolean, now: number): void {
    if (this.timers.has('role')) this.decideRole(atOwnAddress, now);
  }

  onOverlayEvent(event: OverlayEvent, now: number): void {
    switch (event.type) {
      case 'joined':
        this.timers.clear('alone');
        this.armProbe(now);
        if (!this.alone) this.foundWayIn(now);
        return;
      case 'isolated':
        this.isolated = true;
        this.findWayIn(now);
        return;
      case 'neighborsChanged':
        if (event.successors.length > 0) this.foundWayIn(now);
        return;
      case 'responsibleChanged':
        if (this.ports.node()?.role === 'client') this.foundWayIn(now);
        return;
      case 'peerSeen':
      case 'seekPeer':
      case 'roleChanged':
      case 'becameClient':
      case 'left':
    }
  }

  nextTimeout(): number | undefined {
    return earliest(this.bootstrap.nextTimeout(), this.timers.next());
  }

  handleTimeout(now: number): void {
    this.bootstrap.handleTimeout(now);
    for (let key = this.timers.due(now); key !== undefined; key = this.timers.due(now)) {
      if (key === 'role') this.decideRole(undefined, now);
      else if (key === 'alone') this.considerStandingAlone(now);
      else if (key === 'cutOff') this.cutOffStep(now);
      else this.probe(now);
    }
  }

  private joinThrough(hit: Hit, now: number): void {
    if (this.options.role !== 'auto') {
      this.enter(this.options.role, hit, now);
      return;
    }
    // Decided once the peer has told how it sees us; the timer decides without it when that takes too long.
    if (!this.timers.has('role')) this.timers.set('role', now + ROLE_DECISION_MS);
  }

  /** @param atOwnAddress undefined: nobody has told */
  private decideRole(atOwnAddress: boolean | undefined, now: number): void {
    this.timers.clear('role');
    const [first] = this.ports.members();
    if (first === undefined || this.ports.node() !== undefined) return;
    const { founder, returning } = this.options;
    if (atOwnAddress === undefined) this.ports.roleGuessed(now);
    const isOpen = atOwnAddress === true;
    if (isOpen && !returning && !founder) this.ports.entersRingLater(now);
    this.enter(founder || (isOpen && returning) ? 'peer' : 'client', first, now);
  }

  private enter(role: OverlayRole, through: Hit, now: number): void {
    this.ports.makeNode(role, now).join(through, now);
    this.ports.nodeStarted(now);
  }

  /** Someone is linked: from now on a peer that is in the overlay would have said so. */
  private waitQuietly(now: number): void {
    const { returning, founder } = this.options;
    if ((!returning && !founder) || this.ports.node()?.state === 'joined' || this.quiet) return;
    this.quiet = true;
    this.timers.set('alone', now + QUIET_MS);
  }

  private considerStandingAlone(now: number): void {
    const { ports, self } = this;
    const node = ports.node();
    const members = [...ports.members()];
    this.quiet = members.length > 0;
    if (node?.state === 'joined' || (members.length === 0 && !this.options.founder)) return;
    if (members.length > 0) {
      if (node?.role === 'client') return;
      const comesFirst = !members.some((hit) => hit < self && ports.isPeer(hit));
      if (node === undefined || node.knowsPeers || !(comesFirst || this.turn)) {
        this.turn = node?.knowsPeers === false;
        this.timers.set('alone', now + (this.turn ? TURN_MS : QUIET_MS));
        return;
      }
    }
    this.standAlone(now);
  }

  /**
   * The peers of this client may be gone for good, and so may be whoever would be a better one. Others who are linked with the
   * same members may come to the same conclusion: through those the rings find each other.
   */
  private cutOffStep(now: number): void {
    const { ports, random, cutOff } = this;
    const node = ports.node();
    if (cutOff === undefined || node === undefined) return;
    this.timers.set('cutOff', now + cutOff.askMs);
    if (node.knowsPeers) {
      // It may let us in, or be gone before it has.
      cutOff.until = this.cutOffUntil(now);
      return;
    }
    const [...members] = ports.members();
    const asked = members[Math.floor(random.float() * members.length)];
    if (asked !== undefined) node.join(asked, now);
    if (node.role === 'peer') cutOff.askMs = Math.min(cutOff.askMs * 2, PARTITION_PROBE_MS);
    else if (asked !== undefined && now >= cutOff.until) this.takePlace(now);
  }

  private cutOffUntil(now: number): number {
    return now + CUT_OFF_MS * (1 + this.random.float());
  }

  private endCutOff(): void {
    this.cutOff = undefined;
    this.timers.clear('cutOff');
  }

  private takePlace(now: number): void {
    this.ports.takesPlace(now);
    this.standAlone(now);
    // What it had stored is gone with the peers.
    this.ports.wayInFound(now);
  }

  private standAlone(now: number): void {
    const { ports } = this;
    this.alone = true;
    const known = ports.node();
    (known ?? ports.makeNode('peer', now)).create(now);
    if (known === undefined) ports.nodeStarted(now);
    ports.stoodAlone(now);
  }

  /** What comes of the link, the node sees to: it asks the other end's ring about its own place. */
  private probe(now: number): void {
    this.armProbe(now);
    const node = this.ports.node();
    if (node?.state !== 'joined' || node.role !== 'peer') return;
    const strangers = this.ports.strangers();
    const chosen = strangers[Math.floor(this.random.float() * strangers.length)];
    if (chosen !== undefined) this.ports.dial(chosen, now);
  }

  private armProbe(now: number): void {
    this.timers.set('probe', now + PARTITION_PROBE_MS * (0.75 + this.random.float() / 2));
  }

  private foundWayIn(now: number): void {
    this.alone = false;
    this.stranded = false;
    this.endCutOff();
    this.bootstrap.stop();
    if (!this.isolated) return;
    this.isolated = false;
    this.ports.wayInFound(now);
  }

  /** Without a link, a client is cut off and a peer alone: the addresses of others are tried until one answers. */
  private findWayIn(now: number): void {
    const mayTakePlace = this.options.role === 'auto' && this.ports.node()?.role === 'client';
    if (mayTakePlace && this.cutOff === undefined) {
      this.cutOff = { until: this.cutOffUntil(now), askMs: ASK_MEMBER_MS };
      this.timers.set('cutOff', now + ASK_MEMBER_MS);
    }
    if (!this.bootstrap.trying) this.search(now);
  }

  private tryAt(remote: SocketAddress, now: number): void {
    if (this.stranded && !this.isolated && this.ports.hasWorkingLink()) {
      this.stranded = false;
      this.bootstrap.stop();
    } else this.ports.dial(remote, now);
  }

  private search(now: number): void {
    this.tried = this.ports.startAddresses();
    this.bootstrap.start(this.tried, now);
  }
}
