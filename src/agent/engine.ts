import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { OverlayClock } from '../base/overlay-clock.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { Contact } from '../identity/contacts.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { TrustStore, VerifiedPeer } from '../identity/trust-store.ts';
import type { Membership, MembershipEvent } from '../membership/membership.ts';
import { Roster } from '../membership/roster.ts';
import { LinkManager, type LinkEvent } from '../link/link-manager.ts';
import type { DataPlane, DataPlaneEvent } from '../native/data-plane.ts';
import type { OverlayEvent } from '../overlay/events.ts';
import { NameService } from '../overlay/naming.ts';
import { OverlayNode } from '../overlay/overlay-node.ts';
import type { CertificateVerifier } from '../overlay/security/certificate-cache.ts';
import type { OverlaySettings } from '../overlay/settings.ts';
import { TimeKeeper, type TimePorts } from '../overlay/time-keeper.ts';
import { Resolver, type ResolverPorts, type ResolverResult } from '../resolver/resolver.ts';
import type { MeetingPlace } from '../rendezvous/meeting-place.ts';
import type { OpenTicket } from '../rendezvous/rendezvous.ts';
import { PathMtuDiscovery } from '../tunnel/path-mtu-discovery.ts';
import { Meetings, type MeetingPorts, type Situation } from './meetings.ts';
import { Acquaintances, type Known, peersIn } from './acquaintances.ts';
import { allDone } from './all-done.ts';
import { AWAY, type Double, Doubles } from './doubles.ts';
import { Entry, type EntryPorts } from './entry.ts';
import { takeTurn } from './event-turn.ts';
import type { Guard } from './guard.ts';
import { Guests } from './guests.ts';
import { LinkedMembers } from './linked-members.ts';
import { MachineSet } from './machine-set.ts';
import { overlayLinks } from './overlay-links.ts';
import { OwnAddresses } from './own-addresses.ts';
import { PeerClaims, type PeerClaimsPorts } from './peer-claims.ts';
import { PeerFinder } from './peer-finder.ts';
import { RoleKeeper } from './role-keeper.ts';

// Implementation constants.

/** Messages that came before our role was decided, half a second at most; each is no longer than the overlay allows. */
const MAX_EARLY_MESSAGES = 64;

export type Role = 'peer' | 'client';

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
}

export interface Member {
  readonly hit: Hit;
  readonly user: string | null;
  readonly ipv4: string | undefined;
}

export type EngineEvent =
  | { readonly type: 'joined'; readonly role: Role }
  /** Our overlay IPv4 address is claimed. */
  | { readonly type: 'ipv4'; readonly address: string }
  /** The host's addresses may have changed: to be read anew and given to `setHostAddresses`. */
  | { readonly type: 'network' }
  /** Someone deleted the TUN: programs are cut off until the agent starts again. */
  | { readonly type: 'tunLost' }
  /** A path of some link carries datagrams of so many bytes. */
  | { readonly type: 'pathMtu'; readonly bytes: number }
  /** A datagram of BitTorrent's DHT. */
  | { readonly type: 'foreign'; readonly data: Uint8Array; readonly remote: SocketAddress }
  /** Another agent has this host's key; the one that was started later, `isAway`, stays out of the overlay. Undefined: no more. */
  | { readonly type: 'double'; readonly double: Double | undefined }
  /** We are no member of the overlay any more: nobody links with us. */
  | { readonly type: 'revoked' }
  /** What we know of a peer changed; to be kept for the next start. */
  | { readonly type: 'contact'; readonly contact: Contact };

/**
 * The agent without its sockets: composes links, overlay, names and resolver over a DataPlane. The same code runs in the agent
 * and, over a simulated data plane in virtual time, in test/scenario.
 */
export class Engine implements Timed {
  readonly links: LinkManager;
  readonly resolver: Resolver;
  readonly membership: Membership;
  readonly hit: Hit;

