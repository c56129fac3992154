import { dirname } from 'node:path';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { hitToAddress } from '../base/node-id.ts';
import { OverlayClock } from '../base/overlay-clock.ts';
import { systemRandom } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { Contact } from '../identity/contacts.ts';
import type { EnrollmentRegister } from '../identity/enrollment-register.ts';
import type { Ticket } from '../identity/ticket.ts';
import type { Lifecycle } from '../membership/lifecycle.ts';
import { aeadName } from '../native/native.ts';
import { IDLOC_FILES, IDLOC_OWN } from '../overlay/storage/kinds.ts';
import { AddressBook } from './addresses/address-book.ts';
import { Directory } from './directory.ts';
import { Driver } from './driver.ts';
import { lookUpEndpoints } from './endpoint-lookup.ts';
import { TurnServers } from './turn-servers.ts';
import type { Double } from './doubles.ts';
import { Engine, type EngineEvent } from './engine.ts';
import type { Ground } from './ground.ts';
import type { Host } from './host.ts';
import { memberOf } from './member.ts';
import { settingsOf, type Membership } from './membership.ts';
import type { MeetingPlaces } from './meeting-places.ts';
import { Memory } from './memory.ts';
import { NumberBook } from './number-book.ts';
import { PhoneFiles } from './phone-files/phone-files.ts';
import { problemOf } from './problem.ts';
import { PortMapping } from './port-mapping.ts';
import { pcpNonce } from './pcp-nonce.ts';
import { nat64Needed } from './nat64-lookup.ts';
import { lifeHandlers, type LifeHandlers } from './operations.ts';
import { SipHost } from './sip-host.ts';
import { turnByTurn } from './turn-by-turn.ts';
import { documentPort, type DocumentPorts } from './user-documents/document-port.ts';
import { ValueDatabase, VALUES_FILE } from './value-database.ts';
import { verifyMemberSignature } from './verify-signature.ts';
import { voiceMailOf } from './voice-mail/voice-mail-of.ts';
import type { VoiceMail } from './voice-mail/voice-mail.ts';

/** How long the neighbours are given to take over what we store. */
const LEAVE_MS = 4_000;
/** How long the overlay is given to take back our name and address. */
const RESIGN_MS = 3_000;
/** Below systemd's 90 s for a start. */
const READY_WITHOUT_IPV4_MS = 30_000;

/** The host as a member of one overlay, from its first packet there to its last. */
export class Life {
  /** What local clients may ask of it. */
  readonly handlers: LifeHandlers;
  /** Resolves when both addresses are on the interface, or when that takes too long to wait for. */
  readonly addressed: Promise<void>;
  /** As it was when this life began. */
  private readonly begun: Membership;
  private readonly host: Host;
  private readonly turnServers: TurnServers;
  /** Undefined: what we store for others does not outlive a restart. */
  private readonly values: ValueDatabase | undefined;
  private readonly ground: Ground;
  private readonly memory: Memory;
  private readonly register: EnrollmentRegister;
  private readonly engine: Engine;
  private readonly driver: Driver;
  private readonly places: MeetingPlaces;
  private readonly addressBook: AddressBook;
  private readonly phoneFiles: PhoneFiles;
  private readonly voiceMail: VoiceMail;
  /** Undefined: switched off. */
  private readonly portMapping: PortMapping | undefined;
  /** Undefined: switched off. */
  private sip: SipHost | undefined;
  private readonly onAddressed: () => void;
  private readonly onTunLost: () => void;
  /** Of what a change of the network brings about. */
  private callOffRest = (): void => {};

