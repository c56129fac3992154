import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { OverlayClock } from '../base/overlay-clock.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { Contact } from '../identity/contacts.ts';
import type { OpenTicket } from '../identity/enrollment-register.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { TrustStore, VerifiedPeer } from '../identity/trust-store.ts';
import type { Membership } from '../membership/membership.ts';
import type { Roster } from '../membership/roster.ts';
import { LinkManager } from '../link/link-manager.ts';
import type { TurnServiceOptions } from '../link/turn-service.ts';
import type { DataPlane, DataPlaneEvent } from '../native/data-plane.ts';
import type { OverlayEvent, OverlayRole } from '../overlay/events.ts';
import type { NameService } from '../overlay/naming.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import type { OverlaySettings } from '../overlay/settings.ts';
import { TimeKeeper, type TimePorts } from '../overlay/time-keeper.ts';
import { Resolver } from '../resolver/resolver.ts';
import type { MeetingPlace } from '../rendezvous/meeting-place.ts';
import { PathMtuDiscovery } from '../tunnel/path-mtu-discovery.ts';
import { Acquaintances, type Known, peersIn } from './acquaintances.ts';
import { allDone } from './all-done.ts';
import { Calls } from './calls.ts';
import { AWAY, type Double, Doubles } from './doubles.ts';
import type { EngineEvent } from './engine-events.ts';
import { Entry, type EntryPorts } from './entry.ts';
import { takeTurn } from './event-turn.ts';
import type { Guard } from './guard.ts';
import { Guests } from './guests.ts';
import { LinkedMembers } from './linked-members.ts';
import { MachineSet } from './machine-set.ts';
import { Meetings } from './meetings.ts';
import { MemberLinks } from './member-links.ts';
import { MembershipTies } from './membership-ties.ts';
import { overlayLinks } from './overlay-links.ts';
import { OwnAddresses } from './own-addresses.ts';
import { OwnNode } from './own-node.ts';
import { PeerClaims, type PeerClaimsPorts } from './peer-claims.ts';
import { PeerFinder } from './peer-finder.ts';
import { resolverPorts } from './resolver-ports.ts';
import { RoleKeeper } from './role-keeper.ts';
import type { TicketStart } from './ticket-addresses.ts';

export type { EngineEvent } from './engine-events.ts';
export type Role = OverlayRole;

export interface EngineComponents {
  readonly dataPlane: DataPlane;
  readonly identity: HostIdentity;
  readonly membership: Membership;
  readonly trust: TrustStore;
  readonly overlay: OverlaySettings;
  /** Where members find each other without an address; none: nowhere. */
  readonly places?: readonly MeetingPlace[];
  /** Tickets of ours that are neither used up nor expired. */
  readonly openTickets?: (wallNow: number) => readonly OpenTicket[];
  readonly random: Random;
  readonly clock: OverlayClock;
  readonly logger: Logger;
  readonly guard: Guard;
}

