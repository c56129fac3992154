import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { OverlayClock } from '../base/overlay-clock.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { Contact } from '../identity/contacts.ts';
import type { OpenTicket } from '../identity/enrollment-register.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { TrustStore } from '../identity/trust-store.ts';
import { LinkManager } from '../link/link-manager.ts';
import type { TurnServiceOptions } from '../link/turn-service.ts';
import type { Membership } from '../membership/membership.ts';
import { SleepWatch } from '../mobility/sleep-watch.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { OverlayRole } from '../overlay/events.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import type { OverlaySettings } from '../overlay/settings.ts';
import type { ValueFile } from '../overlay/storage/value-file.ts';
import type { VerifySignature } from '../overlay/security/signing.ts';
import { TimeKeeper } from '../overlay/time-keeper.ts';
import type { MeetingPlace } from '../rendezvous/meeting-place.ts';
import { Resolver } from '../resolver/resolver.ts';
import { PathMtuDiscovery } from '../tunnel/path-mtu-discovery.ts';
import { Acquaintances, type Known } from './acquaintances.ts';
import { Calls } from './calls.ts';
import { AWAY, Doubles } from './doubles.ts';
import type { EngineEvent } from './engine-events.ts';
import { Entry } from './entry.ts';
import type { Guard } from './guard.ts';
import { Guests } from './guests.ts';
import { LinkedMembers } from './linked-members.ts';
import { Meetings } from './meetings.ts';
import { MemberLinks } from './member-links.ts';
import { MembershipTies } from './membership-ties.ts';
import { overlayLinks } from './overlay-links.ts';
import { OwnAddresses } from './own-addresses.ts';
import { OwnNode } from './own-node.ts';
import { PeerClaims } from './peer-claims.ts';
import { PeerFinder } from './peer-finder.ts';
import { resolverPorts } from './resolver-ports.ts';
import { RoleKeeper } from './role-keeper.ts';
import { TurnMembers } from './turn-members.ts';

export interface EngineComponents {
  readonly dataPlane: DataPlane;
  readonly identity: HostIdentity;
  readonly membership: Membership;
  readonly trust: TrustStore;
  readonly overlay: OverlaySettings;
  /** Where what this host stores for others outlives a restart. Absent: it does not. */
  readonly values?: ValueFile;
  /** Where members find each other without an address; none: nowhere. */
  readonly places?: readonly MeetingPlace[];
  /** Tickets of ours that are neither used up nor expired. */
  readonly openTickets?: (wallNow: number) => readonly OpenTicket[];
  readonly random: Random;
  readonly clock: OverlayClock;
  readonly logger: Logger;
  readonly guard: Guard;
  /** Absent: OpenSSL by Node. */
  readonly verifySignature?: VerifySignature;
}

export interface EngineOptions {
  /** `auto`: a peer when others see us at an address of our own, a client behind a NAT. */
  readonly role: OverlayRole | 'auto';
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
  /** What phones that are registered at this host take (RFC 3840); undefined: there are none now. Absent: nor will there be. */
  readonly phones?: () => string | undefined;
  /** The domain of this host's trunk; undefined: it has no way out now. Absent: nor will it have one. */
  readonly gateway?: () => string | undefined;
  /** E.164 number to the user to whom this host's gateway has given it. Absent: it is no gateway. */
  readonly numbers?: () => ReadonlyMap<string, string>;
  /** This host as a TURN server; absent: it is none. `off`: it may have been one in a former life. */
  readonly turnServer?: TurnServiceOptions | 'off';
}

/** What the parts ask of the engine. */
export interface EngineHooks {
  readonly tell: (event: EngineEvent) => void;
  /** Our role is decided. */
  readonly makeNode: (role: OverlayRole, now: number) => OverlayNode;
  /** A ticket was used. */
  readonly ticketsChanged: (now: number) => void;
}

/** What an engine is made of. */
export interface EngineParts {
  // Links, and whom they lead to.
  readonly links: LinkManager;
  readonly pathMtus: PathMtuDiscovery;
  readonly acquaintances: Acquaintances;
  readonly members: LinkedMembers;
  readonly guests: Guests;
  readonly claims: PeerClaims;
  readonly addresses: OwnAddresses;
  readonly finder: PeerFinder;
  readonly calls: Calls;
  readonly memberLinks: MemberLinks;
  readonly resolver: Resolver;
  readonly turn: TurnMembers;
  readonly sleep: SleepWatch;
  /** What somebody is known by from now on. */
  readonly remember: (hit: Hit, known: Known) => void;
  // Our place in the overlay.
  readonly node: OwnNode;
  readonly entry: Entry;
  readonly roles: RoleKeeper;
  readonly time: TimeKeeper;
  readonly doubles: Doubles;
  readonly ties: MembershipTies;
  /** Undefined: members meet nowhere. */
  readonly meetings: Meetings | undefined;
}