  private readonly components: EngineComponents;
  private readonly dataPlane: DataPlane;
  readonly clock: OverlayClock;
  private readonly logger: Logger;
  private readonly options: EngineOptions;
  /** From the moment that our role is decided. */
  private node: { readonly overlay: OverlayNode; readonly names: NameService; readonly roster: Roster } | undefined;
  private readonly doubles: Doubles;
  private readonly acquaintances: Acquaintances;
  private readonly claims: PeerClaims;
  private readonly entry: Entry;
  readonly finder: PeerFinder;
  /** Where others can come to us; `addressesChanged` after a change. */
  readonly addresses: OwnAddresses;
  private readonly roles: RoleKeeper;
  private readonly time: TimeKeeper;
  private readonly meetings: Meetings | undefined;
  private readonly pathMtus: PathMtuDiscovery;
  private readonly guests: Guests;
  private readonly members = new LinkedMembers();
  private readonly guard: Guard;
  private readonly machines: MachineSet;
  /** What came before our node was there: a peer tells of itself as soon as the link is up. */
  private early: { readonly hit: Hit; readonly data: Uint8Array }[] = [];
  private handler: (event: EngineEvent) => void = () => {};

  constructor(components: EngineComponents, options: EngineOptions) {
    const { dataPlane, identity, random, clock, logger, guard } = components;
    this.components = components;
    this.dataPlane = dataPlane;
    this.hit = identity.hit;
    this.clock = clock;
    this.logger = logger;
    this.guard = guard;
    this.options = options;
    this.machines = new MachineSet({ guard, machines: () => this.machinesNow() });
    this.acquaintances = new Acquaintances({ self: this.hit, start: options.start, contacts: options.contacts });
    this.claims = new PeerClaims({ ports: this.claimsPorts() }, { ipv4Prefix: options.ipv4Prefix });
    for (const { hit, ipv4 } of options.contacts)
      if (ipv4 !== null && !components.membership.revoked.has(hit)) this.claims.addresses.set(hit, ipv4);
    this.links = new LinkManager({
      dataPlane,
      verifyPeer: (chain, wallNow) => components.trust.verify(chain, wallNow, { anyTime: !this.time.known }),
      selfHit: identity.hit,
      random,
      clock,
      logger,
    });
    this.addresses = new OwnAddresses({ links: this.links, port: () => dataPlane.port });
    this.finder = new PeerFinder({
      links: this.links,
      members: this.members,
      acquaintances: this.acquaintances,
      addresses: this.addresses,
      ports: {
        timeIsKnown: () => this.time.known,
        wall: () => clock.wall(),
        dial: (...call) => void this.dial(...call),
        learned: (contact) => this.handler({ type: 'contact', contact }),
      },
      random,
      logger,
    });
    this.resolver = new Resolver({ ports: this.resolverPorts(), logger });
    const { role, founder, ipv4 } = options;
    const returning = ipv4 !== undefined;
    this.entry = new Entry({ ports: this.entryPorts(), random, self: this.hit }, { role, founder, returning });
    this.roles = new RoleKeeper(
      {
        node: () => (this.doubles.isAway ? undefined : this.overlay),
        standing: (now) => this.links.standing(now),
        random,
        logger,
      },
      { role, founder, returning },
    );
    this.time = new TimeKeeper({ clock, ports: this.timePorts(), logger });
    const { rendezvousSecret: secret } = options;
    if (secret !== undefined && secret !== null && components.places !== undefined)
      this.meetings = new Meetings(
        { places: components.places, ports: this.meetingPorts(), random, clock },
        { secret },
      );
    this.pathMtus = new PathMtuDiscovery({ dataPlane });
    this.pathMtus.onPathMtu((bytes) => {
      this.handler({ type: 'pathMtu', bytes });
    });
    this.links.onEvent((event) => {
      guard.run(`link ${event.type}`, () => this.onLinkEvent(event));
    });
    this.membership = components.membership;
    this.guests = new Guests(
      {
        links: this.links,
        membership: this.membership,
        random,
        logger,
        answered: () => this.ticketsChanged(this.clock.monotonic()),
      },
      { overlay: components.overlay.name },
    );
    this.doubles = new Doubles({
      logger,
      hasLinks: () => this.members.size > 0,
      leave: (now) => {
        this.leaveLinks(AWAY, now);
        this.entry.stop();
        // Calls that our node made when it heard of it.
        this.links.closeAll(AWAY);
      },
      enter: (now) => this.entry.linkDown(now),
      tell: (double) => this.handler({ type: 'double', double }),
    });
    this.membership.onEvent((event, now) => this.onMembershipEvent(event, now));
    this.links.onReflexive((atOwnAddress) => {
      const now = this.clock.monotonic();
      this.entry.seen(atOwnAddress, now);
      this.finder.changed(now);
      this.roles.seen(atOwnAddress, now);
    });
  }