export interface EngineOptions {
  /** `auto`: a peer when others see us at an address of our own, a client behind a NAT. */
  readonly role: Role | 'auto';
  /** We created this overlay: when no peer is known or answers, we are its first peer (again). */
  readonly founder: boolean;
  /** Addresses from the ticket. */
  readonly start: readonly SocketAddress[];
  /** Peers known from before. */
  readonly contacts: readonly Contact[];
  /** CIDR. */
  readonly ipv4Prefix: string;
  /** The IPv4 address that we claimed in a former life. */
  readonly ipv4: string | undefined;
  /** What members derive the keys from under which they meet; absent: they do not. */
  readonly rendezvousSecret?: Uint8Array | null;
  /** Where streams are accepted. */
  readonly streams?: readonly SocketAddress[];
  /** Links to other clients send nothing while they carry nothing. Absent: they are kept. */
  readonly sleep?: boolean;
  /** Bytes a second that a peer hands on between other members; 0: none. Absent: the default. */
  readonly relayBytesPerSecond?: number;
  /** This host as a TURN server; absent: it is none. */
  readonly turnServer?: TurnServiceOptions;
}

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
  readonly links: LinkManager;
  readonly resolver: Resolver;
  readonly membership: Membership;
  readonly hit: Hit;
  readonly clock: OverlayClock;
  readonly finder: PeerFinder;
  /** Where others can come to us; `finder.changed` after a change. */
  readonly addresses: OwnAddresses;

  private readonly components: EngineComponents;
  private readonly options: EngineOptions;
  private readonly dataPlane: DataPlane;
  private readonly guard: Guard;
  private readonly machines: MachineSet;
  // Links, and whom they lead to.
  private readonly pathMtus: PathMtuDiscovery;
  private readonly acquaintances: Acquaintances;
  private readonly members = new LinkedMembers();
  private readonly guests: Guests;
  private readonly claims: PeerClaims;
  private readonly calls: Calls;
  private readonly memberLinks: MemberLinks;
  // Our place in the overlay.
  private readonly node: OwnNode;
  private readonly entry: Entry;
  private readonly roles: RoleKeeper;
  private readonly time: TimeKeeper;
  private readonly doubles: Doubles;
  private readonly ties: MembershipTies;
  /** Undefined: members meet nowhere. */
  private readonly meetings: Meetings | undefined;
  private handler: (event: EngineEvent) => void = () => {};

  constructor(components: EngineComponents, options: EngineOptions) {
    const { dataPlane, identity, membership, trust, random, clock, logger, guard } = components;
    this.components = components;
    this.options = options;
    this.dataPlane = dataPlane;
    this.hit = identity.hit;
    this.clock = clock;
    this.guard = guard;
    this.membership = membership;
    this.machines = new MachineSet({ guard, machines: () => this.machinesNow() });
    const { role, founder, ipv4, ipv4Prefix, rendezvousSecret: secret } = options;
    const returning = ipv4 !== undefined;
    const remember = (hit: Hit, known: Known): void => this.remember(hit, known);
    const timeIsKnown = (): boolean => this.time.known;

    // Whom we know, and links to them.
    this.acquaintances = new Acquaintances({ self: this.hit, start: options.start, contacts: options.contacts });
    this.claims = new PeerClaims({ ports: this.claimsPorts() }, { ipv4Prefix });
    for (const contact of options.contacts)
      if (contact.ipv4 !== null && !membership.revoked.has(contact.hit))
        this.claims.addresses.set(contact.hit, contact.ipv4);
    this.links = new LinkManager({
      dataPlane,
      verifyPeer: (chain, wallNow) => trust.verify(chain, wallNow, { anyTime: !timeIsKnown() }),
      selfHit: this.hit,
      isPeer: (hit) => this.acquaintances.isPeer(hit),
      // By links to peers the overlay is reached, and the other end found.
      maySleep: (hit) => options.sleep === true && this.overlay?.role === 'client' && !this.acquaintances.isPeer(hit),
      streamsOf: (hit) => this.acquaintances.streamsOf(hit),
      ...(options.turnServer !== undefined && { turnServer: options.turnServer }),
      random,
      clock,
      logger,
    });
    this.pathMtus = new PathMtuDiscovery({ dataPlane });
    this.addresses = new OwnAddresses(
      { links: this.links, port: () => dataPlane.port },
      { streams: options.streams ?? [] },
    );
    const { acquaintances, claims, links, addresses, members } = this;
    this.guests = new Guests(
      { links, membership, timeIsKnown, random, logger, answered: () => this.ticketsChanged(clock.monotonic()) },
      { overlay: components.overlay.name },
    );
    this.finder = new PeerFinder({
      links,
      members,
      acquaintances,
      addresses,
      ports: {
        timeIsKnown,
        wall: () => clock.wall(),
        dial: (...call) => void this.calls.dial(...call),
        learned: (contact) => this.handler({ type: 'contact', contact }),
      },
      random,
      logger,
    });

    // Our place in the overlay.
    this.node = new OwnNode(
      {
        identity,
        membership,
        trust,
        configuration: components.overlay,
        links: overlayLinks(links, (hit) => this.linkAsked(hit)),
        random,
        clock,
        logger,
        timeIsKnown,
        ipv4Claimed: (address) => this.ipv4Claimed(address),
      },
      { ipv4Prefix, ipv4 },
    );
    this.entry = new Entry({ ports: this.entryPorts(), random, self: this.hit }, { role, founder, returning });
    this.roles = new RoleKeeper(
      {
        node: () => (this.doubles.isAway ? undefined : this.overlay),
        standing: (now) => links.standing(now),
        random,
        logger,
      },
      { role, founder, returning },
    );
    this.time = new TimeKeeper({ clock, ports: this.timePorts(), logger });
    this.doubles = new Doubles({
      logger,
      hasLinks: () => members.size > 0,
      leave: (now) => {
        this.memberLinks.leave(AWAY, now);
        this.entry.stop();
        // Calls that our node made when it heard of it.
        links.closeAll(AWAY);
      },
      enter: (now) => this.entry.linkDown(now),
      tell: (double) => this.handler({ type: 'double', double }),
    });

    // Who asks for links, and who is told of them and of what becomes of our membership.
    const { guests, finder, node, entry, time, doubles } = this;
    const calls = new Calls({ links, node, doubles, finder, acquaintances });
    const authorize = (hit: Hit): void => this.memberLinks.authorize(hit);
    const resolver = new Resolver({
      ports: resolverPorts({ dataPlane, links, node, claims, calls, authorize }),
      logger,
    });
    const { places } = components;
    if (secret !== undefined && secret !== null && places !== undefined)
      this.meetings = new Meetings(
        { places, links, members, acquaintances, node, entry, calls, random, clock },
        { secret },
      );
    this.calls = calls;
    this.resolver = resolver;
    const { meetings } = this;
    const memberLinks = new MemberLinks({
      ...{ dataPlane, links, members, membership, guests, node, doubles, resolver, time, entry, finder, claims },
      ...{ meetings, calls, clock, logger, remember },
    });
    this.memberLinks = memberLinks;
    this.ties = new MembershipTies({
      ...{ dataPlane, identity, membership, links, members, memberLinks, guests, node, claims, entry, acquaintances },
      ...{ clock, remember },
      revoked: () => this.handler({ type: 'revoked' }),
    });
    this.listen();
  }

  onEvent(handler: (event: EngineEvent) => void): void {
    this.handler = handler;
  }

  // What is known.

  /** Undefined until our role is decided. */
  get overlay(): OverlayNode | undefined {
    return this.node.overlay;
  }

  get names(): NameService | undefined {
    return this.node.names;
  }

  /** The overlay's list of members. */
  get roster(): Roster | undefined {
    return this.node.roster;
  }

  /** Another agent that has this host's key, as far as is known. */
  get double(): Double | undefined {
    return this.doubles.known;
  }

  /** Members that are linked now, with what their certificates say. */
  get linkedMembers(): ReadonlyMap<Hit, VerifiedPeer> {
    return this.members.all;
  }

  /** Our overlay IPv4 address, claimed now or in a former life. */
  get ipv4(): string | undefined {
    return this.node.ipv4;
  }

  /** Whom we remember. */
  get contacts(): readonly Contact[] {
    return this.acquaintances.all();
  }

  /** Why we are not in the overlay yet, for a person; undefined: we are. */
  get why(): string | undefined {
    return this.entry.why;
  }

  /** The user of a linked or known member. */
  userOf(hit: Hit): string | null {
    return this.members.all.get(hit)?.user ?? this.acquaintances.byHit(hit)?.user ?? null;
  }

  /** Who has a name: also what we remember. */
  holdersOf(user: string, now: number, done: (hits: readonly Hit[] | undefined, now: number) => void): void {
    this.ties.holdersOf(user, now, done);
  }

  /** A member whose link is up, with what its certificate and its claim say: known without the overlay. */
  linkedMember(
    wanted: { readonly hit: Hit } | { readonly user: string } | { readonly ipv4: string },
  ): Member | undefined {
    const { addresses } = this.claims;
    for (const [hit, { user }] of this.members.all) {
      const ipv4 = addresses.ipv4Of(hit);
      const meant =
        'hit' in wanted ? wanted.hit === hit : 'user' in wanted ? wanted.user === user : wanted.ipv4 === ipv4;
      if (meant && this.links.isUp(hit)) return { hit, user, ipv4 };
    }
    return undefined;
  }

  // From the first packet to the last.

  /** Host addresses must be known before: `setHostAddresses`. */
  start(now: number): void {
    this.dataPlane.setLocalAddresses(this.hit, this.options.ipv4 ?? null);
    this.time.start(now);
    this.membership.start(now);
    if (this.membership.state === 'revoked') return;
    this.ties.showCertificates();
    this.entry.start(now);
    this.roles.start(now);
    this.ticketsChanged(now);
    this.meetings?.consider(now);
  }

  /** Where a newcomer is to start from: at this host, or at any peer that leads there. */
  ticketAddresses(now: number): TicketStart {
    const peers = this.acquaintances.peersFor({
      isLinked: (hit) => this.links.isUp(hit),
      isGone: (hit) => this.membership.revoked.has(hit),
    });
    const others = peers.filter((address) => !this.links.isOwn(address));
    return this.addresses.forNewcomers(this.links.standing(now).type, others);
  }

  /** A ticket was made, used or withdrawn; or our node was made. */
  ticketsChanged(now: number): void {
    const wallNow = this.clock.wall();
    const tickets = this.components.openTickets?.(wallNow) ?? [];
    this.meetings?.expect(tickets, now);
    if (this.membership.inviting === undefined) return;
    const names = tickets.flatMap(({ user, expiresAt }) =>
      user === null ? [] : [{ user, lifetimeS: (expiresAt - wallNow) / 1000 }],
    );
    this.node.parts?.reservations.keep(names, now);
  }

  /**
   * Before `stop`, for good: what others may have from now on is given back to the overlay.
   * @param done whether nothing of it is left, as soon as that is known.
   */
  resign(now: number, done: (complete: boolean) => void): void {
    const { membership } = this;
    const joined = this.doubles.isAway ? undefined : this.node.joined;
    if (joined === undefined) {
      done(false);
      return;
    }
    const parts = [joined.names, joined.roster, this.finder].map((part) => part.giveBack.bind(part, now));
    allDone([...parts, (answered) => membership.resign(now, answered)], done);
  }

  /** Hands over what we store; `done` when the neighbours have it and the links are closed. */
  stop(now: number, done: () => void): void {
    this.entry.stop();
    this.meetings?.stop();
    this.membership.stop();
    const closeLinks = (): void => {
      this.links.stop('we stop');
      done();
    };
    const joined = this.doubles.isAway ? undefined : this.node.joined;
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

  /** @param deprecated no more to be told to others, but still ours. */
  setHostAddresses(addresses: readonly string[], now: number, deprecated: readonly string[] = []): void {
    this.addresses.hosts = addresses;
    this.links.setHostAddresses(addresses, now, deprecated);
    this.finder.changed(now);
    this.roles.consider(now);
    this.meetings?.setHostAddresses(addresses, now);
  }

  /** As many as one turn of the event loop has time for; the data plane wakes us again for the rest. */
  drainEvents(now: number): void {
    takeTurn(this.dataPlane, this.clock, now, (event, at) => {
      const handled = this.guard.run(`event ${event.type}`, () => this.handleEvent(event, at));
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

  private machinesNow(): Record<string, Timed> {
    const { links, resolver, entry, roles, time, claims, pathMtus, membership, meetings, finder, node, doubles } = this;
    const meeting = meetings === undefined ? {} : { meetings };
    // Out of the overlay for another agent's sake, our node rests: it would call whom it has lost.
    const inside = doubles.isAway ? {} : node.parts;
    return {
      links,
      resolver,
      entry,
      roles,
      time,
      claims,
      pathMtus,
      membership,
      finder,
      doubles,
      ...meeting,
      ...inside,
    };
  }

  private listen(): void {
    const { links, memberLinks, ties, clock, guard } = this;
    links.onEvent((event) => {
      guard.run(`link ${event.type}`, () => memberLinks.onLinkEvent(event, clock.monotonic()));
    });
    links.onReflexive((atOwnAddress) => {
      const now = clock.monotonic();
      this.entry.seen(atOwnAddress, now);
      this.finder.changed(now);
      this.roles.seen(atOwnAddress, now);
    });
    this.pathMtus.onPathMtu((bytes) => {
      this.handler({ type: 'pathMtu', bytes });
    });
    this.membership.onEvent((event, now) => ties.onMembershipEvent(event, now));
  }

  private handleEvent(event: DataPlaneEvent, now: number): void {
    if (this.pathMtus.handleEvent(event, now)) return;
    switch (event.type) {
      case 'miss':
        this.resolver.miss(event.address, now);
        return;
      case 'unknown':
        this.calls.relink(event.remote, now);
        this.links.handleEvent(event, now);
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
        this.links.handleEvent(event, now);
    }
  }

  // Our node of the overlay.

  /** Our role is decided. Who is told of our node may ask others through it; it learns of the links that are up already. */
  private makeNode(role: Role, now: number): OverlayNode {
    const parts = this.node.make(role);
    this.ticketsChanged(now);
    const { overlay, roster } = parts;
    this.doubles.watch(roster);
    this.finder.enter(overlay);
    this.ties.enter(parts);
    overlay.onEvent((event, at) => {
      this.onOverlayEvent(event, overlay.role, at);
    });
    this.memberLinks.nodeMade(now);
    if (this.time.known) this.node.claim(now);
    return overlay;
  }

  private onOverlayEvent(event: OverlayEvent, role: Role, now: number): void {
    for (const { hit, peer } of peersIn(event, role)) this.remember(hit, { peer });
    if (event.type === 'joined' || event.type === 'roleChanged') this.relayAs(role);
    if (event.type === 'joined') this.handler({ type: 'joined', role });
    else if (event.type === 'roleChanged') this.roles.changed(role, now);
    else if (event.type === 'seekPeer') this.finder.seek(event.nodeId, now);
    this.entry.onOverlayEvent(event, now);
    if (event.type === 'joined' && this.members.size === 0) this.time.alone(now);
    this.meetings?.consider(now);
    // Nobody could be asked before.
    if (event.type !== 'joined') return;
    this.doubles.entered(now);
    this.claims.joined(this.members.hits, now);
    this.membership.joined(now);
  }

  /** Peers hand on what members send each other; clients are not asked to, and do not. */
  private relayAs(role: Role): void {
    const { relayBytesPerSecond = RELAY_BYTES_PER_SECOND } = this.options;
    this.dataPlane.setRelay(role === 'peer' ? relayBytesPerSecond : 0);
  }

  private ipv4Claimed(address: string): void {
    this.dataPlane.setLocalAddresses(this.hit, address);
    this.handler({ type: 'ipv4', address });
  }

  /** Who asks for a link may send from its IPv4 address as soon as it is up: its claim is looked up meanwhile. */
  private linkAsked(hit: Hit): void {
    const isKnown = this.members.has(hit) || this.claims.addresses.ipv4Of(hit) !== undefined;
    if (!isKnown) this.claims.lookupSoon(hit, this.clock.monotonic());
  }

  private remember(hit: Hit, known: Known): void {
    const contact = this.acquaintances.remember(hit, known, this.clock.wall());
    if (contact !== undefined) this.handler({ type: 'contact', contact });
  }

  // What the parts ask of each other.

  private entryPorts(): EntryPorts {
    return {
      dial: (remote, now) => void this.calls.dial(remote, now),
      // A founder that is alone knows only clients, which are no way in.
      startAddresses: () => this.acquaintances.startAddresses({ onlyPeers: this.options.founder }),
      strangers: () => this.acquaintances.peerAddresses((hit) => this.members.has(hit)),
      node: () => this.overlay,
      roleGuessed: (now) => this.roles.guessed(now),
      entersRingLater: (now) => this.roles.entersLater(now),
      makeNode: (role, now) => this.makeNode(role, now),
      nodeStarted: (now) => this.node.receiveEarly(now),
      members: () => this.members.hits,
      isPeer: (hit) => this.acquaintances.isPeer(hit),
      takesPlace: (now) => this.roles.takePlace(now),
      stoodAlone: (now) => this.finder.callBack(now),
      wayInFound: (now) => {
        this.names?.refresh(now);
      },
    };
  }

  private timePorts(): TimePorts {
    return {
      ask: (hit, now, done) => {
        if (this.overlay === undefined) done(undefined, now);
        else this.overlay.timeOf(hit, now, done);
      },
      known: (now) => {
        this.memberLinks.judge();
        this.node.claim(now);
        this.finder.changed(now);
      },
      corrected: (now) => {
        this.memberLinks.judge();
        this.names?.refresh(now);
      },
    };
  }

  private claimsPorts(): PeerClaimsPorts {
    return {
      names: () => this.node.joined?.names,
      isLinked: (hit) => this.members.has(hit),
      changed: (hit, ipv4) => {
        if (this.members.has(hit)) this.memberLinks.authorize(hit);
        this.remember(hit, { ipv4 });
      },
    };
  }
}
