import { parseIpv4Prefix } from '../../../src/base/ipv4-prefix.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { addressToHit, type Hit, hitToAddress } from '../../../src/base/node-id.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { type AdaptorPorts, SipAdaptor } from '../../../src/sip/adaptor.ts';
import type { FoundHost } from '../../../src/sip/destinations.ts';
import { earliest } from '../../../src/base/clock.ts';
import { CallerPolicy, type CallerSettings } from '../../../src/sip/callers.ts';
import { AbsentHosts, type AbsentHostsPorts } from '../../../src/sip/absent-hosts.ts';
import { HostWatch, type HostWatchPorts } from '../../../src/sip/host-watch.ts';
import type { SipFlow } from '../../../src/sip/flow.ts';
import type { LanOptions } from '../../../src/sip/lan-phones.ts';
import type { SipMessage } from '../../../src/sip/message/message.ts';
import { OverlayNames } from '../../../src/sip/names.ts';
import type { ProvenMember } from '../../../src/sip/parties.ts';
import { Registrar } from '../../../src/sip/registrar/registrar.ts';
import { isTrunkFlow, trunkFlow } from '../../../src/sip/trunk/trunk-flow.ts';
import { type SipNetwork, type SipNode } from './sip-network.ts';
import type { SimTrunk } from './sip-trunk.ts';
import { SimPhone } from './sip-phone.ts';

export const OVERLAY = 'home.example';
/** Of an echo, and of a question to the overlay. */
const ECHO_MS = 20;
const ECHO_TIMEOUT_MS = 3_000;
const REACH_MS = 300;
export const ADAPTOR_PORT = 5_062;

/** The overlay of a few hosts: who is behind which address, and who has phones where. */
export class SipOverlay {
  readonly network: SipNetwork;
  readonly members = new Map<string, ProvenMember>();
  readonly homes = new Map<Hit, SipHome>();
  /** Records of gateways: `office +4930123` to a member. */
  readonly numbers = new Map<string, string>();
  /** Records of names that have lost their host, or that it has lost: they are there beside those that are true. */
  readonly ghosts = new Map<string, FoundHost[]>();

  constructor(network: SipNetwork) {
    this.network = network;
  }

  home(user: string | null, extras: HomeExtras = {}): SipHome {
    return new SipHome(this, user, this.homes.size + 1, extras);
  }

  /** As after a crash of its agent: nothing is known but who has registered. */
  restarted(home: SipHome): SipHome {
    const { now } = this.network.loop;
    const user = home.user?.split('@')[0] ?? null;
    const again = new SipHome(this, user, Number(home.ipv4.split('.')[3]), {});
    again.registrar.restore(home.registrar.snapshot(), now, now);
    again.adaptor.restored(now);
    home.isOff = true;
    return again;
  }

  /** In the order of the names, as their records would say; those that are gone still have theirs. */
  gatewaysOf(names: readonly string[]): Hit[] {
    const all = [...this.homes.values()];
    return names.flatMap((name) => all.filter(({ user }) => user === `${name}@${OVERLAY}`).map(({ hit }) => hit));
  }

  /** As the records of the named gateways say, the first one's before the others'. */
  holderOf(gateways: readonly string[], number: string): string | undefined {
    const label = gateways.map((name) => this.numbers.get(`${name} ${number}`)).find((found) => found !== undefined);
    return label === undefined ? undefined : `${label}@${OVERLAY}`;
  }

  /** As the overlay would say: a registration where a phone is registered, else the hosts by name. */
  hostsOf(aor: string, now: number): FoundHost[] {
    const theirs = [...this.homes.values()].filter(({ user }) => user === aor);
    const registered = theirs.filter(({ registrar }) => registrar.bindingsOf(aor, now).length > 0);
    const ghosts = this.ghosts.get(aor) ?? [];
    const isAny = registered.length > 0 || ghosts.some(({ isRegistered }) => isRegistered);
    if (isAny)
      return [
        ...registered.map(({ hit, storedAt }) => ({ hit, storedAt, isRegistered: true })),
        ...ghosts.filter(({ isRegistered }) => isRegistered),
      ];
    return [...theirs.map(({ hit, ipv4 }) => ({ hit, ipv4, isRegistered: false })), ...ghosts];
  }
}