  onEvent(handler: (event: EngineEvent) => void): void {
    this.handler = handler;
  }

  /** Undefined until our role is decided. */
  get overlay(): OverlayNode | undefined {
    return this.node?.overlay;
  }

  get names(): NameService | undefined {
    return this.node?.names;
  }

  /** The overlay's list of members. */
  get roster(): Roster | undefined {
    return this.node?.roster;
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
    return this.names?.ipv4 ?? this.options.ipv4;
  }

  /** Whom we remember. */
  get contacts(): readonly Contact[] {
    return this.acquaintances.all();
  }

  /** The user of a linked or known member. */
  userOf(hit: Hit): string | null {
    return this.members.all.get(hit)?.user ?? this.acquaintances.byHit(hit)?.user ?? null;
  }

  /** Why we are not in the overlay yet, for a person; undefined: we are. */
  get why(): string | undefined {
    return this.entry.why;
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

  /** Host addresses must be known before: `setHostAddresses`. */
  start(now: number): void {
    this.dataPlane.setLocalAddresses(this.hit, this.options.ipv4 ?? null);
    this.time.start(now);
    this.membership.start(now);
    if (this.membership.state === 'revoked') return;
    this.dataPlane.setCredentials(this.membership.certificates, this.components.identity.pkcs8);
    this.entry.start(now);
    this.roles.start(now);
    this.ticketsChanged(now);
    this.meetings?.consider(now);
  }

  /** A ticket was made. */
  ticketsChanged(now: number): void {
    this.meetings?.expect(this.components.openTickets?.(this.clock.wall()) ?? [], now);
  }

  /**
   * Before `stop`, for good: what others may have from now on is given back to the overlay.
   * @param done whether nothing of it is left, as soon as that is known.
   */
  resign(now: number, done: (complete: boolean) => void): void {
    const { overlay, node, membership } = this;
    if (node === undefined || overlay?.state !== 'joined' || this.doubles.isAway) {
      done(false);
      return;
    }
    const parts = [node.names, node.roster, this.finder].map((part) => part.giveBack.bind(part, now));
    allDone([...parts, (answered) => membership.resign(now, answered)], done);
  }

  /** Hands over what we store; `done` when the neighbours have it and the links are closed. */
  stop(now: number, done: () => void): void {
    this.entry.stop();
    this.meetings?.stop();
    this.membership.stop(now);
    const closeLinks = (): void => {
      this.links.closeAll('we stop');
      done();
    };
    const { overlay } = this;
    if (overlay?.state !== 'joined' || this.doubles.isAway) {
      closeLinks();
      return;
    }
    overlay.onEvent((event) => {
      if (event.type === 'left') closeLinks();
    });
    overlay.leave(now);
  }

  setHostAddresses(addresses: readonly string[], now: number): void {
    this.addresses.hosts = addresses;
    this.links.setHostAddresses(addresses, now);
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
    const inside = doubles.isAway ? {} : node;
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

  private handleEvent(event: DataPlaneEvent, now: number): void {
    if (this.pathMtus.handleEvent(event, now)) return;
    switch (event.type) {
      case 'miss':
        this.resolver.miss(event.address, now);
        return;
      case 'unknown':
        this.relink(event.remote, now);
        this.links.handleEvent(event, now);
        return;
      case 'foreign':
        this.handler({ type: 'foreign', data: event.data, remote: event.remote });
        return;
      case 'network':
        this.handler({ type: 'network' });
        return;
      case 'tunLost':
        this.handler({ type: 'tunLost' });
        return;
      default:
        this.links.handleEvent(event, now);
    }
  }

  private onLinkEvent(event: LinkEvent): void {
    const now = this.clock.monotonic();
    switch (event.type) {
      case 'up':
        if (this.doubles.isAway) {
          this.links.close(event.hit, AWAY);
          return;
        }
        this.meetings?.linked(event.hit);
        if (!event.peer.member) return;
        // Others may take us for a guest; or our clock is wrong, and they do not.
        if (this.membership.lapsed) this.guests.ask(event.hit);
        if (!this.isGuest) this.memberUp(event, now);
        return;
      case 'mended':
        if (this.members.has(event.hit)) this.memberMended(event.hit, now);
        return;
      case 'silent':
        this.overlay?.silent(event.hit, now);
        return;
      case 'doubtful':
        this.overlay?.doubtful(event.hit, now);
        return;
      case 'down':
        if (event.byPeer && this.members.has(event.hit)) this.doubles.suspect(event.hit, now);
        this.memberDown(event.hit, now);
        return;
      case 'double':
        this.doubles.met(event.remote, now);
        return;
      case 'message':
        if (!event.member) this.guests.answer(event.hit, event.data, now);
        else if (!this.membership.lapsed || !this.membership.answeredAsGuest(event.data, now))
          this.receiveMessage(event.hit, event.data, now);
        return;
      case 'path':
        if (this.members.has(event.hit)) this.remember(event.hit, { locators: [event.path.remote] });
        return;
      case 'needsRestart':
        this.meetings?.consider(now);
        this.connect(event.hit, now, (result) => {
          if (!result.ok) this.logger.debug('restart failed', { nodeId: event.hit, reason: result.reason });
        });
        return;
      case 'connectFailed':
        this.logger.debug('connect failed', { addr: formatSocketAddress(event.remote), reason: event.reason });
    }
  }

  private receiveMessage(hit: Hit, data: Uint8Array, now: number): void {
    const { overlay } = this;
    if (overlay !== undefined) overlay.receive(hit, data, now);
    else if (this.early.length < MAX_EARLY_MESSAGES) this.early.push({ hit, data: data.slice() });
  }

  private memberUp({ hit, peer, replaced }: LinkEvent & { type: 'up' }, now: number): void {
    const { overlay, names } = this;
    this.members.add(hit, peer, now);
    this.membership.inviting?.sawMember(peer, this.clock.wall());
    this.authorize(hit);
    overlay?.linkUp(hit, now);
    // First of all that is asked: the link may be another agent's in a moment.
    this.doubles.linkUp(now);
    if (overlay !== undefined) this.membership.linkUp(hit, now);
    this.resolver.linkUp(hit, now);
    if (overlay !== undefined) this.time.linkUp(hit, now);
    this.entry.linkUp(hit, now);
    this.finder.linkUp(hit);
    // It was started anew, perhaps with nothing in its storage.
    const keeper = overlay?.responsiblePeer;
    // While it was silent a client has had none, or has none yet.
    if (replaced && (keeper === hit || (overlay?.role === 'client' && keeper === undefined))) names?.refresh(now);
    this.claims.linkUp(hit, now);
    // The path was selected before the handshake on it was done.
    const remote = this.links.remoteOf(hit);
    this.remember(hit, { user: peer.user, ...(remote !== undefined && { locators: [remote] }) });
    this.meetings?.consider(now);
  }

  /** Nothing of what it knows, and of what is known of it, is in doubt. */
  private memberMended(hit: Hit, now: number): void {
    this.overlay?.linkMended(hit, now);
    this.resolver.linkUp(hit, now);
    this.entry.linkUp(hit, now);
    this.meetings?.consider(now);
  }

  private memberDown(hit: Hit, now: number): void {
    // Also for an attempt that failed: whoever waits for it is told.
    this.overlay?.linkDown(hit, now);
    this.time.linkDown(hit);
    this.membership.linkDown(hit);
    this.resolver.linkDown(hit, now);
    if (this.members.remove(hit)) this.entry.linkDown(now);
    this.meetings?.consider(now);
  }

  private authorize(hit: Hit): void {
    const link = this.links.dataPlaneLinkOf(hit);
    if (link !== undefined) this.dataPlane.authorize(link, hit, this.claims.addresses.ipv4Of(hit) ?? null);
  }

  // The overlay

  private entryPorts(): EntryPorts {
    return {
      dial: (remote, now) => void this.dial(remote, now),
      // A founder that is alone knows only clients, which are no way in.
      startAddresses: () => this.acquaintances.startAddresses({ onlyPeers: this.options.founder }),
      strangers: () => this.acquaintances.peerAddresses((hit) => this.members.has(hit)),
      node: () => this.overlay,
      roleGuessed: (now) => this.roles.guessed(now),
      entersRingLater: (now) => this.roles.entersLater(now),
      makeNode: (role, now) => this.makeNode(role, now),
      nodeStarted: (now) => {
        for (const { hit, data } of this.early.splice(0)) this.overlay?.receive(hit, data, now);
      },
      members: () => this.members.hits,
      isPeer: (hit) => this.acquaintances.isPeer(hit),
      takesPlace: (now) => this.roles.takePlace(now),
      stoodAlone: (now) => this.finder.callBack(now),
      wayInFound: (now) => {
        this.names?.refresh(now);
      },
    };
  }

  private meetingPorts(): MeetingPorts {
    return {
      situation: () => this.situation(),
      isOwn: (address) => this.links.isOwn(address),
      isLinked: (hit) => this.links.isUp(hit),
      remoteOf: (hit) => this.links.remoteOf(hit),
      dial: (address, now) => {
        if (!this.entry.searching) return this.dial(address, now);
        this.entry.found(address, now);
        return true;
      },
    };
  }

  private situation(): Situation {
    const { overlay, entry, members } = this;
    if (entry.searching || overlay?.state !== 'joined') return 'searching';
    // Links that are being mended count as none: the only peer may have moved.
    const isClient = overlay.role === 'client';
    const isHeld = members.some((hit) => this.links.isUp(hit) && (!isClient || this.acquaintances.isPeer(hit)));
    if (isClient) return isHeld ? 'client' : 'searching';
    return isHeld ? 'peer' : 'alone';
  }

  /** Makes our node of the overlay; it learns of the links that are up already. */
  private makeNode(role: Role, now: number): OverlayNode {
    const { identity, overlay: configuration, random } = this.components;
    const { clock, logger, membership } = this;
    const trust: CertificateVerifier = {
      verifyMember: (chain, wallNow) =>
        this.components.trust.verifyMember(chain, wallNow, { anyTime: !this.time.known }),
    };
    const overlay = new OverlayNode(
      {
        identity,
        certificates: membership.messageChain,
        trust,
        configuration,
        // Who asks for one may send from its IPv4 address as soon as it is up: its claim is looked up meanwhile.
        links: overlayLinks(this.links, (hit) => {
          const isKnown = this.members.has(hit) || this.claims.addresses.ipv4Of(hit) !== undefined;
          if (!isKnown) this.claims.lookupSoon(hit, this.clock.monotonic());
        }),
        random,
        clock,
        logger,
        acceptConfiguration: membership.acceptConfiguration,
        experimental: membership.answer,
        mayEnter: () => this.time.known,
      },
      { role },
    );
    const names = new NameService({ overlay, clock, logger });
    const roster = new Roster({ overlay, clock, logger });
    this.node = { overlay, names, roster };
    this.doubles.watch(roster);
    this.finder.enter(overlay);
    membership.enter({
      node: overlay,
      holdersOf: (user, at, done) => this.holdersOf(user, at, done),
      formerHoldersOf: (user, at, done) => {
        names.lookupFormerHosts(user, at, (result, later) => done(result.ok ? result.value : [], later));
      },
    });
    overlay.onEvent((event, at) => {
      this.onOverlayEvent(event, overlay.role, at);
    });
    names.onEvent((event) => {
      if (event.type === 'ipv4Claimed') this.ownIpv4(event.address);
      else if (event.type === 'ipv4Exhausted')
        this.logger.error('no free IPv4 address', { prefix: this.options.ipv4Prefix });
    });
    for (const hit of this.members.hits) {
      overlay.linkUp(hit, now);
      this.time.linkUp(hit, now);
      membership.linkUp(hit, now);
    }
    if (this.time.known) this.claimOwn(names, now);
    return overlay;
  }

  /** Only with the right time: what is dated wrong is refused, or holds its place for too long. */
  private claimOwn(names: NameService, now: number): void {
    const { user } = this.membership;
    if (user !== null) names.claimName(user, now);
    names.claimIpv4({ prefix: this.options.ipv4Prefix, preferred: this.options.ipv4 }, now);
  }

  private timePorts(): TimePorts {
    return {
      ask: (hit, now, done) => {
        if (this.overlay === undefined) done(undefined, now);
        else this.overlay.timeOf(hit, now, done);
      },
      known: (now) => {
        this.judgeMembers();
        if (this.names !== undefined) this.claimOwn(this.names, now);
        this.finder.changed(now);
      },
      corrected: (now) => {
        this.judgeMembers();
        this.names?.refresh(now);
      },
    };
  }

  /** Whose certificate was not in force when its link was made, as it turns out, has been let in by mistake. */
  private judgeMembers(): void {
    this.overlay?.trustChanged();
    for (const hit of this.members.letInByMistake(this.clock)) this.links.close(hit, 'its certificate was not valid');
  }

  private dial(remote: SocketAddress, now: number, expected?: Hit, patienceMs?: number): boolean {
    return !this.doubles.keepsBack(now) && this.links.connectDirect(remote, now, expected, patienceMs);
  }

  private onOverlayEvent(event: OverlayEvent, role: Role, now: number): void {
    for (const { hit, peer } of peersIn(event, role)) this.remember(hit, { peer });
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

  private ownIpv4(address: string): void {
    this.dataPlane.setLocalAddresses(this.hit, address);
    this.handler({ type: 'ipv4', address });
  }

  private claimsPorts(): PeerClaimsPorts {
    return {
      names: () => (this.overlay?.state === 'joined' ? this.names : undefined),
      isLinked: (hit) => this.members.has(hit),
      changed: (hit, ipv4) => {
        if (this.members.has(hit)) this.authorize(hit);
        this.remember(hit, { ipv4 });
      },
    };
  }

  /** Asks a host for a link, or for a new path of the one that is there. */
  connect(hit: Hit, now: number, done: (result: ResolverResult<undefined>) => void): void {
    const { overlay } = this;
    if (overlay?.state !== 'joined' || this.doubles.isAway) {
      done({ ok: false, reason: this.doubles.isAway ? AWAY : 'not in the overlay (yet)' });
      return;
    }
    overlay.connect(hit, now, (result, at) => {
      // A peer that no message gets to may be where it says, in a ring of its own.
      if (!result.ok) this.finder.seekAtRecord(hit, at);
      done(result.ok ? { ok: true, value: undefined } : { ok: false, reason: result.error.message });
    });
  }

  private resolverPorts(): ResolverPorts {
    return {
      isUp: (hit) => this.links.isUp(hit),
      lookupIpv4: (address, now, done) => {
        const known = this.claims.addresses.hitOf(address);
        if (known !== undefined) done({ ok: true, value: known });
        else if (this.names === undefined) done({ ok: false, reason: 'not in the overlay (yet)' });
        else
          this.names.lookupIpv4(address, now, (result) => {
            if (result.ok) this.claims.learn(result.value.hit, address);
            done(result.ok ? { ok: true, value: result.value.hit } : { ok: false, reason: result.error.message });
          });
      },
      connect: (hit, now, done) => {
        // In this order: what is asked second waits behind the first on the link (RFC 6940 s6.6.3.1).
        this.connect(hit, now, done);
        this.claims.lookup(hit, now);
      },
      release: (hit) => this.authorize(hit),
      refuse: (address) => this.dataPlane.refuse(address),
    };
  }

  // Contacts

  private remember(hit: Hit, known: Known): void {
    const contact = this.acquaintances.remember(hit, known, this.clock.wall());
    if (contact !== undefined) this.handler({ type: 'contact', contact });
  }

  /** A known peer uses an association that we no longer have (we were killed): it gets a new link at once. */
  private relink(remote: SocketAddress, now: number): void {
    const hit = this.acquaintances.toRelink(remote, (known) => this.links.isUp(known), now);
    if (hit === undefined) return;
    if (this.overlay?.state === 'joined') this.connect(hit, now, () => {});
    // It sends to us from there: no NAT is in the way.
    else this.dial(remote, now, hit);
  }

  // Membership

  private onMembershipEvent(event: MembershipEvent, now: number): void {
    switch (event.type) {
      case 'renaming':
        this.names?.releaseName(now);
        return;
      case 'certificates':
        this.certified(event.asGuest, now);
        return;
      case 'revoked':
        this.links.close(event.hit, 'revoked');
        // The address may have another host by now.
        this.claims.forget(event.hit);
        return;
      case 'lapsed':
        // Others close theirs no sooner: as a guest, a new link can ask for a certificate.
        if (this.isGuest) this.leaveLinks('our certificate has ended', now);
        return;
      case 'ended':
        this.entry.stop();
        this.links.closeAll('revoked');
        this.handler({ type: 'revoked' });
        return;
      case 'leaving':
        this.remember(event.hit, { user: null, ipv4: null });
        return;
      case 'inviter':
        // Their names are taken from the first newcomer on.
        for (const peer of this.members.all.values()) this.membership.inviting?.sawMember(peer, this.clock.wall());
        return;
      case 'configuration':
    }
  }

  /** Running links keep what their handshakes proved; new ones, and what we sign, show the new certificate. */
  private certified(asGuest: boolean, now: number): void {
    const { membership, names } = this;
    this.dataPlane.setCredentials(membership.certificates, this.components.identity.pkcs8);
    if (membership.user !== null) names?.claimName(membership.user, now);
    // What is stored is good as long as the certificate that it was signed with.
    names?.refresh(now);
    this.roster?.changed(now);
    // Whoever took us for a guest is to take us for a member.
    if (asGuest) this.leaveLinks('our certificate was renewed', now);
  }

  /** Our certificate has ended, by a time that we know. */
  private get isGuest(): boolean {
    return this.membership.lapsed && this.time.known;
  }

  private leaveLinks(why: string, now: number): void {
    const members = [...this.members.hits];
    this.links.closeAll(why);
    for (const hit of members) this.memberDown(hit, now);
    if (members.length === 0) this.entry.linkDown(now);
  }

  /** Who has a name: also what we remember, since the overlay forgets a host that was away for long. */
  holdersOf(user: string, now: number, done: (hits: readonly Hit[] | undefined, now: number) => void): void {
    const known = this.acquaintances.byUser(user).map(({ hit }) => hit);
    const { names } = this;
    if (names === undefined) {
      done(known, now);
      return;
    }
    names.lookupName(user, now, (result, at) => {
      const found = result.ok ? result.value.map(({ hit }) => hit) : [];
      done(
        [...known, ...found].filter((hit) => !this.membership.revoked.has(hit)),
        at,
      );
    });
  }
}
