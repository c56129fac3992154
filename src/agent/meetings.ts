import type { Clock, Timed } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { MeetingPlace, Urgency } from '../rendezvous/meeting-place.ts';
import { Rendezvous, type OpenTicket } from '../rendezvous/rendezvous.ts';

/** Addresses found whose hosts we have met; more than a small overlay has. */
const MAX_MET = 256;

/** `searching`: no way into the overlay works; `alone`: a peer without links; others are in the overlay. */
export type Situation = 'searching' | 'alone' | 'peer' | 'client';

export interface MeetingPorts {
  situation(): Situation;
  isOwn(address: SocketAddress): boolean;
  isLinked(hit: Hit): boolean;
  /** Where the link to this host goes. */
  remoteOf(hit: Hit): SocketAddress | undefined;
  /** @returns false when there was nothing to do. */
  dial(address: SocketAddress, now: number): boolean;
}

/** What our member looks for at meeting places, as its situation is, and which of the addresses found are dialed. */
export class Meetings implements Timed {
  private readonly ports: MeetingPorts;
  private readonly rendezvous: Rendezvous;
  /** Who was reached at an address that was found: it is not dialed while there is a link, which may go another way. */
  private readonly met = new Map<string, Hit | undefined>();
  private hosts: readonly string[] = [];
  private stopped = false;

  constructor(
    components: { places: readonly MeetingPlace[]; ports: MeetingPorts; random: Random; clock: Clock },
    options: { readonly secret: Uint8Array },
  ) {
    const { places, ports, random, clock } = components;
    this.ports = ports;
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
    this.rendezvous.networkChanged(now);
    this.consider(now);
  }

  linked(hit: Hit): void {
    const remote = this.ports.remoteOf(hit);
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
    switch (this.ports.situation()) {
      case 'searching':
        return 'arrive';
      case 'alone':
        return 'wait';
      case 'client':
        // Peers are the way in: nobody looks for clients.
        return undefined;
      case 'peer':
        return this.hosts.some(isGloballyReachable) ? 'watch' : 'keep';
    }
  }

  private found(address: SocketAddress, now: number): boolean {
    if (this.ports.isOwn(address)) return false;
    const key = formatSocketAddress(address);
    const hit = this.met.get(key);
    if (hit !== undefined && this.ports.isLinked(hit)) return false;
    this.met.delete(key);
    this.met.set(key, undefined);
    for (const [oldest] of this.met) {
      if (this.met.size <= MAX_MET) break;
      this.met.delete(oldest);
    }
    return this.ports.dial(address, now);
  }
}