  /**
   * @param options.lifecycle a member's, until this life ends.
   * @param options.ticket the one that it began with: where the host came in is a way in the next time too.
   * @param options.onTunLost the interface is gone: this life is over.
   * @throws {IdlocError} when the interface cannot be set up.
   */
  constructor(
    host: Host,
    ground: Ground,
    options: {
      readonly membership: Membership;
      readonly lifecycle: Lifecycle;
      readonly ticket: Ticket | undefined;
      readonly onTunLost: () => void;
    },
  ) {
    const { config, store, state, identity, logger, guard } = host;
    const { membership, lifecycle, ticket } = options;
    const { ipv4Prefix } = membership.configuration;
    this.host = host;
    this.turnServers = new TurnServers(host.config.turn, host.logger);
    this.ground = ground;
    this.begun = membership;
    this.onTunLost = options.onTunLost;

    this.memory = new Memory({ store, state, logger });
    ground.enter(ipv4Prefix, this.memory.ownIpv4);
    if (ticket !== undefined) this.memory.remember(inviterOf(ticket));

    const { rendezvous, dnsName } = membership.configuration;
    this.places = ground.meetingPlaces(rendezvous, dnsName);
    const clock = new OverlayClock(systemClock, { proven: membership.provenTime });
    const member = memberOf(membership, { store, identity, lifecycle, random: systemRandom, clock, logger });
    this.register = member.register;
    const { bytes: maxBytes, keep } = config.storage;
    const path = state.pathOf(VALUES_FILE);
    if (keep) this.values = new ValueDatabase({ logger, clock: systemClock }, { path, maxBytes });
    const numbers = config.sip.enable && config.sip.trunk ? new NumberBook({ state, logger }) : undefined;
    this.engine = new Engine(
      {
        dataPlane: ground.dataPlane,
        identity,
        membership: member.membership,
        trust: membership.trust,
        overlay: { ...settingsOf(membership), maxStoredBytes: maxBytes },
        ...(this.values !== undefined && { values: this.values }),
        places: this.places.all,
        openTickets: (wallNow) => member.register.openTickets(wallNow),
        random: systemRandom,
        clock,
        logger,
        guard,
        verifySignature: verifyMemberSignature,
      },
      {
        role: config.role,
        founder: membership.founder !== undefined,
        start: [...(ticket?.addresses ?? []), ...membership.configuration.bootstrapNodes],
        contacts: this.memory.contacts,
        ipv4Prefix,
        ipv4: this.memory.ownIpv4,
        rendezvousSecret: membership.secret,
        streams: config.stream.listen,
        sleep: config.sleep,
        ...(config.sip.enable && { phones: () => this.sip?.phones }),
        ...(config.sip.enable && config.sip.trunk && { gateway: () => this.sip?.gateway }),
        ...(numbers && { numbers: () => usersOf(numbers.assigned, membership.configuration.overlay) }),
        ...(config.turnServer !== undefined && { turnServer: config.turnServer }),
        ...(config.relayBytesPerSecond !== undefined && { relayBytesPerSecond: config.relayBytesPerSecond }),
      },
    );
    this.driver = new Driver(this.engine, systemClock, guard);
    const addressed = Promise.withResolvers<undefined>();
    this.addressed = addressed.promise;
    this.onAddressed = (): void => addressed.resolve(undefined);
    if (this.memory.ownIpv4 !== undefined) this.onAddressed();
    // Booted without a network and never joined: the service runs all the same, and gets the address later.
    setTimeout(this.onAddressed, READY_WITHOUT_IPV4_MS).unref();

    if (config.portMapping)
      this.portMapping = new PortMapping(
        { logger, guard },
        {
          port: ground.dataPlane.port,
          nonceFor: (uplink) => pcpNonce(identity, uplink),
          uplink: () => ground.network.uplink(),
        },
      );

    const { engine, driver } = this;
    const directory = new Directory({
      engine,
      driver,
      overlay: membership.configuration.overlay,
      after: (ms, then) => void guard.after('lookup', ms, then),
    });
    const ofUser = {
      ...{ identity, state, clock, random: systemRandom, logger },
      after: (ms: number, then: () => void) => guard.after('user document', ms, then),
    };
    const documents = documentPorts(engine, driver);
    this.addressBook = new AddressBook({ ...ofUser, overlay: documentPort(documents, IDLOC_OWN) });
    this.phoneFiles = new PhoneFiles({ ...ofUser, overlay: documentPort(documents, IDLOC_FILES) });
    this.voiceMail = voiceMailOf({ engine, driver, clock, host }, membership.configuration.overlay);
    this.handlers = lifeHandlers({
      addressBook: this.addressBook,
      phoneFiles: this.phoneFiles,
      voiceMail: this.voiceMail,
      engine,
      driver,
      directory,
      membership,
      numbers,
      register: member.register,
      dataPlane: ground.dataPlane,
      config,
      logger,
      guard,
      dnsListen: host.dns?.listen,
      locators: () => ground.network.locators(),
      interfaceNames: () => ground.network.interfaceNames(),
      tun: () => ground.tun,
      mainlineNodes: () => this.places.mainlineNodes,
      portMapping: this.portMapping,
      sip: () => this.sip?.knowledge,
      streamCertificate: host.streamCertificate,
    });
    host.dns?.server.serve({ lookup: directory, overlay: dnsName, ipv4Prefix, ownSip: () => this.sip?.ownSip });
    this.begin();
    if (config.sip.enable)
      this.sip = new SipHost(
        {
          ...{ engine, driver, state, clock: systemClock, random: systemRandom, logger, guard },
          contacts: () => this.addressBook.addresses,
          voiceMail: this.voiceMail,
        },
        {
          overlay: membership.configuration.overlay,
          ipv4Prefix,
          port: config.sip.port,
          callers: config.sip.callers,
          trustHeader: config.sip.trustHeader,
          interfaceName: config.tun.name,
          ipv4: this.memory.ownIpv4,
          lan: config.sip.lan,
          rtpengine: config.sip.rtpengine,
          hasMailbox: config.voiceMail !== undefined,
          answeringMachine: config.sip.answeringMachine,
          runtimeDirectory: dirname(config.socket),
          gateways: config.sip.gateways,
          numbers: config.sip.numbers,
          trunk: config.sip.trunk,
          assigned: numbers?.assigned,
        },
      );
  }

