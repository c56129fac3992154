import type { Hit } from '../base/node-id.ts';
import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isStreamAddress } from '../base/stream-address.ts';
import { ContactBook, type Contact } from '../identity/contacts.ts';
import { isGloballyReachable, isHostAddress } from '../mobility/reachability.ts';
import type { OverlayEvent, OverlayRole } from '../overlay/events.ts';

// Implementation constants.

/** A peer that still uses an association of our former life is asked for a new link, but not more often than this. */
const RELINK_PAUSE_MS = 1_000;
/** Tried in a round; more would be a storm. */
const MAX_START_ADDRESSES = 32;
/** Of one host, kept: where it was reached last, and before. */
const MAX_KEPT_LOCATORS = 4;
/** Of one host that is searched for. */
const MAX_SOUGHT_LOCATORS = 2;
/** Of a record in the overlay that is newer than what we saw: these come before it, the others after. */
const MAX_NEWER_LOCATORS = 2;

export type Known = Partial<Omit<Contact, 'hit' | 'lastSeen'>>;

export interface AcquaintancesOptions {
  readonly self: Hit;
  /** Addresses of the ticket and of the configuration. */
  readonly start: readonly SocketAddress[];
  /** Of former lives. */
  readonly contacts: readonly Contact[];
}

/** Who is known from this life and from earlier ones, and where they may be found. */
export class Acquaintances {
  private readonly options: AcquaintancesOptions;
  private readonly book = new ContactBook();
  /** When a link showed where it is, in this life; wall time. */
  private readonly seenAt = new Map<Hit, number>();
  private readonly relinkedAt = new Map<Hit, number>();

  constructor(options: AcquaintancesOptions) {
    this.options = options;
    for (const contact of options.contacts) this.book.remember(contact);
  }

  byHit(hit: Hit): Contact | undefined {
    return this.book.byHit(hit);
  }

  byUser(user: string): Contact[] {
    return this.book.byUser(user);
  }

  all(): Contact[] {
    return this.book.all();
  }

  isPeer(hit: Hit): boolean {
    return this.book.byHit(hit)?.peer === true;
  }

  /** @returns what is to be kept for the next start; undefined for ourselves. */
  remember(hit: Hit, known: Known, wallNow: number): Contact | undefined {
    const before = this.book.byHit(hit);
    if (known.locators !== undefined) this.seenAt.set(hit, wallNow);
    return this.keep(hit, known, latestFirst([...(known.locators ?? []), ...(before?.locators ?? [])]), wallNow);
  }

  private keep(hit: Hit, known: Known, locators: readonly SocketAddress[], lastSeen: number): Contact | undefined {
    if (hit === this.options.self) return undefined;
    const before = this.book.byHit(hit);
    const contact: Contact = {
      hit,
      name: before?.name ?? null,
      user: before?.user ?? null,
      ipv4: before?.ipv4 ?? null,
      peer: before?.peer ?? false,
      ...known,
      locators,
      lastSeen,
    };
    this.book.remember(contact);
    if (this.book.byHit(hit) === undefined) this.seenAt.delete(hit);
    return contact;
  }

  /**
   * A peer has said where it is. What we saw of it later than that is more certain.
   * @returns what is to be kept for the next start; undefined: nothing new.
   */
  told(
    hit: Hit,
    { locators, writtenAt }: { readonly locators: readonly SocketAddress[]; readonly writtenAt: number },
    wallNow: number,
  ): Contact | undefined {
    const before = this.book.byHit(hit);
    const seen = before?.locators ?? [];
    const isNewer = seen.length === 0 || writtenAt > (this.seenAt.get(hit) ?? before?.lastSeen ?? 0);
    const merged = latestFirst(
      isNewer
        ? [...locators.slice(0, MAX_NEWER_LOCATORS), ...seen.slice(0, 1), ...locators, ...seen]
        : [...seen.slice(0, 1), ...locators, ...seen],
    );
    if (merged.map(formatSocketAddress).join() === seen.map(formatSocketAddress).join()) return undefined;
    // When we saw it is another matter.
    const lastSeen = Math.min(Math.max(before?.lastSeen ?? 0, writtenAt), wallNow);
    return this.keep(hit, { peer: true }, merged, lastSeen);
  }

  /** Peers first: they are the way in for everyone. A founder that is alone knows only clients, which are no way in. */
  startAddresses({ onlyPeers }: { onlyPeers: boolean }): SocketAddress[] {
    const contacts = this.book.all().filter(({ peer }) => peer || !onlyPeers);
    contacts.sort((a, b) => Number(b.peer) - Number(a.peer) || b.lastSeen - a.lastSeen);
    const latest = contacts.flatMap(({ locators }) => locators.slice(0, 1));
    const older = contacts.flatMap(({ locators }) => locators.slice(1));
    const start = this.options.start.slice(0, MAX_START_ADDRESSES / 2);
    return distinct([...distinct(latest).slice(0, MAX_START_ADDRESSES - start.length), ...start, ...older]).slice(
      0,
      MAX_START_ADDRESSES,
    );
  }

