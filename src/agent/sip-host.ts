import { parseIpv4Prefix } from '../base/ipv4-prefix.ts';
import { type Clock, earliest, type Timed } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { hitToAddress, type Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import type { OwnSip } from '../dns/own-sip.ts';
import type { StateDirectory } from '../identity/state-directory.ts';
import type { SipLanSettings, SipLanUser } from '../config/sip-lan-settings.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { TrunkSettings } from '../config/trunk-settings.ts';
import { AbsentHosts } from '../sip/absent-hosts.ts';
import { SipAdaptor } from '../sip/adaptor.ts';
import { callerName, CallerPolicy, type CallerSettings } from '../sip/callers.ts';
import { HostWatch } from '../sip/host-watch.ts';
import type { DigestUser } from '../sip/digest/authenticator.ts';
import { type DigestAlgorithm, ha1Of } from '../sip/digest/digest.ts';
import { encodeSip } from '../sip/message/codec.ts';
import type { SipMessage } from '../sip/message/message.ts';
import { OverlayNames } from '../sip/names.ts';
import type { SipFlow } from '../sip/flow.ts';
import type { NumberPlan } from '../sip/numbers.ts';
import type { OwnAddresses, ProvenMember } from '../sip/parties.ts';
import { PhoneJournal } from '../sip/phone-journal.ts';
import { Registrar } from '../sip/registrar/registrar.ts';
import { SIP_PORT } from '../sip/transaction/constants.ts';
import { isTrunkFlow } from '../sip/trunk/trunk-flow.ts';
import { withAdaptorPort } from '../sip/usage/contact-preferences.ts';
import { GatewayDirectory, gatewayText } from '../sip/usage/gateway-directory.ts';
import { KnownPorts } from '../sip/usage/known-ports.ts';
import { NumberDirectory } from '../sip/usage/number-directory.ts';
import { Driver } from './driver.ts';
import type { Engine } from './engine.ts';
import type { Guard } from './guard.ts';
import { KeptRegistrations } from './kept-registrations.ts';
import { rtpengineConfiguration, writeRtpengineConfiguration } from './rtpengine-configuration.ts';
import { RtpengineSocket } from './rtpengine-socket.ts';
import { SipLookup } from './sip-lookup.ts';
import { hostWatchPorts } from './sip-reach.ts';
import type { SipKnowledge } from './sip-report.ts';
import { SipSockets } from './sip-sockets.ts';
import { SipTrunk } from './sip-trunk.ts';
import { readUdpTables, udpListener } from './udp-listeners.ts';
import { AnsweringMachines } from './voice-mail/answering-machines.ts';
import { MachineCalls } from './voice-mail/machine-calls.ts';
import type { VoiceMailPort } from './voice-mail/voice-mail-port.ts';

export interface SipHostComponents {
  readonly engine: Engine;
  /** The engine's. */
  readonly driver: Driver;
  readonly state: StateDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly guard: Guard;
  /** URIs of the user's address book; absent: there is none. */
  readonly contacts?: () => readonly string[];
  /** Absent: there is no voice mail. */
  readonly voiceMail?: VoiceMailPort | undefined;
}

export interface SipHostOptions {
  /** Behind the @ of its users. */
  readonly overlay: string;
  /** CIDR. */
  readonly ipv4Prefix: string;
  readonly port: number;
  /** The TUN, which has its addresses already. */
  readonly interfaceName: string;
  /** That of a former life, which the TUN has until another one is claimed. */
  readonly ipv4: string | undefined;
  readonly callers: CallerSettings;
  readonly trustHeader?: string | undefined;
  /** Phones on the LAN; absent: none are heard. */
  readonly lan?: SipLanSettings | undefined;
  /** Where rtpengine hears commands; absent: there is none. */
  readonly rtpengine?: SocketAddress | undefined;
  /** Its user takes messages: phones may have a lamp for them. */
  readonly hasMailbox: boolean;
  /** Where answering machines are asked for (idloc-voicemail.socket). */
  readonly answeringMachine: string;
  /** Where rtpengine's configuration is written. */
  readonly runtimeDirectory: string;
  /** Labels of members whose hosts are gateways. */
  readonly gateways?: readonly string[] | undefined;
  readonly numbers?: NumberPlan | undefined;
  /** This host is a gateway itself. */
  readonly trunk?: TrunkSettings | undefined;
  /** E.164 number to the label of the member to whom this gateway has given it, as it is now. */
  readonly assigned?: ReadonlyMap<string, string> | undefined;
}

/**
 * The SIP adaptor of this host, in the agent: its sockets, its timer, what it asks of the overlay, and what it remembers.
 *
 *     sockets ──> adaptor, registrar ──> sockets
 *                   │          └──> kept registrations; the record in the overlay (engine)
 *                   └──lookUp──> engine
 */
export class SipHost implements Timed {
  private readonly components: SipHostComponents;
  private readonly options: SipHostOptions;
  private readonly driver: Driver;
  private readonly registrar: Registrar;
  private readonly kept: KeptRegistrations;
  private readonly lookup: SipLookup;
  private readonly sockets: SipSockets;
  private readonly watch: HostWatch;
  private readonly absent: AbsentHosts;
  private readonly callers: CallerPolicy;
  private readonly journal: PhoneJournal;
  private readonly rtpengine: RtpengineSocket | undefined;
  private readonly gateways: GatewayDirectory;
  private readonly holders: NumberDirectory;
  private readonly trunk: SipTrunk | undefined;
  /** Of other hosts. */
  private readonly ports = new KnownPorts();
  private readonly machines: AnsweringMachines;
  private readonly adaptor: SipAdaptor;

  constructor(components: SipHostComponents, options: SipHostOptions) {
    const { engine, state, clock, logger, guard } = components;
    this.components = components;
    this.options = options;
    this.driver = new Driver(this, clock, guard);
    const { ports } = this;
    this.lookup = new SipLookup({
      ...components,
      ports,
      after: (ms, then) => void guard.after('SIP lookup', ms, then),
    });
    this.kept = new KeptRegistrations({ state, logger, snapshot: () => this.registrar.snapshot() });
    this.journal = new PhoneJournal({ clock, isOwn: (address) => this.isOwn(address) });
    this.registrar = this.makeRegistrar();
    this.rtpengine = options.rtpengine && new RtpengineSocket(components, options.rtpengine);
    this.callers = new CallerPolicy(
      {
        ports: {
          minuteOfDay: () => minuteOfDay(clock.wall()),
          isContact: (names) => components.contacts?.().some((uri) => names.includes(callerName(uri))) ?? false,
        },
      },
      options.callers,
    );
    const reach = hostWatchPorts({ engine, driver: components.driver, fed: this.driver });
    this.absent = new AbsentHosts({ ports: reach });
    this.watch = new HostWatch({
      ports: {
        ...reach,
        isWaiting: (flow) => this.adaptor.isWaiting(flow),
        gone: (flow, now) => {
          this.absent.gone(flow.remote.address, now);
          this.adaptor.flowClosed(flow, now);
        },
      },
    });
    const names = new OverlayNames(options.overlay);
    const gateways = (options.gateways ?? []).map((label) => names.aorOf(label));
    const asked = {
      overlay: () => (engine.overlay?.state === 'joined' ? engine.overlay : undefined),
      after: (ms: number, then: (now: number) => void): void =>
        void setTimeout(() => this.driver.feed('SIP gateways', then), ms).unref(),
    };
    this.gateways = new GatewayDirectory({ ...asked, ports }, gateways);
    this.holders = new NumberDirectory(
      {
        ...asked,
        own: (number) => {
          const label = options.assigned?.get(number);
          return label === undefined ? undefined : names.aorOf(label);
        },
      },
      gateways,
    );
    this.trunk = this.makeTrunk();
    this.machines = new AnsweringMachines(components, {
      socket: options.answeringMachine,
      interfaceName: options.interfaceName,
    });
    this.adaptor = this.makeAdaptor();
    this.driver.run((now) => {
      if (this.registrar.restore(this.kept.load(), now, clock.wall())) this.adaptor.restored(now);
    });
    this.sockets = new SipSockets(
      {
        ...{ clock, logger, guard },
        receive: (flow, incoming) => {
          this.driver.feed('SIP message', (now) => {
            this.watch.heard(flow, now);
            this.absent.back(flow.remote.address);
            if (incoming instanceof Uint8Array) this.adaptor.receiveDatagram(flow, incoming, now);
            else this.adaptor.receive(flow, incoming, now);
          });
        },
        flowClosed: (flow) => void this.driver.feed('SIP flow', (now) => this.adaptor.flowClosed(flow, now)),
      },
      { port: options.port, interfaceName: options.interfaceName, lan: lanAddress(options) },
    );
    this.addressesChanged();
    components.voiceMail?.onChange(
      (counts) => void this.driver.feed('SIP messages', (now) => this.adaptor.messagesChanged(counts, now)),
    );
  }

  /** Where phones of this host find it; undefined: it does not listen. */
  get ownSip(): OwnSip | undefined {
    return this.sockets.ownSip;
  }

  /** What phones of this host's user take, and where they are called; undefined: none is registered. */
  get phones(): string | undefined {
    const { engine, clock } = this.components;
    const { user } = engine.membership;
    const preferences = user === null ? undefined : this.registrar.preferencesOf(user, clock.monotonic());
    return preferences === undefined ? undefined : withAdaptorPort(preferences, this.options.port);
  }

  /** What is known of phones and sockets now. */
  get knowledge(): SipKnowledge {
    const { clock } = this.components;
    const { port, interfaceName } = this.options;
    const { sockets, own, journal, rtpengine } = this;
    const now = clock.monotonic();
    const { notListening, isPortTaken } = sockets;
    return {
      ...{ port, interfaceName, isPortTaken, notListening, journal, now },
      addresses: own.ipv4 === undefined ? [own.ipv6] : [own.ipv6, own.ipv4],
      isListening: notListening.length === 0,
      phones: this.registrar.bound(now),
      trunk: this.trunk?.state,
      relay: rtpengine && {
        ...{ neededBy: neededBy(this.options), addr: rtpengine.addr },
        isThere: async () => rtpengine.isThere(),
      },
      wallNow: clock.wall(),
    };
  }

  /** What this host's trunk leads to; undefined: nowhere, now. */
  get gateway(): string | undefined {
    const domain = this.trunk?.domain;
    return domain === undefined ? undefined : gatewayText(domain, this.options.port);
  }

  /** This host has other addresses than before. */
  networkChanged(): void {
    this.trunk?.networkChanged();
    this.driver.feed('SIP network', () => this.absent.forgetAll());
  }

  /** The overlay, or once more: whom this host did not reach without it may have been there all the time. */
  joined(): void {
    this.driver.feed('SIP join', () => this.absent.forgetAll());
  }

  /** An overlay address was claimed, and the interface has it. */
  addressesChanged(): void {
    const own = this.own;
    this.driver.feed('SIP addresses', () => this.adaptor.addressesChanged(own));
    this.sockets.setAddresses(own.ipv4 === undefined ? [own.ipv6] : [own.ipv6, own.ipv4]);
    this.tellRtpengine(own);
  }

  nextTimeout(): number | undefined {
    return earliest(this.adaptor.nextTimeout(), this.watch.nextTimeout(), this.absent.nextTimeout());
  }

  handleTimeout(now: number): void {
    this.adaptor.handleTimeout(now);
    this.watch.handleTimeout(now);
    this.absent.handleTimeout(now);
  }

  /** Idempotent. Calls go on without us; registrations are there again in the next life. */
  async stop(): Promise<void> {
    // Who speaks to a machine is hung up on by way of the adaptor.
    await this.machines.stop();
    if (this.trunk !== undefined) {
      this.trunk.stop();
      // What it has said goodbye with goes by the adaptor.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.driver.stop();
    this.rtpengine?.stop();
    this.kept.flush();
    await this.sockets.stop();
  }

  private get own(): OwnAddresses {
    const { engine } = this.components;
    return { ipv6: hitToAddress(engine.hit), ipv4: engine.ipv4 ?? this.options.ipv4 };
  }

  private isOwn(address: string): boolean {
    const { ipv6, ipv4 } = this.own;
    return address === ipv6 || address === ipv4;
  }

  /** Once both addresses are known: rtpengine begins anew when they change. */
  private tellRtpengine(own: OwnAddresses): void {
    const { rtpengine, lan, runtimeDirectory } = this.options;
    if (rtpengine === undefined || own.ipv4 === undefined) return;
    try {
      const outside = { lan: lan?.address, trunk: this.trunk?.mediaAddress };
      writeRtpengineConfiguration(runtimeDirectory, rtpengineConfiguration(own, outside, rtpengine));
    } catch (error) {
      this.components.logger.warn('rtpengine is not told its addresses', { err: messageOf(error) });
    }
  }

  private makeRegistrar(): Registrar {
    const { engine, driver, clock, random } = this.components;
    return new Registrar(
      {
        names: new OverlayNames(this.options.overlay),
        ports: {
          owns: (aor) => aor === engine.membership.user,
          user: () => engine.membership.user,
          isOwnAddress: (address) => this.isOwn(address),
          isLanAddress: (address) => address === this.options.lan?.address,
          changed: (_, __, at) => {
            this.kept.changed();
            this.journal.registered(this.registrar.bound(at));
            driver.feed('phones', (now) => engine.phonesChanged(now));
          },
        },
        clock,
        random,
      },
      // What a phone sends over UDP to keep its binding in a NAT has no NAT to keep it in.
      { hit: engine.hit, outbound: ['tcp'] },
    );
  }

  private makeAdaptor(): SipAdaptor {
    const { engine, random, logger, clock, voiceMail } = this.components;
    const { overlay, ipv4Prefix, port, trustHeader, lan } = this.options;
    const { rtpengine } = this;
    const names = new OverlayNames(overlay);
    return new SipAdaptor(
      {
        registrar: this.registrar,
        ports: {
          send: (flow, message) => this.send(flow, message),
          gateways: (_, done) =>
            this.components.driver.run((now) =>
              this.gateways.lookUp(now, (hosts) => void this.driver.feed('SIP gateways', (at) => done(hosts, at))),
            ),
          holderOf: (number, _, done) =>
            this.components.driver.run((now) =>
              this.holders.lookUp(number, now, (aor) => void this.driver.feed('SIP numbers', (at) => done(aor, at))),
            ),
          trunk: () => this.trunk,
          unregisteredPhone: () => udpListener(readUdpTables(), this.own, SIP_PORT),
          memberAt: (hit, address) => this.memberAt(hit, address),
          ipv4Of: (hit) => engine.ipv4Of(hit),
          lookUp: (aor, at, done) =>
            this.lookup.lookUp(aor, at, (hosts) => void this.driver.feed('SIP lookup', (now) => done(hosts, now))),
          isListening: (local) => this.sockets.isListening(local),
          portOf: (hit) => this.ports.of(hit),
          isAbsent: ({ hit, storedAt }, now) => this.absent.isAbsent(hitToAddress(hit), storedAt, now),
          onWrongAddresses: (addresses) =>
            logger.warn('a phone tells others addresses that they cannot reach', {
              addresses: addresses.join(' '),
              done: 'replaced by those of this host in the overlay',
              advice: `let the phone use the interface ${this.options.interfaceName}`,
            }),
          media: rtpengine && {
            ask: (command, done) =>
              rtpengine.ask(command, (answer) => void this.driver.feed('media', (now) => done(answer, now))),
            onAnswer: (failure) => rtpengine.onAnswer(failure),
          },
          voiceMail:
            voiceMail &&
            new MachineCalls({
              ...{ mail: voiceMail, machines: this.machines, clock, logger },
              feed: (input) => void this.driver.feed('voice mail', input),
            }),
        },
        random,
        logger,
      },
      {
        overlay,
        ipv4Prefix: parseIpv4Prefix(ipv4Prefix),
        self: {
          hit: engine.hit,
          // A host that is given another name keeps its calls.
          get user() {
            return engine.membership.user;
          },
        },
        own: this.own,
        port,
        trustHeader,
        callers: this.callers,
        journal: this.journal,
        lan: lan && { ...lan, users: lan.users.map((user) => digestUser(user, overlay)) },
        gateways: (this.options.gateways ?? []).map((label) => names.aorOf(label)),
        numbers: this.options.numbers,
        hasMailbox: this.options.hasMailbox,
      },
    );
  }

  private send(flow: SipFlow, message: SipMessage): void {
    if (isTrunkFlow(flow)) {
      // Neither calls the other one back while it sends.
      setImmediate(() => this.trunk?.receive(message));
      return;
    }
    this.sockets.send(flow, encodeSip(message));
    if (message.type === 'request' && this.adaptor.leadsToHost(flow))
      this.watch.sent(flow, this.components.clock.monotonic());
  }

  private makeTrunk(): SipTrunk | undefined {
    const { engine } = this.components;
    const { trunk: settings, numbers = {}, assigned, overlay, ipv4Prefix, port } = this.options;
    if (settings === undefined) return undefined;
    const toAdaptor = (message: SipMessage): void =>
      void setImmediate(() =>
        this.driver.feed('SIP trunk', (now) => {
          if (this.trunk !== undefined) this.adaptor.receive(this.trunk.flow, message, now);
        }),
      );
    const changed = (): void =>
      void setImmediate(() => {
        this.tellRtpengine(this.own);
        this.components.driver.feed('gateway', (now) => engine.phonesChanged(now));
      });
    const { rtpengine } = this;
    return new SipTrunk(
      { ...this.components, rtpengine, hasIpv4: () => this.own.ipv4 !== undefined, toAdaptor, changed },
      { settings, numbers, assigned, overlay, ipv4Prefix, self: engine.hit, port },
    );
  }

  /** The data plane lets nobody send from an address that its link has not proven. */
  private memberAt(hit: Hit | undefined, address: string): ProvenMember | undefined {
    const { engine } = this.components;
    const found = hit ?? engine.hitOf(address);
    if (found === undefined || engine.membership.revoked.has(found)) return undefined;
    return { hit: found, user: engine.userOf(found) };
  }
}

/** In the time zone of this host. */
function minuteOfDay(wallMs: number): number {
  const date = new Date(wallMs);
  return 60 * date.getHours() + date.getMinutes();
}

/** What is kept of a password is what its digest needs; the realm is the overlay's name. */
function digestUser(user: SipLanUser, realm: string): DigestUser {
  const { name } = user;
  if ('ha1' in user) return { name, ha1: { 'SHA-256': user.ha1.sha256, MD5: user.ha1.md5 } };
  const ha1 = (algorithm: DigestAlgorithm): string => ha1Of(algorithm, name, realm, user.password);
  return { name, ha1: { 'SHA-256': ha1('SHA-256'), MD5: ha1('MD5') } };
}

/** The setting that brings media to rtpengine. */
function neededBy({ lan, trunk }: SipHostOptions): string {
  if (trunk !== undefined) return trunk.media === 'rtp' ? 'sip.trunk' : `sip.trunk.media = "${trunk.media}"`;
  return lan === undefined ? 'sip.rtpengine' : 'sip.lan';
}

/** And nothing else of its settings: flows keep it, and are written to a file. */
function lanAddress({ lan }: SipHostOptions): SocketAddress | undefined {
  return lan && { address: lan.address, port: lan.port };
}