  /** As it is now: certificate, name and document may be others than when this life began. */
  get membership(): Membership {
    const { own, user, configuration, document } = this.engine.membership;
    return { ...this.begun, certificates: own.chain, user, configuration, document };
  }

  /** Our overlay IPv4 address, as far as we have one. */
  get ipv4(): string | undefined {
    return this.engine.ipv4;
  }

  /** Nobody else lets hosts in and renews their certificates, and there are others. */
  get isOnlyInviter(): boolean {
    const { hit: self, membership } = this.engine;
    if (!membership.office.isOnlyInviter) return false;
    // Who was given the right to invite was given it by another.
    const isFounder = membership.inviting?.isAuthority === true;
    return !isFounder || this.register.memberList().some(({ hit, revoked }) => hit !== self && !revoked);
  }

  /** For good: our name and address are free for others. @returns whether the overlay has taken them back. */
  async leave(): Promise<boolean> {
    await Promise.race([this.voiceMail.resign(), setTimeoutPromise(RESIGN_MS, undefined, { ref: false })]);
    const complete = await new Promise<boolean>((resolve) => {
      const limit = setTimeout(() => resolve(false), RESIGN_MS);
      this.driver.run((now) => {
        this.engine.resign(now, (all) => {
          clearTimeout(limit);
          resolve(all);
        });
      });
    });
    await this.stop();
    return complete;
  }

  /** Says goodbye to the overlay; the ground is closed. Idempotent. */
  async stop(): Promise<void> {
    this.callOffRest();
    this.host.dns?.server.serve(undefined);
    this.addressBook.stop();
    this.phoneFiles.stop();
    await this.sip?.stop();
    // What was said to answering machines until now is kept.
    await this.voiceMail.stop();
    await Promise.all([this.sayGoodbye(), this.portMapping?.close()]);
    this.driver.stop();
    await this.values?.settled();
    this.engine.overlay?.keepValues();
    await this.values?.close();
    this.memory.flush();
    this.flushRegister();
    this.ground.close();
  }

  /** A disk that is full now costs what was gathered. */
  private flushRegister(): void {
    try {
      this.register.flush();
    } catch (error) {
      this.host.logger.warn('not remembered over a restart', { err: messageOf(error) });
    }
  }

