import type { Timed } from '../base/clock.ts';
import type { Hit } from '../base/node-id.ts';
import type { OverlayClock } from '../base/overlay-clock.ts';
import type { Contact } from '../identity/contacts.ts';
import type { VerifiedPeer } from '../identity/trust-store.ts';
import type { LinkManager } from '../link/link-manager.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../membership/roster.ts';
import type { DataPlane, DataPlaneEvent } from '../native/data-plane.ts';
import type { OverlayEvent, OverlayRole } from '../overlay/events.ts';
import type { NameService } from '../overlay/naming.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import type { Resolver } from '../resolver/resolver.ts';
import { peersIn } from './acquaintances.ts';
import { allDone } from './all-done.ts';
import type { Double } from './doubles.ts';
import type { EngineEvent } from './engine-events.ts';
import {
  type EngineComponents,
  type EngineOptions,
  type EngineParts,
  engineParts,
  machinesOf,
} from './engine-parts.ts';
import { takeTurn } from './event-turn.ts';
import { MachineSet } from './machine-set.ts';
import type { OwnAddresses } from './own-addresses.ts';
import type { PeerFinder } from './peer-finder.ts';
import type { TicketStart } from './ticket-addresses.ts';
import type { TurnMembers } from './turn-members.ts';

export type { EngineEvent } from './engine-events.ts';
export type { EngineComponents, EngineOptions } from './engine-parts.ts';
export type Role = OverlayRole;

/** 32 Mbit/s: a hundred calls, or what a small uplink has. */
const RELAY_BYTES_PER_SECOND = 4_000_000;

export interface Member {
  readonly hit: Hit;
  readonly user: string | null;
  readonly ipv4: string | undefined;
}

/**
 * The agent without its sockets: composes links, overlay, names and resolver over a DataPlane. The same code runs in the agent
 * and, over a simulated data plane in virtual time, in test/scenario.
 *
 *   data plane ──> handleEvent ──> links ──> memberLinks: a member's link comes up, is mended, ends
 *                             └──> resolver: a packet for which there is no link
 *   node, once entry has decided our role ──> onOverlayEvent
 *   membership ──> ties
 *   timers ──> machines: each of them, and nothing of it ends the others
 */
export class Engine implements Timed {
  readonly membership: Membership;
  readonly hit: Hit;
  readonly clock: OverlayClock;

  private readonly components: EngineComponents;
  private readonly options: EngineOptions;
  private readonly dataPlane: DataPlane;
  private readonly parts: EngineParts;
  private readonly machines: MachineSet;
  private handler: (event: EngineEvent) => void = () => {};

  constructor(components: EngineComponents, options: EngineOptions) {
    const { dataPlane, identity, membership, clock, guard } = components;
    this.components = components;
    this.options = options;
    this.dataPlane = dataPlane;
    this.hit = identity.hit;
    this.clock = clock;
    this.membership = membership;
    this.parts = engineParts(components, options, {
      tell: (event) => this.handler(event),
      makeNode: (role, now) => this.makeNode(role, now),
      ticketsChanged: (now) => this.ticketsChanged(now),
    });
    this.machines = new MachineSet({ guard, machines: () => machinesOf(this.parts, membership) });
    this.listen();
  }

  onEvent(handler: (event: EngineEvent) => void): void {
    this.handler = handler;
  }

  // What is known.

  get links(): LinkManager {
    return this.parts.links;
  }

  get resolver(): Resolver {
    return this.parts.resolver;
  }

  get finder(): PeerFinder {
    return this.parts.finder;
  }

  /** TURN servers among the members. */
  get turnMembers(): TurnMembers {
    return this.parts.turn;
  }

  /** Where others can come to us; `finder.changed` after a change. */
  get addresses(): OwnAddresses {
    return this.parts.addresses;
  }

  /** Undefined until our role is decided. */
  get overlay(): OverlayNode | undefined {
    return this.parts.node.overlay;
  }

  get names(): NameService | undefined {
    return this.parts.node.names;
  }

  /** The overlay's list of members. */
  get roster(): Roster | undefined {
    return this.parts.node.roster;
  }

  /** Another agent that has this host's key, as far as is known. */
  get double(): Double | undefined {
    return this.parts.doubles.known;
  }

  /** Members that are linked now, with what their certificates say. */
  get linkedMembers(): ReadonlyMap<Hit, VerifiedPeer> {
    return this.parts.members.all;
  }

  /** Our overlay IPv4 address, claimed now or in a former life. */
  get ipv4(): string | undefined {
    return this.parts.node.ipv4;
  }

  /** Whom we remember. */
  get contacts(): readonly Contact[] {
    return this.parts.acquaintances.all();
  }

  /** Why we are not in the overlay yet, for a person; undefined: we are. */
  get why(): string | undefined {
    return this.parts.entry.why;
  }

  /** The user of a linked or known member. */
  userOf(hit: Hit): string | null {
    const { members, acquaintances } = this.parts;
    return members.all.get(hit)?.user ?? acquaintances.byHit(hit)?.user ?? null;
  }

