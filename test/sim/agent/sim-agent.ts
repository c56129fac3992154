import { Directory } from '../../../src/agent/directory.ts';
import { Engine, type EngineEvent, type Role } from '../../../src/agent/engine.ts';
import { Guard } from '../../../src/agent/guard.ts';
import type { LookupComponents } from '../../../src/agent/lookup-operations.ts';
import { memberHandlers } from '../../../src/agent/member-operations.ts';
import { memberOf } from '../../../src/agent/member.ts';
import { loadMembership, settingsOf, type Membership } from '../../../src/agent/membership.ts';
import type { Clock, HostClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { LogFields, Logger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { hitToAddress } from '../../../src/base/node-id.ts';
import { OverlayClock } from '../../../src/base/overlay-clock.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import type { OverlayConfiguration } from '../../../src/config/overlay-configuration.ts';
import { ContactBook } from '../../../src/identity/contacts.ts';
import type { EnrollmentRegister } from '../../../src/identity/enrollment-register.ts';
import type { HostIdentity } from '../../../src/identity/host-identity.ts';
import type { KeyStore } from '../../../src/identity/key-store.ts';
import { Lifecycle } from '../../../src/membership/lifecycle.ts';
import type { TurnServiceOptions } from '../../../src/link/turn-service.ts';
import type { LookupResult, NamedHost } from '../../../src/overlay/naming.ts';
import { SimBoardPlace } from '../network/sim-board.ts';
import { SimDataPlane } from '../network/sim-data-plane.ts';
import type { SimHost } from '../network/host.ts';
import type { SimNetwork } from '../network/network.ts';
import { SimDriver } from './sim-driver.ts';

/** As src/agent/memory.ts: contacts are written a second after the first change. */
const SAVE_DELAY_MS = 1_000;
/** How long the neighbours are given to take over what we store: less than src/agent/life.ts gives them. */
const LEAVE_MS = 1_000;
/** As src/agent/life.ts: how long the overlay is given to take back name and address. */
const RESIGN_MS = 3_000;

interface Life {
  readonly dataPlane: SimDataPlane;
  readonly engine: Engine;
  readonly driver: SimDriver;
  readonly board: SimBoardPlace | undefined;
  readonly events: EngineEvent[];
  readonly register: EnrollmentRegister;
}

export interface SimAgentOptions {
  /** How wrong the clock of the host is, ms. */
  readonly clockOffsetMs?: number;
  /** It comes to the world's board to meet others; `configured`: where the overlay's document says `mainline`. */
  readonly board?: boolean | 'configured';
  readonly role?: Role | 'auto';
  readonly logger?: Logger;
  /** Of the certificates that it issues, where it may. */
  readonly lifetimeMs?: number;
  /** What it hands on as a peer. */
  readonly relayBytesPerSecond?: number;
  /** TCP addresses where it accepts streams. */
  readonly streams?: readonly SocketAddress[];
  /** It is a TURN server. */
  readonly turnServer?: TurnServiceOptions;
  /** Absent: what no code expected to be thrown ends the test. */
  readonly guard?: Guard;
}

function failTest(event: string, fields: LogFields = {}): never {
  throw new Error(`${event} in ${String(fields['in'])}: ${String(fields['stack'])}`);
}

/** One host with the whole agent on it, over its lives: what is kept from life to life is what the state directory holds. */
export class SimAgent {
  readonly host: SimHost;
  readonly identity: HostIdentity;
  readonly store: KeyStore;
  private stored: Membership;
  private readonly network: SimNetwork;
  private readonly hostClock: HostClock;
  private readonly options: SimAgentOptions;
  /** Counts what no code expected. */
  readonly guard: Guard;
  private life: Life | undefined;
  private contacts = new ContactBook();
  private savedContacts = this.contacts.toJson();
  /** The life whose contacts are to be written in a moment. */
  private savingFor: Life | undefined;
  private savedIpv4: string | undefined;
  /** How wrong the clock of the host is now, ms; may be set while it runs. */
  clockOffsetMs: number;
  /** How long the host has slept, ms: time that has passed for everybody else. */
  sleptMs = 0;

  constructor(
    components: {
      network: SimNetwork;
      clock: Clock;
      host: SimHost;
      identity: HostIdentity;
      membership: Membership;
      store: KeyStore;
    },
    options: SimAgentOptions = {},
  ) {
    this.network = components.network;
    this.host = components.host;
    this.identity = components.identity;
    this.store = components.store;
    this.stored = components.membership;
    this.options = options;
    this.clockOffsetMs = options.clockOffsetMs ?? 0;
    const { clock } = components;
    this.hostClock = {
      monotonic: () => clock.monotonic(),
      uptime: () => clock.monotonic() + this.sleptMs,
      wall: () => clock.wall() + this.clockOffsetMs,
    };
    this.guard = options.guard ?? new Guard({ logger: { ...silentLogger, error: failTest } });
  }

  /** Another agent with the same key on another host, as from a copied disk. @param store a copy of what this one has. */
  copy(host: SimHost, clock: Clock, store: KeyStore): SimAgent {
    const { network, identity, stored: membership } = this;
    const copy = new SimAgent({ network, clock, host, identity, membership, store }, this.options);
    copy.savedContacts = this.contacts.toJson();
    copy.savedIpv4 = this.savedIpv4;
    return copy;
  }

  get hit(): Hit {
    return this.identity.hit;
  }

  /** The HIT as an address: where programs send. */
  get address(): string {
    return hitToAddress(this.hit);
  }

  /** As it was on the disk when this life began. */
  get membership(): Membership {
    return this.stored;
  }

  get running(): boolean {
    return this.life !== undefined;
  }

  get engine(): Engine {
    return this.living.engine;
  }

  get dataPlane(): SimDataPlane {
    return this.living.dataPlane;
  }

  get events(): readonly EngineEvent[] {
    return this.living.events;
  }

  /** The claimed IPv4 address. */
  get ipv4(): string | undefined {
    return this.life?.engine.names?.ipv4;
  }

  get role(): Role | undefined {
    return this.life?.engine.overlay?.role;
  }

  get joined(): boolean {
    return this.life?.engine.overlay?.state === 'joined';
  }

  /** In the overlay, with an IPv4 address. */
  get ready(): boolean {
    return this.joined && this.ipv4 !== undefined;
  }

  get user(): string {
    return this.life?.engine.membership.user ?? this.stored.user ?? '';
  }

  /** @param options.start addresses of the ticket: only the first life has them. */
  start(
    options: { readonly start?: readonly SocketAddress[]; readonly dataPlane?: SimDataPlane | undefined } = {},
  ): void {
    if (this.life !== undefined) throw new Error('it runs already');
    const { network, store, identity } = this;
    const clock = new OverlayClock(this.hostClock, { proven: this.stored.provenTime });
    const { loop, random } = network;
    const logger = this.options.logger ?? silentLogger;
    const membership = loadMembership(store, identity, { random, clock });
    if (membership === undefined) throw new Error('its state directory holds no membership');
    this.stored = membership;
    const dataPlane =
      options.dataPlane ?? new SimDataPlane({ loop, random, host: this.host }, undefined, this.options.streams);
    this.contacts = ContactBook.fromJson(this.savedContacts);
    const board = (this.options.board ?? false) === false ? undefined : new SimBoardPlace(dataPlane);
    this.openBoard(board, membership.configuration);
    const { lifetimeMs } = this.options;
    const lifecycle = new Lifecycle('member');
    const member = memberOf(membership, { store, identity, lifecycle, random, clock, logger, lifetimeMs });
    const engine = new Engine(
      {
        dataPlane,
        identity,
        membership: member.membership,
        trust: membership.trust,
        overlay: settingsOf(membership),
        ...(board !== undefined && { places: [board] }),
        openTickets: (wallNow) => member.register.openTickets(wallNow),
        random,
        clock,
        logger,
        guard: this.guard,
      },
      {
        role: this.options.role ?? 'auto',
        founder: membership.founder !== undefined,
        start: options.start ?? [],
        contacts: this.contacts.all(),
        ipv4Prefix: membership.configuration.ipv4Prefix,
        ipv4: this.savedIpv4,
        rendezvousSecret: membership.secret,
        ...(this.options.relayBytesPerSecond !== undefined && {
          relayBytesPerSecond: this.options.relayBytesPerSecond,
        }),
        ...(this.options.streams !== undefined && { streams: this.options.streams }),
        ...(this.options.turnServer !== undefined && { turnServer: this.options.turnServer }),
      },
    );
    const driver = new SimDriver(engine, loop);
    const life: Life = { dataPlane, engine, driver, board, events: [], register: member.register };
    this.life = life;
    engine.onEvent((event) => this.onEvent(life, event));
    driver.pump(dataPlane);
    driver.run((now) => {
      engine.setHostAddresses(this.host.addresses, now);
      engine.hostAddressesChanged(now);
      engine.start(now);
    });
  }

  /** `kill -9`: nothing is said to anyone, and what was not written is lost. */
  kill(): void {
    this.living.driver.stop();
    this.living.dataPlane.close();
    this.life = undefined;
  }

  /** As on SIGTERM. */
  stop(): void {
    const life = this.living;
    const end = (): void => {
      if (this.life !== life) return;
      this.savedContacts = this.contacts.toJson();
      life.register.flush();
      this.kill();
    };
    life.driver.run((now) => life.engine.stop(now, () => this.network.loop.after(0, end)));
    this.network.loop.after(LEAVE_MS, end);
  }

  /** As `idloc leave`: for good. */
  leave(): void {
    const life = this.living;
    let leaving = true;
    const stop = (): void => {
      if (leaving) this.stop();
      leaving = false;
    };
    life.driver.run((now) => life.engine.resign(now, () => this.network.loop.after(0, stop)));
    this.network.loop.after(RESIGN_MS, stop);
  }

  /** A ticket was made here. */
  ticketsChanged(): void {
    this.living.driver.run((now) => this.engine.ticketsChanged(now));
  }

  /** A program sends a packet to a HIT (as an address) or to an overlay IPv4 address. */
  send(address: string, payload: string): void {
    this.dataPlane.sendPacket(address, payload);
  }

  /** One packet every 20 ms. */
  stream(address: string, ms: number): void {
    const { loop } = this.network;
    for (let at = 0; at < ms; at += 20)
      loop.after(at, () => this.life?.dataPlane.sendPacket(address, loop.now.toFixed(0)));
  }

  /** What arrived from one host in this life, in order. */
  received(from: SimAgent): string[] {
    return this.dataPlane.delivered.filter((packet) => packet.from === from.hit).map(({ payload }) => payload);
  }

  /** The longest time without a packet from `from` after `since`, ms; up to `until`. */
  gap(from: SimAgent, since: number, until: number): number {
    const times = this.dataPlane.delivered
      .filter((packet) => packet.from === from.hit && packet.at >= since && packet.at <= until)
      .map(({ at }) => at);
    return Math.max(...[...times, until].map((at, i) => at - (times[i - 1] ?? since)));
  }

  /** Handshakes on the link that is up now. */
  handshakes(peer: SimAgent): number {
    return this.engine.links.snapshot().links.find(({ hit }) => hit === peer.hit)?.handshakes ?? 0;
  }

  /** Number of the data plane's link: another one after each new association. */
  linkId(peer: SimAgent): number | undefined {
    return this.engine.links.dataPlaneLinkOf(peer.hit);
  }

  isLinkedTo(peer: SimAgent): boolean {
    return this.life !== undefined && this.engine.links.isUp(peer.hit);
  }

  /** As DNS asks; the answer comes in virtual time. */
  lookupName(user: string): { answer: LookupResult<readonly NamedHost[]> | undefined } {
    const result: { answer: LookupResult<readonly NamedHost[]> | undefined } = { answer: undefined };
    this.living.driver.run((now) => this.engine.names?.lookupName(user, now, (answer) => (result.answer = answer)));
    return result;
  }

  /** What a command of its user does. */
  act<T>(command: (engine: Engine, now: number) => T): T {
    const { driver, engine } = this.living;
    return driver.run((now) => command(engine, now));
  }

  /** Whom it lets in. */
  get register(): EnrollmentRegister {
    return this.living.register;
  }

  /** What DNS, `idloc ping` and `idloc resolve` ask. */
  get directory(): Directory {
    const { engine, driver } = this.living;
    const [, overlay = ''] = this.user.split('@');
    const { loop } = this.network;
    return new Directory({ engine, driver, overlay, after: (ms, then) => loop.after(ms, then) });
  }

  /** What `idloc ping` and `idloc resolve` work with. */
  get lookups(): LookupComponents {
    const { engine, driver } = this.living;
    const { loop } = this.network;
    return { engine, driver, directory: this.directory, after: (ms, then) => loop.after(ms, then) };
  }

  /** What `idloc members`, `revoke` and `rename` ask of the agent. */
  get commands(): ReturnType<typeof memberHandlers> {
    const { engine, driver, register } = this.living;
    return memberHandlers({ engine, driver, register });
  }

  private get living(): Life {
    if (this.life === undefined) throw new Error('it does not run');
    return this.life;
  }

  private onEvent(life: Life, event: EngineEvent): void {
    life.events.push(event);
    switch (event.type) {
      case 'network':
        life.driver.run((now) => {
          life.engine.setHostAddresses(this.host.addresses, now, this.host.deprecated);
          life.engine.hostAddressesChanged(now);
        });
        return;
      case 'foreign':
        life.board?.receive(event.data);
        return;
      case 'ipv4':
        this.savedIpv4 = event.address;
        return;
      case 'contact':
        this.rememberContact(life, event);
        return;
      case 'configuration':
        this.openBoard(life.board, event.configuration);
        return;
      case 'joined':
      case 'pathMtu':
      case 'double':
      case 'revoked':
      case 'tunChanged':
      case 'tunLost':
    }
  }

  private openBoard(board: SimBoardPlace | undefined, { rendezvous }: OverlayConfiguration): void {
    if (board !== undefined && this.options.board === 'configured') board.isOpen = rendezvous === 'mainline';
  }

  private rememberContact(life: Life, { contact }: EngineEvent & { type: 'contact' }): void {
    this.contacts.remember(contact);
    if (this.savingFor === life) return;
    this.savingFor = life;
    this.network.loop.after(SAVE_DELAY_MS, () => {
      if (this.life !== life) return;
      this.savedContacts = this.contacts.toJson();
      this.savingFor = undefined;
    });
  }
}