  private sayGoodbye(): Promise<void> {
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, LEAVE_MS);
      this.driver.run((now) => {
        this.engine.stop(now, () => {
          clearTimeout(limit);
          resolve();
        });
      });
    });
  }

  private begin(): void {
    const { engine, driver, ground, host } = this;
    this.places.onEvents((input) => driver.feed('meeting place', input));
    engine.onEvent((event) => void host.guard.run(`engine ${event.type}`, () => this.onEvent(event)));
    ground.dataPlane.onWake(() => driver.feed('data plane', (now) => void engine.drainEvents(now)));
    driver.readFirst((now) => engine.drainEvents(now));
    driver.run((now) => {
      const { locators, deprecated } = ground.network.reachability();
      engine.setHostAddresses(locators, now, deprecated);
      engine.hostAddressesChanged(now);
      engine.start(now);
    });
    this.portMapping?.onChange(({ external }, local) => this.mapped(external, local));
    this.portMapping?.refresh();
    void this.lookUpNames();
    void this.findNat64();
    const { overlay } = engine.membership.configuration;
    const hit = hitToAddress(host.identity.hit);
    host.logger.info('ready', { hit, overlay, port: ground.dataPlane.port, aead: aeadName() });
  }

  private onEvent(event: EngineEvent): void {
    const { engine, ground, memory, host } = this;
    switch (event.type) {
      case 'joined':
        host.logger.info('joined', { overlay: engine.membership.configuration.overlay, role: event.role });
        this.addressBook.joined();
        this.phoneFiles.joined();
        this.voiceMail.joined();
        this.sip?.joined();
        return;
      case 'ipv4':
        host.logger.info('address', { ipv4: event.address });
        ground.configure(event.address);
        memory.rememberOwnIpv4(event.address);
        this.sip?.addressesChanged();
        this.onAddressed();
        return;
      case 'pathMtu':
        ground.grow(event.bytes);
        return;
      case 'contact':
        memory.remember(event.contact);
        this.addressBook.seen(event.contact);
        this.phoneFiles.seen(event.contact);
        return;
      case 'foreign':
        this.places.receive(event.data, event.remote);
        return;
      case 'network':
        this.networkChanged();
        return;
      case 'tunChanged':
        ground.changed();
        return;
      case 'configuration':
        this.places.setMode(event.configuration.rendezvous);
        return;
      case 'revoked':
        host.logger.error('revoked', { why: problemOf(engine.membership) });
        return;
      case 'double':
        this.tellDouble(event.double);
        return;
      case 'tunLost':
        host.logger.error('tun lost', { tun: host.config.tun.name });
        this.onTunLost();
    }
  }

  private networkChanged(): void {
    const { engine, driver, ground } = this;
    const { locators, deprecated } = ground.network.reachability();
    driver.run((now) => engine.setHostAddresses(locators, now, deprecated));
    // What no call waits for.
    this.callOffRest();
    this.callOffRest = turnByTurn(this.host.guard, 'network', [
      () => this.places.setAddresses(locators),
      () => driver.run((now) => engine.hostAddressesChanged(now)),
      () => ground.refresh(),
      () => this.portMapping?.refresh(),
      () => this.sip?.networkChanged(),
      () => void this.lookUpNames(),
      () => void this.findNat64(),
    ]);
  }

  private mapped(external: SocketAddress | undefined, local: string | undefined): void {
    const { port } = this.ground.dataPlane;
    const forwarded =
      external === undefined || local === undefined ? undefined : { base: { address: local, port }, external };
    this.places.setMappedPort(external?.port);
    this.driver.feed('port mapping', (now) => {
      const { engine } = this;
      engine.links.setForwarded(forwarded);
      engine.addresses.mapped = external;
      engine.finder.changed(now);
    });
  }

  private tellDouble(double: Double | undefined): void {
    const { logger } = this.host;
    if (double === undefined) logger.info('the other agent with the key of this host is gone');
    else logger.error('the key of this host is used twice', { why: problemOf(this.engine.membership, double) });
  }

  /** As the last network has it. */
  private async findNat64(): Promise<void> {
    const { driver, engine, ground } = this;
    const prefix = await nat64Needed(() => ground.network.locators());
    driver.feed('NAT64', () => engine.links.addresses.setNat64(prefix));
  }

  /** Again with each network: without one, names lead nowhere. */
  private async lookUpNames(): Promise<void> {
    const { config, logger } = this.host;
    const { engine, driver } = this;
    if (config.stun.length + config.advertise.length + (config.turn?.servers.length ?? 0) === 0) return;
    // Never rejects.
    const servers = await lookUpEndpoints(config.stun, logger);
    const advertised = await lookUpEndpoints(config.advertise, logger);
    const turn = await this.turnServers.lookUp(engine.links.addresses);
    driver.feed('names of the configuration', (now) => {
      engine.links.setStunServers(servers, now);
      engine.links.turn.setServers(turn, now);
      engine.addresses.advertised = advertised;
      engine.links.addresses.setAdvertised(advertised.map(({ address }) => address));
      engine.finder.changed(now);
    });
  }
}

function documentPorts(engine: Engine, driver: Driver): DocumentPorts {
  return {
    node: () => (engine.overlay?.state === 'joined' ? engine.overlay : undefined),
    user: () => engine.membership.user,
    isRevoked: (nodeId) => engine.membership.revoked.has(nodeId),
    run: (input) => {
      driver.run(input);
    },
  };
}

function usersOf(assigned: ReadonlyMap<string, string>, overlay: string): ReadonlyMap<string, string> {
  return new Map([...assigned].map(([number, label]) => [number, `${label}@${overlay}`]));
}

function inviterOf({ inviter, addresses }: Ticket): Contact {
  const unknown = { name: null, user: null, ipv4: null };
  return { hit: inviter, ...unknown, peer: true, locators: addresses, lastSeen: systemClock.wall() };
}
