import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { IdlocError, messageOf } from '../base/errors.ts';
import { DEFAULT_IPV4_PREFIX } from '../base/ipv4-prefix.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { RendezvousMode } from '../config/overlay-configuration.ts';
import type { DataPlane } from '../native/data-plane.ts';
import { createDataPlane } from '../native/native.ts';
import { createNetlink } from '../native/netlink.ts';
import { INITIAL_TUN_MTU, tunMtuFor } from '../tunnel/tun-mtu.ts';
import { absentStreams } from './absent-streams.ts';
import { Driver } from './driver.ts';
import type { Host } from './host.ts';
import { HostNetwork } from './host-network.ts';
import { InterfaceKeeper } from './interface-keeper.ts';
import { ipv6StateOf, type Ipv6State } from './ipv6-switch.ts';
import { MeetingPlaces } from './meeting-places.ts';

/**
 * What a life in an overlay stands on: the socket, and the interface with the host's own address. Everything that takes a
 * privilege is done when it is opened: before anything is written, and before a ticket is spent.
 */
export class Ground {
  readonly dataPlane: DataPlane;
  network: HostNetwork;
  private readonly host: Host;
  private readonly netlink = createNetlink();
  private readonly keeper: InterfaceKeeper;
  private readonly driver: Driver;
  private mtu: number;
  /** Our overlay IPv4 address, as far as we have one. */
  private ipv4: string | undefined;
  private ipv6 = true;
  private meeting: { readonly domain: string; readonly places: MeetingPlaces } | undefined;

  /** @throws {IdlocError} when the port is taken or a privilege is missing; nothing stays open then. */
  constructor(host: Host) {
    const { config, logger, guard, streamCertificate } = host;
    const { tun } = config;
    this.host = host;
    this.keeper = new InterfaceKeeper({ logger, putBack: () => this.putBack() });
    this.driver = new Driver(this.keeper, systemClock, guard);
    this.mtu = tun.mtu ?? INITIAL_TUN_MTU;
    this.dataPlane = createDataPlane({
      port: config.listen,
      tun: tun.enable ? { name: tun.name, mtu: this.mtu } : null,
      limits: config.limits,
      copyDscp: config.copyDscp,
      uplinks: config.uplinks,
      streams: {
        ...config.stream,
        ...(streamCertificate !== undefined && { certificate: streamCertificate.shown }),
        inherited: host.streamSockets,
        servesTurn: config.turnServer !== undefined && config.turnServer !== 'off',
      },
    });
    streamCertificate?.showAt((certificate) => this.dataPlane.showStreamCertificate(certificate));
    this.network = this.networkOf(config.ipv4Prefix ?? DEFAULT_IPV4_PREFIX);
    for (const absent of absentStreams(config.stream.listen, [...this.network.interfaceNames().keys()]))
      logger.warn('no interface has that address yet', { addr: formatSocketAddress(absent), setting: 'stream.listen' });
    try {
      this.configure(undefined);
    } catch (error) {
      this.leaveNoRules();
      this.dataPlane.close();
      throw error;
    }
  }

  /** What there is now; undefined: no TUN. */
  get tun(): ReturnType<HostNetwork['tun']> {
    return this.host.config.tun.enable ? this.network.tun() : undefined;
  }

  /** The overlay is known: its range is guarded, and what else is in it is said. */
  enter(ipv4Prefix: string, ipv4: string | undefined): void {
    this.leaveNoRules();
    this.network = this.networkOf(ipv4Prefix);
    if (!this.host.config.tun.enable) return;
    for (const clash of this.network.clashes()) this.host.logger.warn('address clash', { clash, prefix: ipv4Prefix });
    this.network.guard();
    this.configure(ipv4);
  }

  /** The interface gets its addresses and its MTU. */
  configure(ipv4: string | undefined): void {
    const { config, identity } = this.host;
    this.ipv4 = ipv4;
    if (config.tun.enable) this.noteIpv6(this.network.configureTun(identity.hit, ipv4, this.mtu));
  }

  /** The host's network changed: with it, IPv6 may be there again. */
  refresh(): void {
    if (!this.ipv6) this.changed();
  }

  /** The interface or its routes changed: what is not as it was set any more is put back. */
  changed(): void {
    if (this.host.config.tun.enable) this.driver.feed('interface', (now) => this.keeper.changed(now));
  }

  /** A path carries datagrams of so many bytes: packets of programs may be as large as fits in. */
  grow(pathMtu: number): void {
    const { config, logger } = this.host;
    if (config.tun.mtu !== undefined || tunMtuFor(pathMtu) <= this.mtu) return;
    this.mtu = tunMtuFor(pathMtu);
    logger.info('tun mtu', { mtu: this.mtu });
    this.configure(this.ipv4);
  }

  /** Where members of this overlay meet. A newcomer's places stay, with what they have learned, when it becomes a member. */
  meetingPlaces(mode: RendezvousMode, domain: string): MeetingPlaces {
    if (this.meeting?.domain === domain) {
      this.meeting.places.setMode(mode);
      return this.meeting.places;
    }
    this.meeting?.places.close();
    const { config, logger, guard, dns } = this.host;
    const places = new MeetingPlaces(
      { dataPlane: this.dataPlane, config, logger, random: systemRandom, guard, dnsStub: dns?.listen },
      { mode, domain },
    );
    places.setAddresses(this.network.locators());
    this.meeting = { domain, places };
    return places;
  }

  close(): void {
    this.driver.stop();
    this.meeting?.places.close();
    this.meeting = undefined;
    this.leaveNoRules();
    this.dataPlane.close();
  }

  /** @returns what was missing. */
  private putBack(): readonly string[] {
    const done = this.network.putBack(this.host.identity.hit, this.ipv4, this.mtu);
    // The data plane says when the interface is gone.
    if (done === undefined) return [];
    this.noteIpv6(done.ipv6);
    return done.missing;
  }

  /** One that stays leads to a table that is empty: nothing is lost by it. */
  private leaveNoRules(): void {
    try {
      this.network.leaveNoRules();
    } catch (error) {
      if (!(error instanceof IdlocError)) throw error;
      this.host.logger.warn('a routing rule stays', { err: messageOf(error) });
    }
  }

  private noteIpv6(ipv6: boolean): void {
    const { logger } = this.host;
    if (!ipv6 && this.ipv6) logger.warn('IPv6 is switched off on this host: only IPv4 addresses work');
    else if (ipv6 && !this.ipv6) logger.info('IPv6 is switched on again');
    this.ipv6 = ipv6;
  }

  private networkOf(ipv4Prefix: string): HostNetwork {
    const { tun, uplinks } = this.host.config;
    const ipv6State = (): Ipv6State => ipv6StateOf(tun.name);
    return new HostNetwork(this.netlink, { tunName: tun.name, ipv4Prefix, ipv6State, uplinks, table: tun.table });
  }
}