/** What not every host has. */
export interface HomeExtras {
  readonly lan?: LanOptions;
  readonly media?: AdaptorPorts['media'];
  /** Who may ring; absent: everybody, as often as they like. */
  readonly callers?: Partial<CallerSettings>;
  /** Members that may bring calls of the world outside, and take calls to it; absent: none. */
  readonly gateways?: readonly string[];
  readonly voiceMail?: AdaptorPorts['voiceMail'];
  readonly trustHeader?: string;
}

/** A host with its adaptor, where phones live. */
export class SipHome implements SipNode {
  /** As its certificate says now. */
  user: string | null;
  readonly hit: Hit;
  readonly ipv6: string;
  readonly ipv4: string;
  readonly registrar: Registrar;
  readonly adaptor: SipAdaptor;
  /** Addresses that phones wrote and that lead nowhere. */
  readonly wrong: string[] = [];
  /** Switched off, or lost: nothing comes from it, and nothing reaches it. */
  isOff = false;
  /** Of others to this one: their ends do not know yet that it is off. */
  isLinked = false;
  /** Of the overlay itself. Out of it nobody is found. */
  isJoined = true;
  /** When it has written its record; undefined: it is not told. */
  storedAt: number | undefined;
  /** How often it has asked the overlay for a way to another host. */
  reached = 0;
  /** The gateway beside the adaptor. */
  trunk: SimTrunk | undefined;
  private readonly watch: HostWatch;
  private readonly absent: AbsentHosts;
  private readonly overlay: SipOverlay;
  private phones = 0;

  constructor(overlay: SipOverlay, user: string | null, number: number, extras: HomeExtras) {
    const { lan, media, callers, voiceMail, trustHeader, gateways = [] } = extras;
    const { network, members, homes } = overlay;
    this.overlay = overlay;
    this.user = user === null ? null : `${user}@${OVERLAY}`;
    this.ipv6 = hitToAddress(`20010022${String(number).padStart(24, '0')}`);
    this.hit = addressToHit(this.ipv6);
    this.ipv4 = `198.18.0.${number}`;
    const userNow = (): string | null => this.user;
    const self = {
      hit: this.hit,
      get user() {
        return userNow();
      },
    };
    for (const address of [this.ipv6, this.ipv4]) members.set(address, self);
    homes.set(this.hit, this);
    const own = { ipv6: this.ipv6, ipv4: this.ipv4 };
    const isOwnAddress = (address: string): boolean => address === own.ipv6 || address === own.ipv4;
    const random = seededRandom(number);
    this.registrar = new Registrar(
      {
        names: new OverlayNames(OVERLAY),
        ports: { owns: (aor) => aor === self.user, user: () => self.user, isOwnAddress, changed: () => {} },
        random,
        clock: { monotonic: () => network.loop.now, wall: () => network.loop.now },
      },
      { hit: this.hit, outbound: ['tcp'] },
    );
    const ports = this.watchPorts();
    this.absent = new AbsentHosts({ ports });
    this.watch = new HostWatch({ ports });
    this.adaptor = new SipAdaptor(
      {
        registrar: this.registrar,
        ports: {
          send: (flow, message) => (isTrunkFlow(flow) ? this.toTrunk(message) : this.send(flow, message)),
          gateways: (now, done) => done(overlay.gatewaysOf(gateways), now),
          holderOf: (number, now, done) => done(overlay.holderOf(gateways, number), now),
          trunk: () => this.trunk && { flow: trunkFlow(this.ends), isReady: this.trunk.isReady },
          memberAt: (_, address) => members.get(address),
          unregisteredPhone: () => [this.ipv4, this.ipv6].find((address) => network.has({ address, port: 5_060 })),
          ipv4Of: (hit) => homes.get(hit)?.ipv4,
          lookUp: (aor, now, done) => done(overlay.hostsOf(aor, now), now),
          isListening: ({ address, port }) =>
            address === lan?.address ? port === lan.port : isOwnAddress(address) && port === ADAPTOR_PORT,
          isAbsent: ({ hit, storedAt }, now) => this.absent.isAbsent(hitToAddress(hit), storedAt, now),
          media,
          voiceMail,
          onWrongAddresses: (addresses) => void this.wrong.push(...addresses),
        },
        random,
        logger: silentLogger,
      },
      {
        ...{ overlay: OVERLAY, ipv4Prefix: parseIpv4Prefix('198.18.0.0/15'), self, own, port: ADAPTOR_PORT, lan },
        gateways: gateways.map((name) => `${name}@${OVERLAY}`),
        numbers: { country: 'DE' },
        trustHeader,
        hasMailbox: voiceMail !== undefined,
        callers:
          callers &&
          new CallerPolicy(
            { ports: { minuteOfDay: () => Math.floor(network.loop.now / 60_000) % 1_440 } },
            { callers: 'members', contacts: [], block: [], callsPerMinute: 30, ...callers },
          ),
      },
    );
    if (lan !== undefined) network.attach(lan, this);
    for (const address of [this.ipv6, this.ipv4]) network.attach({ address, port: ADAPTOR_PORT }, this);
  }

