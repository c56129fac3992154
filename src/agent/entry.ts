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
/** The founder's peers of before are tried this long; then it stands for the overlay alone. */
const REJOIN_PATIENCE_MS = 3_000;
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
  /** Our role is decided: the node that knows of the links that are up. */
  makeNode(role: OverlayRole, now: number): OverlayNode;
  /** Linked members. */
  members(): Iterable<Hit>;
  isPeer(hit: Hit): boolean;
  /** The overlay is ours alone: others are to know that our former life is over. */
  stoodAlone(now: number): void;
  /** There is a way in again: whoever stored our records may be gone. */
  wayInFound(now: number): void;
}

export interface EntryOptions {
  /** `auto`: a peer when others see us at an address of our own, a client behind a NAT. */
  readonly role: OverlayRole | 'auto';
  /** We created this overlay: when no peer is known or answers, we are its first peer (again). */
  readonly founder: boolean;
}

/**
 * How we get into the overlay, and back into it: finds a linked member, decides our role, joins through that member.
 *
 *   start ──> searching ──link up──> deciding the role ──> joining ──joined──> in
 *     └─founder, nobody known or none answers─> alone ───────────────────────^  └──isolated──> searching
 */
export class Entry implements Timed {
  private readonly ports: EntryPorts;
  private readonly options: EntryOptions;
  private readonly random: Random;
  private readonly bootstrap: Bootstrap;
  private readonly timers = new TimerQueue<'role' | 'rejoin' | 'probe'>();
  /** Our node has lost its last peer. */
  private isolated = false;

  constructor(components: { ports: EntryPorts; random: Random }, options: EntryOptions) {
    const { ports, random } = components;
    this.ports = ports;
    this.options = options;
    this.random = random;
    this.bootstrap = new Bootstrap({ connect: (remote, now) => ports.dial(remote, now), random });
  }

  start(now: number): void {
    const addresses = this.ports.startAddresses();
    if (this.options.founder) {
      if (addresses.length === 0) {
        this.standAlone(now);
        return;
      }
      this.timers.set('rejoin', now + REJOIN_PATIENCE_MS);
    }
    this.bootstrap.start(addresses, now);
  }

  stop(): void {
    this.bootstrap.stop();
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
  }

  /** A member's link is gone; it is no longer among the members. */
  linkDown(now: number): void {
    const members = [...this.ports.members()];
    const cutOff = this.ports.node()?.role === 'client' && !members.some((hit) => this.ports.isPeer(hit));
    if (!cutOff && members.length > 0) return;
    this.isolated = true;
    this.findWayIn(now);
  }

  /** A peer has told how it sees us. */
  seen(atOwnAddress: boolean, now: number): void {
    if (this.timers.has('role')) this.decideRole(atOwnAddress, now);
  }

  onOverlayEvent(event: OverlayEvent, now: number): void {
    switch (event.type) {
      case 'joined':
        this.armProbe(now);
        this.foundWayIn(now);
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
      case 'seekPeer':
      case 'left':
    }
  }

  nextTimeout(): number | undefined {
    return earliest(this.bootstrap.nextTimeout(), this.timers.next());
  }

  handleTimeout(now: number): void {
    this.bootstrap.handleTimeout(now);
    for (let key = this.timers.due(now); key !== undefined; key = this.timers.due(now)) {
      if (key === 'role') this.decideRole(false, now);
      else if (key === 'rejoin') {
        if (this.ports.node() === undefined) this.standAlone(now);
      } else this.probe(now);
    }
  }

  private joinThrough(hit: Hit, now: number): void {
    if (this.options.role !== 'auto') {
      this.timers.clear('rejoin');
      this.ports.makeNode(this.options.role, now).join(hit, now);
      return;
    }
    // Decided once the peer has told how it sees us; the timer decides without it when that takes too long.
    if (!this.timers.has('role')) this.timers.set('role', now + ROLE_DECISION_MS);
  }

  private decideRole(atOwnAddress: boolean, now: number): void {
    this.timers.clear('role');
    const [first] = this.ports.members();
    if (first === undefined || this.ports.node() !== undefined) return;
    this.timers.clear('rejoin');
    this.ports.makeNode(atOwnAddress || this.options.founder ? 'peer' : 'client', now).join(first, now);
  }

  private standAlone(now: number): void {
    this.ports.makeNode('peer', now).create(now);
    this.ports.stoodAlone(now);
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
    this.bootstrap.stop();
    if (!this.isolated) return;
    this.isolated = false;
    this.ports.wayInFound(now);
  }

  /** Without a link, a client is cut off and a peer alone: the addresses of others are tried until one answers. */
  private findWayIn(now: number): void {
    if (!this.bootstrap.trying) this.bootstrap.start(this.ports.startAddresses(), now);
  }
}