  /** Who holds an overlay IPv4 address, as far as that was looked up. */
  hitOf(ipv4: string): Hit | undefined {
    return this.parts.claims.addresses.hitOf(ipv4);
  }

  /** The overlay IPv4 address of a member, as far as that was looked up. */
  ipv4Of(hit: Hit): string | undefined {
    return this.parts.claims.addresses.ipv4Of(hit);
  }

  /** Phones have registered here, or are gone. */
  phonesChanged(now: number): void {
    for (const records of this.parts.node.userRecords) records.changed(now);
  }

  /** The gateway of this host has given a number to a member, or taken it away. */
  numbersChanged(now: number): void {
    const { numberRecords, numberMarks } = this.parts.node.parts ?? {};
    numberRecords?.changed(now);
    numberMarks?.changed(now);
  }

  /** Whether the overlay has a number of this gateway as it is now. */
  isNumberStored(number: string): boolean {
    const { numberRecords, numberMarks } = this.parts.node.parts ?? {};
    return numberRecords?.isStored(number) === true && numberMarks?.isStored === true;
  }

  /** Who has a name: also what we remember. */
  holdersOf(user: string, now: number, done: (hits: readonly Hit[] | undefined, now: number) => void): void {
    this.parts.ties.holdersOf(user, now, done);
  }

  /** When a host was linked last or told of itself, milliseconds since the epoch; 0: never, as far as is known. */
  lastSeen(hit: Hit): number {
    return this.parts.acquaintances.byHit(hit)?.lastSeen ?? 0;
  }

  /** Members whose links are up, with what their certificates and their claims say: known without the overlay. */
  linkedMembersOf(wanted: { readonly hit: Hit } | { readonly user: string } | { readonly ipv4: string }): Member[] {
    const { members, claims, links } = this.parts;
    const found: Member[] = [];
    for (const [hit, { user }] of members.all) {
      const ipv4 = claims.addresses.ipv4Of(hit);
      const meant =
        'hit' in wanted ? wanted.hit === hit : 'user' in wanted ? wanted.user === user : wanted.ipv4 === ipv4;
      if (meant && links.isUp(hit)) found.push({ hit, user, ipv4 });
    }
    return found;
  }

  // From the first packet to the last.

  /** Host addresses must be known before: `setHostAddresses`, `hostAddressesChanged`. */
  start(now: number): void {
    const { time, ties, entry, roles, meetings } = this.parts;
    this.dataPlane.setLocalAddresses(this.hit, this.options.ipv4 ?? null);
    time.start(now);
    this.membership.start(now);
    if (this.membership.state === 'revoked') return;
    ties.showCertificates();
    entry.start(now);
    roles.start(now);
    this.ticketsChanged(now);
    meetings?.consider(now);
  }

  /** Where a newcomer is to start from: at this host, or at any peer that leads there. */
  ticketAddresses(now: number): TicketStart {
    const { acquaintances, links, addresses } = this.parts;
    const peers = acquaintances.peersFor({
      isLinked: (hit) => links.isUp(hit),
      isGone: (hit) => this.membership.revoked.has(hit),
    });
    const others = peers.filter((address) => !links.addresses.isOwn(address));
    return addresses.forNewcomers(links.addresses.standing(now).type, others);
  }

  /** A ticket was made, used or withdrawn; or our node was made. */
  ticketsChanged(now: number): void {
    const wallNow = this.clock.wall();
    const tickets = this.components.openTickets?.(wallNow) ?? [];
    this.parts.meetings?.expect(tickets, now);
    if (this.membership.inviting === undefined) return;
    const names = tickets.flatMap(({ user, expiresAt }) =>
      user === null ? [] : [{ user, lifetimeS: (expiresAt - wallNow) / 1000 }],
    );
    this.parts.node.parts?.reservations.keep(names, now);
  }

  /**
   * Before `stop`, for good: what others may have from now on is given back to the overlay.
   * @param done whether nothing of it is left, as soon as that is known.
   */
  resign(now: number, done: (complete: boolean) => void): void {
    const { membership } = this;
    const { doubles, node, finder } = this.parts;
    const joined = doubles.isAway ? undefined : node.joined;
    if (joined === undefined) {
      done(false);
      return;
    }
    const { names, roster, turnRecords } = joined;
    const stored = [names, roster, turnRecords, finder, ...node.userRecords];
    const parts = stored.map((part) => part.giveBack.bind(part, now));
    allDone([...parts, (answered) => membership.resign(now, answered)], done);
  }

  /** Hands over what we store; `done` when the neighbours have it and the links are closed. */
  stop(now: number, done: () => void): void {
    const { entry, meetings, links, doubles, node } = this.parts;
    entry.stop();
    meetings?.stop();
    this.membership.stop();
    const closeLinks = (): void => {
      links.stop('we stop');
      done();
    };
    const joined = doubles.isAway ? undefined : node.joined;
    if (joined === undefined) {
      closeLinks();
      return;
    }
    const { overlay } = joined;
    overlay.onEvent((event) => {
      if (event.type === 'left') closeLinks();
    });
    overlay.leave(now);
  }

