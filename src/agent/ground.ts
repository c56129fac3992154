import { systemRandom } from '../base/random.ts';
import { DEFAULT_IPV4_PREFIX } from '../base/ipv4-prefix.ts';
import type { RendezvousMode } from '../config/overlay-configuration.ts';
import type { DataPlane } from '../native/data-plane.ts';
import { createDataPlane } from '../native/native.ts';
import { createNetlink } from '../native/netlink.ts';
import { INITIAL_TUN_MTU, tunMtuFor } from '../tunnel/tun-mtu.ts';
import type { Host } from './host.ts';
import { HostNetwork } from './host-network.ts';
import { ipv6StateOf } from './ipv6-switch.ts';
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
  private mtu: number;
  private ipv6 = true;
  private meeting: { readonly what: string; readonly places: MeetingPlaces } | undefined;

  /** @throws {IdlocError} when the port is taken or a privilege is missing; nothing stays open then. */
  constructor(host: Host) {
    const { config } = host;
    const { tun } = config;
    this.host = host;
    this.mtu = tun.mtu ?? INITIAL_TUN_MTU;
    this.dataPlane = createDataPlane({
      port: config.listen,
      tun: tun.enable ? { name: tun.name, mtu: this.mtu } : null,
      limits: config.limits,
      copyDscp: config.copyDscp,
    });
    this.network = this.networkOf(config.ipv4Prefix ?? DEFAULT_IPV4_PREFIX);
    try {
      this.configure(undefined);
    } catch (error) {
      this.dataPlane.close();
      throw error;
    }
  }

  get tunMtu(): number {
    return this.mtu;
  }

  /** The overlay is known: its range is guarded, and what else is in it is said. */
  enter(ipv4Prefix: string, ipv4: string | undefined): void {
    this.network = this.networkOf(ipv4Prefix);
    if (!this.host.config.tun.enable) return;
    for (const clash of this.network.clashes()) this.host.logger.warn('address clash', { clash, prefix: ipv4Prefix });
    this.network.guard();
    this.configure(ipv4);
  }

  /** The interface gets its addresses and its MTU. */
  configure(ipv4: string | undefined): void {
    const { config, identity, logger } = this.host;
    if (!config.tun.enable) return;
    const ipv6 = this.network.configureTun(identity.hit, ipv4, this.mtu);
    if (!ipv6 && this.ipv6) logger.warn('IPv6 is switched off on this host: only IPv4 addresses work');
    else if (ipv6 && !this.ipv6) logger.info('IPv6 is switched on again');
    this.ipv6 = ipv6;
  }

  /** The host's network changed: with it, IPv6 may be there again. */
  refresh(ipv4: string | undefined): void {
    if (!this.ipv6) this.configure(ipv4);
  }

  /** A path carries datagrams of so many bytes: packets of programs may be as large as fits in. */
  grow(pathMtu: number, ipv4: string | undefined): void {
    const { config, logger } = this.host;
    if (config.tun.mtu !== undefined || tunMtuFor(pathMtu) <= this.mtu) return;
    this.mtu = tunMtuFor(pathMtu);
    logger.info('tun mtu', { mtu: this.mtu });
    this.configure(ipv4);
  }

  /** Where members of this overlay meet. A newcomer's places stay, with what they have learned, when it becomes a member. */
  meetingPlaces(mode: RendezvousMode, domain: string): MeetingPlaces {
    const what = `${mode} ${domain}`;
    if (this.meeting?.what === what) return this.meeting.places;
    this.meeting?.places.close();
    const { config, logger, dns } = this.host;
    const places = new MeetingPlaces(
      { dataPlane: this.dataPlane, config, logger, random: systemRandom, dnsStub: dns?.listen },
      { mode, domain },
    );
    places.setAddresses(this.network.locators());
    this.meeting = { what, places };
    return places;
  }

  close(): void {
    this.meeting?.places.close();
    this.meeting = undefined;
    this.dataPlane.close();
  }

  private networkOf(ipv4Prefix: string): HostNetwork {
    const tunName = this.host.config.tun.name;
    return new HostNetwork(this.netlink, { tunName, ipv4Prefix, ipv6State: () => ipv6StateOf(tunName) });
  }
}
