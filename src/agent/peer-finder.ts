import { earliest, type Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { Contact } from '../identity/contacts.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { LinkManager } from '../link/link-manager.ts';
import { isDialable } from '../mobility/reachability.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import { Whereabouts, type WhereaboutsRecord } from '../overlay/whereabouts.ts';
import { Absentees } from './absentees.ts';
import type { Acquaintances } from './acquaintances.ts';
import type { LinkedMembers } from './linked-members.ts';
import type { OwnAddresses } from './own-addresses.ts';

// Implementation constants.
/** Whoever still has a link to our former life answers within this; longer, our dialing would stand in the way of theirs. */
const CALL_BACK_MS = 1_000;

export interface PeerFinderComponents {
  readonly links: Pick<LinkManager, 'isUp' | 'isAnswering'> & { readonly addresses: Pick<LocalAddresses, 'isOwn'> };
  readonly members: Pick<LinkedMembers, 'has'>;
  readonly acquaintances: Acquaintances;
  readonly addresses: OwnAddresses;
  readonly random: Random;
  readonly logger: Logger;
  readonly ports: {
    /** What is dated wrong is refused, or holds for too long. */
    timeIsKnown(): boolean;
    wall(): number;
    dial(remote: SocketAddress, now: number, hit: Hit, patienceMs?: number): void;
    /** To be kept for the next start. */
    learned(contact: Contact): void;
  };
}

/**
 * How peers that moved are found again, and how others find us: last locators, records in the overlay, and calls of those who
 * cannot ask anybody.
 */
export class PeerFinder implements Timed {
  private readonly components: PeerFinderComponents;
  private readonly absentees: Absentees;
  private records: Whereabouts | undefined;
  private overlay: OverlayNode | undefined;
  private before: readonly string[] = [];

  constructor(components: PeerFinderComponents) {
    const { acquaintances, links } = components;
    this.components = components;
    this.absentees = new Absentees({
      ports: {
        known: () => acquaintances.all().flatMap(({ hit, locators }) => (locators.length > 0 ? [hit] : [])),
        isThere: (hit) => links.isUp(hit) && links.isAnswering(hit),
        call: (hit, now) => this.dialLatest(hit, now),
      },
    });
  }

  /** What the overlay knows of where peers are; undefined until our role is decided. */
  get whereabouts(): Whereabouts | undefined {
    return this.records;
  }

  /** Our node of the overlay was made. */
  enter(overlay: OverlayNode): void {
    const { random, logger, addresses, ports } = this.components;
    this.overlay = overlay;
    this.records = new Whereabouts({
      overlay,
      ports: {
        own: () => (ports.timeIsKnown() ? addresses.all : []),
        wanted: () => this.wanted(overlay),
        learned: (hit, record) => this.learned(hit, record),
      },
      random,
      logger,
    });
  }

  linkUp(hit: Hit): void {
    this.absentees.linkUp(hit);
  }

  /** Where others can come to us may be another place now. */
  changed(now: number): void {
    const all = this.components.addresses.all.map(formatSocketAddress);
    const gone = this.before.some((address) => !all.includes(address));
    // Between two networks there is none.
    if (all.length > 0) this.before = all;
    if (gone && all.length > 0 && this.overlay?.role === 'peer') this.absentees.moved(now);
    this.records?.changed(now);
  }

  /** No message gets to it. It may be in a ring of its own, which only a direct link reaches. */
  seek(hit: Hit, now: number): void {
    this.dialLatest(hit, now);
    this.seekAtRecord(hit, now);
  }

  /** A peer may be where it says, unless it is found meanwhile. */
  seekAtRecord(hit: Hit, now: number): void {
    const { acquaintances, members } = this.components;
    if (!acquaintances.isPeer(hit) || members.has(hit)) return;
    const latest = (): string => acquaintances.latestLocators(hit).map(formatSocketAddress).join();
    const before = latest();
    this.records?.lookup(hit, now, (_, at) => {
      if (latest() !== before && !members.has(hit)) this.dialLatest(hit, at);
    });
  }

  /** Members that still have a link to our former life are told at once that it is over. */
  callBack(now: number): void {
    const { acquaintances, members, ports } = this.components;
    for (const { hit, locator } of acquaintances.toCallBack((known) => members.has(known)))
      ports.dial(locator, now, hit, CALL_BACK_MS);
  }

  /** Before we leave for good. @param done whether our record is gone */
  giveBack(now: number, done: (complete: boolean) => void): void {
    if (this.records === undefined) done(true);
    else this.records.giveBack(now, done);
  }

  nextTimeout(): number | undefined {
    return earliest(this.records?.nextTimeout(), this.absentees.nextTimeout());
  }

  handleTimeout(now: number): void {
    if (this.overlay?.role !== 'peer') this.absentees.stop();
    this.records?.handleTimeout(now);
    this.absentees.handleTimeout(now);
  }

  private dialLatest(hit: Hit, now: number): void {
    const { acquaintances, ports } = this.components;
    for (const locator of acquaintances.latestLocators(hit)) ports.dial(locator, now, hit);
  }

  /** A client's ways in first, which may have other addresses than those that its links go to; then peers without a link. */
  private wanted({ toldPeers, role }: OverlayNode): Hit[] {
    const { acquaintances, members } = this.components;
    const peers = acquaintances.all().flatMap(({ hit, peer }) => (peer ? [hit] : []));
    const linked = role === 'client' ? peers.filter((hit) => members.has(hit)) : [];
    const strangers = [...toldPeers, ...peers].filter((hit) => !members.has(hit));
    return [...new Set([...linked, ...strangers])];
  }

  /** Anyone may write anything into his own record: nothing is sent to what is no address of another host. */
  private learned(hit: Hit, { locators, writtenAt }: WhereaboutsRecord): void {
    const { links, acquaintances, ports } = this.components;
    const usable = locators.filter((locator) => isDialable(locator) && !links.addresses.isOwn(locator));
    const contact = acquaintances.told(hit, { locators: usable, writtenAt }, ports.wall());
    if (contact !== undefined) ports.learned(contact);
  }
}