  // What comes from below, and time.

  /** What links, and calls with them, need at once. `hostAddressesChanged` is to follow. @param deprecated no more to be told to others, but still ours. */
  setHostAddresses(addresses: readonly string[], now: number, deprecated: readonly string[] = []): void {
    this.addresses.hosts = addresses;
    this.parts.links.setHostAddresses(addresses, now, deprecated);
  }

  /** Where others find this host, and what it is to the overlay. */
  hostAddressesChanged(now: number): void {
    const { finder, roles, meetings } = this.parts;
    finder.changed(now);
    this.parts.node.parts?.turnRecords.changed(now);
    roles.consider(now);
    meetings?.setHostAddresses(this.addresses.hosts, now);
  }

  /** As many as one turn of the event loop has time for; the data plane wakes us again for the rest. @returns whether there may be more */
  drainEvents(now: number): boolean {
    return takeTurn(this.dataPlane, this.clock, now, (event, at) => {
      const handled = this.components.guard.run(`event ${event.type}`, () => this.handleEvent(event, at));
      // A link that was made and that nobody knows would stay.
      if (!handled && (event.type === 'incoming' || event.type === 'connected')) this.dataPlane.closeLink(event.link);
    });
  }

  nextTimeout(): number | undefined {
    return this.machines.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.machines.handleTimeout(now);
  }

  private listen(): void {
    const { clock } = this;
    const { guard } = this.components;
    const { links, memberLinks, ties, entry, finder, roles, pathMtus } = this.parts;
    links.onEvent((event) => {
      guard.run(`link ${event.type}`, () => memberLinks.onLinkEvent(event, clock.monotonic()));
    });
    links.onReflexive((atOwnAddress) => {
      const now = clock.monotonic();
      entry.seen(atOwnAddress, now);
      finder.changed(now);
      this.parts.node.parts?.turnRecords.changed(now);
      roles.seen(atOwnAddress, now);
    });
    pathMtus.onPathMtu((bytes) => {
      this.handler({ type: 'pathMtu', bytes });
    });
    this.membership.onEvent((event, now) => ties.onMembershipEvent(event, now));
  }

  private handleEvent(event: DataPlaneEvent, now: number): void {
    const { pathMtus, resolver, calls, links } = this.parts;
    if (pathMtus.handleEvent(event, now)) return;
    switch (event.type) {
      case 'miss':
        resolver.miss(event.address, now);
        return;
      case 'unknown':
        calls.relink(event.remote, now);
        links.handleEvent(event, now);
        return;
      case 'foreign':
        this.handler({ type: 'foreign', data: event.data, remote: event.remote });
        return;
      case 'network':
        this.handler({ type: 'network' });
        return;
      case 'tunChanged':
        this.handler({ type: 'tunChanged' });
        return;
      case 'tunLost':
        this.handler({ type: 'tunLost' });
        return;
      default:
        links.handleEvent(event, now);
    }
  }

  // Our node of the overlay.

  /** Our role is decided. Who is told of our node may ask others through it; it learns of the links that are up already. */
  private makeNode(role: Role, now: number): OverlayNode {
    const { node, doubles, finder, ties, memberLinks, time } = this.parts;
    const made = node.make(role);
    this.ticketsChanged(now);
    const { overlay, roster } = made;
    doubles.watch(roster);
    finder.enter(overlay);
    ties.enter(made);
    overlay.onEvent((event, at) => {
      this.onOverlayEvent(event, overlay.role, at);
    });
    memberLinks.nodeMade(now);
    if (time.known) node.claim(now);
    return overlay;
  }

  private onOverlayEvent(event: OverlayEvent, role: Role, now: number): void {
    const { remember, roles, finder, entry, members, time, meetings, doubles, claims } = this.parts;
    for (const { hit, peer } of peersIn(event, role)) remember(hit, { peer });
    if (event.type === 'joined' || event.type === 'roleChanged') this.relayAs(role);
    if (event.type === 'joined') this.handler({ type: 'joined', role });
    else if (event.type === 'roleChanged') roles.changed(role, now);
    else if (event.type === 'seekPeer') finder.seek(event.nodeId, now);
    entry.onOverlayEvent(event, now);
    if (event.type === 'joined' && members.size === 0) time.alone(now);
    meetings?.consider(now);
    // Nobody could be asked before.
    if (event.type !== 'joined') return;
    doubles.entered(now);
    claims.joined(members.hits, now);
    this.membership.joined(now);
  }

  /** Peers hand on what members send each other; clients are not asked to, and do not. */
  private relayAs(role: Role): void {
    const { relayBytesPerSecond = RELAY_BYTES_PER_SECOND } = this.options;
    this.dataPlane.setRelay(role === 'peer' ? relayBytesPerSecond : 0);
  }
}
