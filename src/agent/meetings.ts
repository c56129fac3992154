import type { Clock, Timed } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { LinkManager } from '../link/link-manager.ts';
import type { MeetingPlace, Urgency } from '../rendezvous/meeting-place.ts';
import { Rendezvous, type OpenTicket } from '../rendezvous/rendezvous.ts';
import type { Acquaintances } from './acquaintances.ts';
import type { Calls } from './calls.ts';
import type { Entry } from './entry.ts';
import type { LinkedMembers } from './linked-members.ts';
import type { OwnNode } from './own-node.ts';

/** Addresses found whose hosts we have met; more than a small overlay has. */
const MAX_MET = 256;

/** `searching`: no way into the overlay works; `alone`: a peer without links; others are in the overlay. */
type Situation = 'searching' | 'alone' | 'peer' | 'client';

export interface MeetingsComponents {
  readonly places: readonly MeetingPlace[];
  readonly links: Pick<LinkManager, 'isUp' | 'remoteOf'> & { readonly addresses: Pick<LocalAddresses, 'isOwn'> };
  readonly members: Pick<LinkedMembers, 'some'>;
  readonly acquaintances: Pick<Acquaintances, 'isPeer'>;
  readonly node: Pick<OwnNode, 'overlay'>;
  readonly entry: Pick<Entry, 'searching' | 'found'>;
  readonly calls: Pick<Calls, 'dial'>;
  readonly random: Random;
  readonly clock: Clock;
}

/** What our member looks for at meeting places, as its situation is, and which of the addresses found are dialed. */
export class Meetings implements Timed {
  private readonly components: MeetingsComponents;
  private readonly rendezvous: Rendezvous;
  /** Who was reached at an address that was found: it is not dialed while there is a link, which may go another way. */
  private readonly met = new Map<string, Hit | undefined>();
  private hosts: readonly string[] = [];
  private stopped = false;

  constructor(components: MeetingsComponents, options: { readonly secret: Uint8Array }) {
    const { places, random, clock } = components;
    this.components = components;
    this.rendezvous = new Rendezvous(
      { places, random, clock, tell: (address, now) => this.found(address, now) },
      options,
    );
  }

  /** Our situation may have changed. */
  consider(now: number): void {
    if (!this.stopped) this.rendezvous.attend('overlay', this.urgency(), now);
  }

  expect(tickets: readonly OpenTicket[], now: number): void {
    if (!this.stopped) this.rendezvous.expect(tickets, now);
  }

  setHostAddresses(addresses: readonly string[], now: number): void {
    const same = addresses.length === this.hosts.length && addresses.every((address) => this.hosts.includes(address));
    this.hosts = addresses;
    if (same || this.stopped) return;
    this.rendezvous.visitAnew(now);
    this.consider(now);
  }

  /** There is another place to meet, or one less. */
  placesChanged(now: number): void {
    if (this.stopped) return;
    this.rendezvous.visitAnew(now);
    this.consider(now);
  }

  linked(hit: Hit): void {
    const remote = this.components.links.remoteOf(hit);
    if (remote === undefined) return;
    const key = formatSocketAddress(remote);
    if (this.met.has(key)) this.met.set(key, hit);
  }

  stop(): void {
    this.stopped = true;
    this.rendezvous.expect([], 0);
    this.rendezvous.attend('overlay', undefined, 0);
  }

  nextTimeout(): number | undefined {
    return this.rendezvous.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.rendezvous.handleTimeout(now);
  }

  private urgency(): Urgency | undefined {
    switch (this.situation()) {
      case 'searching':
        return 'arrive';
      case 'alone':
        return 'wait';
      case 'client':
        // Peers are the way in: nobody looks for clients.
        return undefined;
      case 'peer':
        if (!this.hosts.some(isGloballyReachable)) return 'keep';
        return this.components.node.overlay?.missesPeers === true ? 'miss' : 'watch';
    }
  }

  private situation(): Situation {
    const { entry, node, members, links, acquaintances } = this.components;
    const { overlay } = node;
    if (entry.searching || overlay?.state !== 'joined') return 'searching';
    // Links that are being mended count as none: the only peer may have moved.
    const isClient = overlay.role === 'client';
    const isHeld = members.some((hit) => links.isUp(hit) && (!isClient || acquaintances.isPeer(hit)));
    if (isClient) return isHeld ? 'client' : 'searching';
    return isHeld ? 'peer' : 'alone';
  }

  /** @returns false when there was nothing to do. */
  private found(address: SocketAddress, now: number): boolean {
    const { links, entry, calls } = this.components;
    if (links.addresses.isOwn(address)) return false;
    const key = formatSocketAddress(address);
    const hit = this.met.get(key);
    if (hit !== undefined && links.isUp(hit)) return false;
    this.met.delete(key);
    this.met.set(key, undefined);
    for (const [oldest] of this.met) {
      if (this.met.size <= MAX_MET) break;
      this.met.delete(oldest);
    }
    if (!entry.searching) return calls.dial(address, now);
    entry.found(address, now);
    return true;
  }
}