  get ends(): { address: string; port: number } {
    return { address: this.ipv6, port: ADAPTOR_PORT };
  }

  private toTrunk(message: SipMessage): void {
    const { trunk } = this;
    if (trunk === undefined) return;
    this.overlay.network.loop.after(0, () => trunk.receiveInside(message));
  }

  /** Of the gateway beside it. */
  fromTrunk(message: SipMessage): void {
    const { loop } = this.overlay.network;
    loop.after(0, () => {
      this.adaptor.receive(trunkFlow(this.ends), message, loop.now);
      this.overlay.network.schedule(this);
    });
  }

  receive(message: SipMessage, flow: SipFlow, now: number): void {
    if (this.isOff) return;
    this.watch.heard(flow, now);
    this.absent.back(flow.remote.address);
    this.adaptor.receive(flow, message, now);
  }

  nextTimeout(): number | undefined {
    return earliest(this.adaptor.nextTimeout(), this.watch.nextTimeout(), this.absent.nextTimeout());
  }

  handleTimeout(now: number): void {
    this.adaptor.handleTimeout(now);
    this.watch.handleTimeout(now);
    this.absent.handleTimeout(now);
  }

  private send(flow: SipFlow, message: SipMessage): void {
    const { network } = this.overlay;
    if (this.isOff) return;
    network.send(flow, message);
    if (message.type === 'request' && this.adaptor.leadsToHost(flow)) this.watch.sent(flow, network.loop.now);
  }

  private watchPorts(): HostWatchPorts & AbsentHostsPorts {
    const { network, homes } = this.overlay;
    const at = (address: string): SipHome | undefined =>
      [...homes.values()].find(({ ipv4, ipv6 }) => address === ipv4 || address === ipv6);
    const answer = (afterMs: number, isThere: boolean, done: (isThere: boolean, now: number) => void): void =>
      network.loop.after(afterMs, () => {
        done(isThere, network.loop.now);
        network.schedule(this);
      });
    return {
      isWaiting: (flow) => this.adaptor.isWaiting(flow),
      isJoined: () => this.isJoined,
      isLinked: (address) => at(address)?.isLinked === true,
      echo: (address, _, done) => {
        const isThere = at(address)?.isOff === false;
        answer(isThere ? ECHO_MS : ECHO_TIMEOUT_MS, isThere, done);
      },
      hasAnswered: () => false,
      reach: (address, _, done) => {
        this.reached += 1;
        answer(REACH_MS, this.isJoined && at(address)?.isOff === false, done);
      },
      gone: (flow, now) => {
        this.absent.gone(flow.remote.address, now);
        this.adaptor.flowClosed(flow, now);
      },
    };
  }

  /** @param options.over of which family it is */
  phone(
    options: { readonly over?: 'ipv4' | 'ipv6'; readonly transport?: 'udp' | 'tcp'; readonly user?: string } = {},
  ): SimPhone {
    const { over = 'ipv6', transport = 'udp', user = this.user?.split('@')[0] ?? 'nobody' } = options;
    const address = over === 'ipv6' ? this.ipv6 : this.ipv4;
    this.phones += 1;
    const ends = { address: { address, port: 5_060 + 10 * (this.phones - 1) }, proxy: { address, port: ADAPTOR_PORT } };
    return new SimPhone(
      this.overlay.network,
      user,
      { ...ends, transport },
      100 * Number(this.ipv4.split('.')[3]) + this.phones,
    );
  }

  /** A phone that is registered. */
  registered(options: Parameters<SipHome['phone']>[0] = {}): SimPhone {
    const phone = this.phone(options);
    phone.ask('REGISTER', `sip:${this.user ?? ''}`, [{ name: 'Expires', value: '600' }]);
    this.overlay.network.loop.run(50);
    return phone;
  }
}