/** Builds the parts in order: each is given earlier ones, and asks later ones through ports, which nothing calls before all are there. */
export function engineParts(components: EngineComponents, options: EngineOptions, hooks: EngineHooks): EngineParts {
  const { dataPlane, identity, membership, trust, random, clock, logger } = components;
  const { hit: self } = identity;
  const { role, founder, ipv4, ipv4Prefix, rendezvousSecret: secret } = options;
  const returning = ipv4 !== undefined;
  const turnServer = options.turnServer === 'off' ? undefined : options.turnServer;
  const timeIsKnown = (): boolean => time.known;
  const authorize = (hit: Hit): void => memberLinks.authorize(hit);
  const remember = (hit: Hit, known: Known): void => {
    const contact = acquaintances.remember(hit, known, clock.wall());
    if (contact !== undefined) hooks.tell({ type: 'contact', contact });
  };

  // Whom we know, and links to them.
  const members = new LinkedMembers();
  const acquaintances = new Acquaintances({ self, start: options.start, contacts: options.contacts });
  const claims = new PeerClaims(
    {
      ports: {
        names: () => node.joined?.names,
        isLinked: (hit) => members.has(hit),
        changed: (hit, address) => {
          if (members.has(hit)) authorize(hit);
          remember(hit, { ipv4: address });
        },
      },
    },
    { ipv4Prefix },
  );
  for (const contact of options.contacts)
    if (contact.ipv4 !== null && !membership.revoked.has(contact.hit)) claims.addresses.set(contact.hit, contact.ipv4);
  const links: LinkManager = new LinkManager({
    dataPlane,
    verifyPeer: (chain, wallNow) => trust.verify(chain, wallNow, { anyTime: !timeIsKnown(), revokedAsGuest: true }),
    selfHit: self,
    isPeer: (hit) => acquaintances.isPeer(hit),
    // By links to peers the overlay is reached, and the other end found.
    maySleep: (hit) => options.sleep === true && node.overlay?.role === 'client' && !acquaintances.isPeer(hit),
    streamsOf: (hit) => acquaintances.streamsOf(hit),
    ...(turnServer !== undefined && { turnServer }),
    random,
    clock,
    logger,
  });
  const pathMtus = new PathMtuDiscovery({ dataPlane });
  const addresses = new OwnAddresses(
    { seen: links.addresses, port: () => dataPlane.port },
    { streams: options.streams ?? [] },
  );
  const guests = new Guests(
    { links, membership, timeIsKnown, random, logger, answered: () => hooks.ticketsChanged(clock.monotonic()) },
    { overlay: components.overlay.name },
  );
  const finder = new PeerFinder({
    links,
    members,
    acquaintances,
    addresses,
    ports: {
      timeIsKnown,
      wall: () => clock.wall(),
      dial: (...call) => void calls.dial(...call),
      learned: (contact) => hooks.tell({ type: 'contact', contact }),
    },
    random,
    logger,
  });

  // Our place in the overlay.
  /** Who asks for a link may send from its IPv4 address as soon as it is up: its claim is looked up meanwhile. */
  const linkAsked = (hit: Hit): void => {
    const isKnown = members.has(hit) || claims.addresses.ipv4Of(hit) !== undefined;
    if (!isKnown) claims.lookupSoon(hit, clock.monotonic());
  };
  const node: OwnNode = new OwnNode(
    {
      identity,
      membership,
      trust,
      configuration: components.overlay,
      values: components.values,
      links: overlayLinks(links, linkAsked),
      random,
      clock,
      logger,
      verifySignature: components.verifySignature,
      timeIsKnown,
      turnServer: {
        own: () => (turnServer?.members === true && timeIsKnown() ? addresses.open(clock.monotonic()) : undefined),
        isOff: options.turnServer !== undefined && turnServer?.members !== true,
        density: () => membership.configuration.turnDensity,
      },
      phones: options.phones,
      gateway: options.gateway,
      numbers: options.numbers,
      ipv4Claimed: (address) => {
        dataPlane.setLocalAddresses(self, address);
        hooks.tell({ type: 'ipv4', address });
      },
    },
    { ipv4Prefix, ipv4 },
  );
  const entry = new Entry(
    {
      ports: {
        dial: (remote, now) => void calls.dial(remote, now),
        // A founder that is alone knows only clients, which are no way in.
        startAddresses: () => acquaintances.startAddresses({ onlyPeers: founder }),
        strangers: () => acquaintances.peerAddresses((hit) => members.has(hit)),
        node: () => node.overlay,
        roleGuessed: (now) => roles.guessed(now),
        entersRingLater: (now) => roles.entersLater(now),
        makeNode: hooks.makeNode,
        nodeStarted: (now) => node.receiveEarly(now),
        hasWorkingLink: () => links.hasWorkingLink,
        members: () => members.hits,
        isPeer: (hit) => acquaintances.isPeer(hit),
        takesPlace: (now) => roles.takePlace(now),
        stoodAlone: (now) => finder.callBack(now),
        wayInFound: (now) => {
          node.names?.refresh(now);
        },
      },
      random,
      self,
    },
    { role, founder, returning },
  );
  const roles = new RoleKeeper(
    {
      node: () => (doubles.isAway ? undefined : node.overlay),
      standing: (now) => links.addresses.standing(now),
      random,
      logger,
    },
    { role, founder, returning },
  );
  const time = new TimeKeeper({
    clock,
    ports: {
      ask: (hit, now, done) => {
        if (node.overlay === undefined) done(undefined, now);
        else node.overlay.timeOf(hit, now, done);
      },
      known: (now) => {
        memberLinks.judge();
        node.claim(now);
        node.parts?.turnRecords.changed(now);
        finder.changed(now);
      },
      corrected: (now) => {
        memberLinks.judge();
        node.names?.refresh(now);
      },
    },
    logger,
  });
  const doubles = new Doubles({
    logger,
    hasLinks: () => members.size > 0,
    leave: (now) => {
      memberLinks.leave(AWAY, now);
      entry.stop();
      // Calls that our node made when it heard of it.
      links.closeAll(AWAY);
    },
    enter: (now) => entry.linkDown(now),
    tell: (double) => hooks.tell({ type: 'double', double }),
  });

  // Who asks for links, and who is told of them and of what becomes of our membership.
  const calls = new Calls({ links, node, doubles, finder, acquaintances });
  const resolver = new Resolver({
    ports: resolverPorts({ dataPlane, links, node, claims, calls, authorize }),
    logger,
  });
  const turn = new TurnMembers({
    ...{ self, links, random, logger },
    overlay: () => (doubles.isAway ? undefined : node.joined?.overlay),
    dial: (remote, now, hit) => void calls.dial(remote, now, hit),
    connect: (hit, now) => calls.connect(hit, now, () => {}),
    streamsOf: (hit) => acquaintances.streamsOf(hit),
    isGone: (hit) => membership.revoked.has(hit),
  });
  const sleep = new SleepWatch(clock, (now) => {
    logger.info('the host has slept');
    links.awake(now);
    // Addresses, router and names may be others, too.
    hooks.tell({ type: 'network' });
  });
  const { places } = components;
  const meetings =
    secret === undefined || secret === null || places === undefined
      ? undefined
      : new Meetings({ places, links, members, acquaintances, node, entry, calls, random, clock }, { secret });
  const memberLinks = new MemberLinks({
    ...{ dataPlane, links, members, membership, guests, node, doubles, resolver, time, entry, finder, claims },
    ...{ meetings, calls, turn, clock, logger, remember },
  });
  const ties = new MembershipTies({
    ...{ dataPlane, identity, membership, links, members, memberLinks, guests, node, claims, entry, acquaintances },
    ...{ clock, remember },
    revoked: () => hooks.tell({ type: 'revoked' }),
    configured: (now) => {
      hooks.tell({ type: 'configuration', configuration: membership.configuration });
      meetings?.placesChanged(now);
      node.parts?.turnRecords.changed(now);
    },
  });
  return {
    ...{ links, pathMtus, acquaintances, members, guests, claims, addresses, finder, calls, memberLinks, resolver },
    ...{ remember, node, entry, roles, time, doubles, ties, meetings, turn, sleep },
  };
}

/** Those that wait for something, by their names. */
export function machinesOf(parts: EngineParts, membership: Timed): Record<string, Timed> {
  const { links, resolver, entry, roles, time, claims, pathMtus, meetings, finder, node, doubles, turn, sleep } = parts;
  const meeting = meetings === undefined ? {} : { meetings };
  // Out of the overlay for another agent's sake, our node rests: it would call whom it has lost.
  const inside = doubles.isAway ? {} : node.parts;
  return {
    ...{ links, resolver, entry, roles, time, claims, pathMtus, membership, finder, doubles, turn, sleep },
    ...meeting,
    ...inside,
  };
}