  /** Where a host, or a peer that the ticket named, accepts streams. */
  streamsOf(hit: Hit): SocketAddress[] {
    const known = [...(this.book.byHit(hit)?.locators ?? []), ...(this.isPeer(hit) ? this.options.start : [])];
    return distinct(known.filter(({ address }) => isStreamAddress(address)));
  }

  /** Where a host was seen last. */
  latestLocators(hit: Hit): readonly SocketAddress[] {
    return this.book.byHit(hit)?.locators.slice(0, MAX_SOUGHT_LOCATORS) ?? [];
  }

  /** Where peers that are not linked were seen last, and the addresses of the ticket. */
  peerAddresses(isLinked: (hit: Hit) => boolean): SocketAddress[] {
    const lost = this.book.all().filter(({ hit, peer }) => peer && !isLinked(hit));
    return [...lost.flatMap(({ locators }) => locators.slice(0, 1)), ...this.options.start];
  }

  /** Where peers are, those that are linked first, then the latest seen: one address of each, of the public ones if it has any. */
  peersFor(rules: {
    readonly isLinked: (hit: Hit) => boolean;
    readonly isGone: (hit: Hit) => boolean;
  }): SocketAddress[] {
    return this.book
      .all()
      .filter(({ hit, peer }) => peer && !rules.isGone(hit))
      .sort((a, b) => Number(rules.isLinked(b.hit)) - Number(rules.isLinked(a.hit)) || b.lastSeen - a.lastSeen)
      .flatMap(({ locators }) => {
        const usable = locators.filter(({ address }) => isHostAddress(address));
        const [best] = [...usable.filter(({ address }) => isGloballyReachable(address)), ...usable];
        return best ?? [];
      });
  }

  /** Where those who may still have a link to our former life were seen last. */
  toCallBack(isLinked: (hit: Hit) => boolean): { readonly hit: Hit; readonly locator: SocketAddress }[] {
    return this.book
      .all()
      .filter(({ hit }) => !isLinked(hit))
      .slice(0, MAX_START_ADDRESSES)
      .flatMap(({ hit, locators: [locator] }) => (locator === undefined ? [] : [{ hit, locator }]));
  }

  /**
   * Someone at `remote` uses an association that we no longer have (we were killed).
   * @returns which known host, when it is to get a new link now.
   */
  toRelink(remote: SocketAddress, isUp: (hit: Hit) => boolean, now: number): Hit | undefined {
    const contact = this.book
      .all()
      .find(({ locators }) => locators.some((locator) => sameSocketAddress(locator, remote)));
    if (contact === undefined) return undefined;
    const { hit } = contact;
    if (isUp(hit) || (this.relinkedAt.get(hit) ?? -Infinity) + RELINK_PAUSE_MS > now) return undefined;
    for (const [other, at] of this.relinkedAt) if (at + RELINK_PAUSE_MS <= now) this.relinkedAt.delete(other);
    this.relinkedAt.set(hit, now);
    return hit;
  }
}

/** What an event of our node says of who is a peer. */
export function peersIn(event: OverlayEvent, role: OverlayRole): { readonly hit: Hit; readonly peer: boolean }[] {
  switch (event.type) {
    case 'neighborsChanged':
      return [...event.predecessors, ...event.successors].map((hit) => ({ hit, peer: true }));
    case 'peerSeen':
    case 'becameClient':
      return [{ hit: event.nodeId, peer: event.type === 'peerSeen' }];
    case 'responsibleChanged':
      return role === 'client' ? [{ hit: event.to, peer: true }] : [];
    case 'joined':
    case 'left':
    case 'roleChanged':
    case 'isolated':
    case 'seekPeer':
      return [];
  }
}

function latestFirst(locators: readonly SocketAddress[]): SocketAddress[] {
  const all = distinct(locators);
  const kept = all.slice(0, MAX_KEPT_LOCATORS);
  // Where it accepts streams is no news, but may be all that works one day.
  const stream = all.find(({ address }) => isStreamAddress(address));
  return stream === undefined || kept.includes(stream) ? kept : [...kept.slice(0, -1), stream];
}

function distinct(addresses: readonly SocketAddress[]): SocketAddress[] {
  return [...new Map(addresses.map((address) => [formatSocketAddress(address), address])).values()];
}
