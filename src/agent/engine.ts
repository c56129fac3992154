import type { Clock, Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { hitToAddress, type Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { parseIpv4Prefix } from '../base/ipv4-prefix.ts';
import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { ContactBook, type Contact } from '../identity/contacts.ts';
import type { EnrollmentServer } from '../identity/enrollment.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { TrustStore, VerifiedPeer } from '../identity/trust-store.ts';
import { LinkManager, type LinkEvent } from '../link/link-manager.ts';
import type { DataPlane, DataPlaneEvent } from '../native/data-plane.ts';
import type { OverlayEvent } from '../overlay/events.ts';
import { ipv4Choice } from '../overlay/ipv4-choice.ts';
import type { OverlayLinks } from '../overlay/links.ts';
import { NameService } from '../overlay/naming.ts';
import { OverlayNode } from '../overlay/overlay-node.ts';
import type { OverlaySettings } from '../overlay/settings.ts';
import { Resolver, type ResolverPorts, type ResolverResult } from '../resolver/resolver.ts';
import { AddressMap } from '../tunnel/address-map.ts';
import { PathMtuDiscovery } from '../tunnel/path-mtu-discovery.ts';
import { Bootstrap } from './bootstrap.ts';
import { answerEnrollment } from './enrollment-exchange.ts';

// Implementation constants.

/** A node that has to choose its role waits this long to learn how others see its address. */
const ROLE_DECISION_MS = 500;
/** One pass over the data plane's events; the rest waits for the next turn, so that the event loop is never held. */
const EVENTS_PER_TURN = 64;
/** A peer that still uses an association of our former life is asked for a new link, but not more often than this. */
const RELINK_PAUSE_MS = 1_000;
/** The founder's peers of before are tried this long; then it stands for the overlay alone. */
const REJOIN_PATIENCE_MS = 3_000;
/** A peer's claim is looked up again after it could not be: its packets from that address are dropped until then. */
const CLAIM_RETRY_MS = 1_000;
const MAX_CLAIM_TRIES = 5;
/** RFC 6940 s10.7.4.4: a second ring that the overlay fell into is looked for this often. */
const PARTITION_PROBE_MS = 600_000;
/** Whoever still has a link to our former life answers within this; longer, our dialing would stand in the way of theirs. */
const CALL_BACK_MS = 1_000;
/** Tried in a round; more would be a storm. */
const MAX_START_ADDRESSES = 32;

export type Role = 'peer' | 'client';

export interface EngineComponents {
  readonly dataPlane: DataPlane;
  readonly identity: HostIdentity;
  /** DER, leaf first: our own certificate, then the authority's. */
  readonly certificates: readonly Uint8Array[];
  readonly trust: TrustStore;
  readonly overlay: OverlaySettings;
  /** Only where the overlay's authority is: answers newcomers. */
  readonly enrollment: EnrollmentServer | undefined;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface EngineOptions {
  /** `auto`: a peer when others see us at an address of our own, a client behind a NAT. */
  readonly role: Role | 'auto';
  /** The user that our certificate names, `alice@home.example`. */
  readonly user: string | null;
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
  /** What we know of a peer changed; to be kept for the next start. */
  | { readonly type: 'contact'; readonly contact: Contact };

type TimerKey = 'role' | 'rejoin' | 'probe' | `claim ${Hit}` | `guess ${Hit}`;

/**
 * The agent without its sockets: composes links, overlay, names and resolver over a DataPlane. The same code runs in the agent
 * and, over a simulated data plane in virtual time, in test/scenario.
 */
export class Engine implements Timed {
  readonly links: LinkManager;
  readonly resolver: Resolver;
  /** Overlay IPv4 addresses whose claims were looked up. */
  readonly addresses = new AddressMap();

  private readonly components: EngineComponents;
  private readonly dataPlane: DataPlane;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly options: EngineOptions;
  readonly hit: Hit;
  /** From the moment that our role is decided. */
  private node: { readonly overlay: OverlayNode; readonly names: NameService } | undefined;
  private readonly bootstrap: Bootstrap;
  private readonly pathMtus: PathMtuDiscovery;
  private readonly timers = new TimerQueue<TimerKey>();
  private readonly contacts = new ContactBook();
  private readonly members = new Map<Hit, VerifiedPeer>();
  private readonly claimTries = new Map<Hit, number>();
  private readonly lookingUp = new Set<Hit>();
  private readonly relinkedAt = new Map<Hit, number>();
  /** Our node has lost its last peer. */
  private isolated = false;
  private handler: (event: EngineEvent) => void = () => {};

  constructor(components: EngineComponents, options: EngineOptions) {
    const { dataPlane, identity, trust, random, clock, logger } = components;
    this.components = components;
    this.dataPlane = dataPlane;
    this.hit = identity.hit;
    this.clock = clock;
    this.logger = logger;
    this.options = options;
    for (const contact of options.contacts) {
      this.contacts.remember(contact);
      if (contact.ipv4 !== null) this.addresses.set(contact.hit, contact.ipv4);
    }
    this.links = new LinkManager({
      dataPlane,
      verifyPeer: (chain, wallNow) => trust.verify(chain, wallNow),
      selfHit: identity.hit,
      random,
      clock,
      logger,
    });
    this.resolver = new Resolver({ ports: this.resolverPorts(), logger });
    this.bootstrap = new Bootstrap({
      connect: (remote, now) => {
        this.links.connectDirect(remote, now);
      },
      random,
    });
    this.pathMtus = new PathMtuDiscovery({ dataPlane });
    this.pathMtus.onPathMtu((bytes) => {
      this.handler({ type: 'pathMtu', bytes });
    });
    this.links.onEvent((event) => {
      this.onLinkEvent(event);
    });
    this.links.onReflexive((atOwnAddress) => {
      if (this.timers.has('role')) this.decideRole(atOwnAddress, this.clock.monotonic());
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

  /** Our overlay IPv4 address, claimed now or in a former life. */
  get ipv4(): string | undefined {
    return this.names?.ipv4 ?? this.options.ipv4;
  }

  /** The user of a linked or known member. */
  userOf(hit: Hit): string | null {
    return this.members.get(hit)?.user ?? this.contacts.byHit(hit)?.user ?? null;
  }

  /** Host addresses must be known before: `setHostAddresses`. */
  start(now: number): void {
    this.dataPlane.setLocalAddresses(this.hit, this.options.ipv4 ?? null);
    const addresses = this.startAddresses();
    if (this.options.founder) {
      if (addresses.length === 0) {
        this.standAlone(now);
        return;
      }
      this.timers.set('rejoin', now + REJOIN_PATIENCE_MS);
    }
    this.bootstrap.start(addresses, now);
  }

  /** Hands over what we store; `done` when the neighbours have it and the links are closed. */
  stop(now: number, done: () => void): void {
    this.bootstrap.stop();
    const closeLinks = (): void => {
      this.links.closeAll('we stop');
      done();
    };
    const { overlay } = this;
    if (overlay?.state !== 'joined') {
      closeLinks();
      return;
    }
    overlay.onEvent((event) => {
      if (event.type === 'left') closeLinks();
    });
    overlay.leave(now);
  }

  setHostAddresses(addresses: readonly string[], now: number): void {
    this.links.setHostAddresses(addresses, now);
  }

  /** As many as one turn of the event loop has time for; the data plane wakes us again for the rest. */
  drainEvents(now: number): void {
    for (const event of this.dataPlane.drain(EVENTS_PER_TURN)) this.handleEvent(event, now);
  }

  nextTimeout(): number | undefined {
    return earliest(...this.machines().map((machine) => machine.nextTimeout()), this.timers.next());
  }

  handleTimeout(now: number): void {
    for (const machine of this.machines()) {
      if ((machine.nextTimeout() ?? Infinity) <= now) machine.handleTimeout(now);
    }
    for (let key = this.timers.due(now); key !== undefined; key = this.timers.due(now)) this.onTimer(key, now);
  }

  private machines(): Timed[] {
    const own = [this.links, this.resolver, this.bootstrap, this.pathMtus];
    return this.node === undefined ? own : [...own, this.node.overlay, this.node.names];
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
        if (event.peer.member) this.memberUp(event, now);
        return;
      case 'down':
        this.memberDown(event.hit, now);
        return;
      case 'message':
        if (event.member) this.overlay?.receive(event.hit, event.data, now);
        else this.answerNewcomer(event.hit, event.data);
        return;
      case 'path':
        if (this.members.has(event.hit)) this.remember(event.hit, { locators: [event.path.remote] });
        return;
      case 'needsRestart':
        this.connect(event.hit, now, (result) => {
          if (!result.ok) this.logger.debug('restart failed', { nodeId: event.hit, reason: result.reason });
        });
        return;
      case 'connectFailed':
        this.logger.debug('connect failed', { addr: formatSocketAddress(event.remote), reason: event.reason });
    }
  }

  private memberUp({ hit, peer, replaced }: LinkEvent & { type: 'up' }, now: number): void {
    const { overlay, names } = this;
    this.members.set(hit, peer);
    // A client is no way in, so only what comes of the link tells whether the search is over.
    this.bootstrap.rest(now);
    this.authorize(hit);
    overlay?.linkUp(hit, now);
    this.resolver.linkUp(hit, now);
    if (overlay === undefined) this.joinThrough(hit, now);
    else if (overlay.state === 'joining' || this.isolated) overlay.join(hit, now);
    // It was started anew, perhaps with nothing in its storage.
    if (replaced && overlay?.snapshot(now).responsiblePeer === hit) names?.refresh(now);
    this.lookupClaim(hit, now);
    this.remember(hit, { user: peer.user });
  }

  private memberDown(hit: Hit, now: number): void {
    // Also for an attempt that failed: whoever waits for it is told.
    this.overlay?.linkDown(hit, now);
    this.resolver.linkDown(hit, now);
    if (!this.members.delete(hit)) return;
    const cutOff = this.overlay?.role === 'client' && !this.knowsPeerAmongMembers();
    if (cutOff || this.members.size === 0) {
      this.isolated = true;
      this.findWayIn(now);
    }
  }

  private knowsPeerAmongMembers(): boolean {
    return [...this.members.keys()].some((hit) => this.contacts.byHit(hit)?.peer === true);
  }

  /** There is a way in again. */
  private foundWayIn(now: number): void {
    this.bootstrap.stop();
    if (!this.isolated) return;
    this.isolated = false;
    // Whoever stored our records may be gone with them.
    this.names?.refresh(now);
  }

  private authorize(hit: Hit): void {
    const link = this.links.dataPlaneLinkOf(hit);
    if (link !== undefined) this.dataPlane.authorize(link, hit, this.addresses.ipv4Of(hit) ?? null);
  }

  /** Without a link, a client is cut off and a peer alone: the addresses of others are tried until one answers. */
  private findWayIn(now: number): void {
    if (!this.bootstrap.trying) this.bootstrap.start(this.startAddresses(), now);
  }

  // Role and joining

  private joinThrough(hit: Hit, now: number): void {
    if (this.options.role !== 'auto') {
      this.timers.clear('rejoin');
      this.enter(this.options.role, now).join(hit, now);
      return;
    }
    // Decided once the peer has told how it sees us; the timer decides without it when that takes too long.
    if (!this.timers.has('role')) this.timers.set('role', now + ROLE_DECISION_MS);
  }

  private decideRole(atOwnAddress: boolean, now: number): void {
    this.timers.clear('role');
    const [first] = this.members.keys();
    if (first === undefined || this.overlay !== undefined) return;
    this.timers.clear('rejoin');
    this.enter(atOwnAddress || this.options.founder ? 'peer' : 'client', now).join(first, now);
  }

  /** Makes our node of the overlay; it learns of the links that are up already. */
  private enter(role: Role, now: number): OverlayNode {
    const { identity, trust, overlay: configuration, random } = this.components;
    // Members know the authority's certificate; without it most messages fit one frame.
    const certificates = this.components.certificates.slice(0, 1);
    const { clock, logger } = this;
    const links = this.overlayLinks();
    const overlay = new OverlayNode(
      { identity, certificates, trust, configuration, links, random, clock, logger },
      { role },
    );
    const names = new NameService({ overlay, clock, logger });
    this.node = { overlay, names };
    overlay.onEvent((event, at) => {
      this.onOverlayEvent(event, role, at);
    });
    names.onEvent((event) => {
      if (event.type === 'ipv4Claimed') this.ownIpv4(event.address);
      else if (event.type === 'ipv4Exhausted')
        this.logger.error('no free IPv4 address', { prefix: this.options.ipv4Prefix });
    });
    if (this.options.user !== null) names.claimName(this.options.user, now);
    names.claimIpv4({ prefix: this.options.ipv4Prefix, preferred: this.options.ipv4 }, now);
    for (const hit of this.members.keys()) overlay.linkUp(hit, now);
    return overlay;
  }

  /** Who asks for a link may send from its IPv4 address as soon as it is up: its claim is looked up meanwhile. */
  private overlayLinks(): OverlayLinks {
    const { links } = this;
    return {
      isUp: (hit) => links.isUp(hit),
      send: (hit, message) => links.send(hit, message),
      offer: (hit) => links.offer(hit),
      answer: (hit, remote) => {
        const local = links.answer(hit, remote);
        // By the timer: our answer leaves first.
        if (!this.members.has(hit)) this.timers.set(`guess ${hit}`, this.clock.monotonic());
        return local;
      },
      accept: (hit, remote) => links.accept(hit, remote),
      cancel: (hit) => links.cancel(hit),
    };
  }

  /** The overlay is ours alone; members that still have a link to our former life are told at once that it is over. */
  private standAlone(now: number): void {
    this.enter('peer', now).create(now);
    const known = this.contacts.all().filter(({ hit }) => !this.members.has(hit));
    for (const { hit, locators } of known.slice(0, MAX_START_ADDRESSES)) {
      const [latest] = locators;
      if (latest !== undefined) this.links.connectDirect(latest, now, hit, CALL_BACK_MS);
    }
  }

  private onOverlayEvent(event: OverlayEvent, role: Role, now: number): void {
    switch (event.type) {
      case 'joined':
        this.handler({ type: 'joined', role });
        this.timers.set('probe', now + PARTITION_PROBE_MS);
        this.foundWayIn(now);
        // Claims could not be looked up before.
        for (const hit of this.members.keys()) this.lookupClaim(hit, now);
        return;
      case 'isolated':
        this.isolated = true;
        this.findWayIn(now);
        return;
      case 'neighborsChanged':
        for (const hit of [...event.predecessors, ...event.successors]) this.remember(hit, { peer: true });
        if (event.successors.length > 0) this.foundWayIn(now);
        return;
      case 'responsibleChanged':
        if (role !== 'client') return;
        this.remember(event.to, { peer: true });
        this.foundWayIn(now);
        return;
      case 'left':
    }
  }

  private onTimer(key: TimerKey, now: number): void {
    if (key === 'role') this.decideRole(false, now);
    else if (key === 'rejoin') {
      if (this.overlay === undefined) this.standAlone(now);
    } else if (key === 'probe') {
      this.timers.set('probe', now + PARTITION_PROBE_MS);
      const [hit] = this.members.keys();
      if (hit !== undefined && this.overlay?.state === 'joined') this.overlay.join(hit, now);
    } else if (key.startsWith('guess ')) this.guessClaim(key.slice('guess '.length), now);
    else this.lookupClaim(key.slice('claim '.length), now);
  }

  private ownIpv4(address: string): void {
    this.dataPlane.setLocalAddresses(this.hit, address);
    this.handler({ type: 'ipv4', address });
  }

  // What peers claim

  /** A packet is let in only from the HIT of its link or from that HIT's claimed IPv4 address: so the claim is looked up. */
  private lookupClaim(hit: Hit, now: number): void {
    const { names } = this;
    if (names === undefined || this.overlay?.state !== 'joined' || this.lookingUp.has(hit)) return;
    this.lookingUp.add(hit);
    names.lookupHit(hit, now, (result, at) => {
      this.lookingUp.delete(hit);
      const tries = (this.claimTries.get(hit) ?? 0) + 1;
      if (result.ok && result.value.ipv4 !== undefined) {
        this.claimTries.delete(hit);
        this.learnClaim(hit, result.value.ipv4);
        return;
      }
      if (tries < MAX_CLAIM_TRIES && this.members.has(hit)) {
        // A newcomer claims its address only after it has joined.
        this.claimTries.set(hit, tries);
        this.timers.set(`claim ${hit}`, at + CLAIM_RETRY_MS * tries);
        return;
      }
      this.claimTries.delete(hit);
      // What it held before, it has given up or lost.
      if (result.ok) this.forgetClaim(hit);
    });
  }

  /** Nearly every host holds the first choice of its HIT: one fetch tells, so that its first packets can be let in. */
  private guessClaim(hit: Hit, now: number): void {
    const { names } = this;
    if (names === undefined || this.addresses.ipv4Of(hit) !== undefined) return;
    const address = ipv4Choice(parseIpv4Prefix(this.options.ipv4Prefix), hit, 0);
    names.lookupIpv4(address, now, (result) => {
      if (result.ok && result.value.hit === hit && this.addresses.ipv4Of(hit) === undefined)
        this.learnClaim(hit, address);
    });
  }

  private forgetClaim(hit: Hit): void {
    if (this.addresses.ipv4Of(hit) === undefined) return;
    this.addresses.delete(hit);
    this.authorize(hit);
    this.remember(hit, { ipv4: null });
  }

  private learnClaim(hit: Hit, ipv4: string): void {
    if (this.addresses.ipv4Of(hit) === ipv4) return;
    this.addresses.set(hit, ipv4);
    if (this.members.has(hit)) this.authorize(hit);
    this.remember(hit, { ipv4 });
  }

  /** Asks a host for a link, or for a new path of the one that is there. */
  connect(hit: Hit, now: number, done: (result: ResolverResult<undefined>) => void): void {
    const { overlay } = this;
    if (overlay?.state !== 'joined') {
      done({ ok: false, reason: 'not in the overlay (yet)' });
      return;
    }
    overlay.connect(hit, now, (result) => {
      done(result.ok ? { ok: true, value: undefined } : { ok: false, reason: result.error.message });
    });
  }

  private resolverPorts(): ResolverPorts {
    return {
      isUp: (hit) => this.links.isUp(hit),
      lookupIpv4: (address, now, done) => {
        const known = this.addresses.hitOf(address);
        if (known !== undefined) done({ ok: true, value: known });
        else if (this.names === undefined) done({ ok: false, reason: 'not in the overlay (yet)' });
        else
          this.names.lookupIpv4(address, now, (result) => {
            if (result.ok) this.learnClaim(result.value.hit, address);
            done(result.ok ? { ok: true, value: result.value.hit } : { ok: false, reason: result.error.message });
          });
      },
      connect: (hit, now, done) => {
        // In this order: what is asked second waits behind the first on the link (RFC 6940 s6.6.3.1).
        this.connect(hit, now, done);
        this.lookupClaim(hit, now);
      },
      release: (hit) => {
        this.authorize(hit);
      },
      refuse: (address) => {
        this.dataPlane.refuse(address);
      },
    };
  }

  // Contacts

  /** Peers first: they are the way in for everyone. A founder that is alone knows only clients, which are no way in. */
  private startAddresses(): SocketAddress[] {
    const contacts = this.contacts.all().filter(({ peer }) => peer || !this.options.founder);
    contacts.sort((a, b) => Number(b.peer) - Number(a.peer) || b.lastSeen - a.lastSeen);
    const all = [...contacts.flatMap(({ locators }) => locators), ...this.options.start];
    return [...new Map(all.map((address) => [formatSocketAddress(address), address])).values()].slice(
      0,
      MAX_START_ADDRESSES,
    );
  }

  private remember(hit: Hit, known: Partial<Omit<Contact, 'hit' | 'lastSeen'>>): void {
    if (hit === this.hit) return;
    const before = this.contacts.byHit(hit);
    const contact: Contact = {
      hit,
      name: before?.name ?? null,
      user: before?.user ?? null,
      ipv4: before?.ipv4 ?? null,
      peer: before?.peer ?? false,
      locators: before?.locators ?? [],
      ...known,
      lastSeen: this.clock.wall(),
    };
    this.contacts.remember(contact);
    this.handler({ type: 'contact', contact });
  }

  /** A known peer uses an association that we no longer have (we were killed): it gets a new link at once. */
  private relink(remote: SocketAddress, now: number): void {
    for (const { hit, locators } of this.contacts.all()) {
      if (!locators.some((locator) => sameSocketAddress(locator, remote))) continue;
      if (this.links.isUp(hit) || (this.relinkedAt.get(hit) ?? -Infinity) + RELINK_PAUSE_MS > now) return;
      for (const [other, at] of this.relinkedAt) if (at + RELINK_PAUSE_MS <= now) this.relinkedAt.delete(other);
      this.relinkedAt.set(hit, now);
      if (this.overlay?.state === 'joined') this.connect(hit, now, () => {});
      // It sends to us from there: no NAT is in the way.
      else this.links.connectDirect(remote, now, hit);
      return;
    }
  }

  private answerNewcomer(hit: Hit, request: Uint8Array): void {
    const { enrollment, overlay } = this.components;
    const certificate = this.links.certificateOf(hit);
    if (enrollment === undefined || certificate === undefined) return;
    const newcomer = { hit, spki: certificate.spki };
    const answer = answerEnrollment(enrollment, overlay.name, newcomer, request, this.clock.wall());
    if (answer !== undefined) this.links.send(hit, answer);
    this.logger.info('newcomer', { nodeId: hitToAddress(hit), answered: answer !== undefined });
  }
}
