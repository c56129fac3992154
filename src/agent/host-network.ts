import { BlockList, isIPv4 } from 'node:net';
import { canonicalAddress } from '../base/ip-address.ts';
import { hitToAddress, type Hit } from '../base/node-id.ts';
import type { Netlink, Route, Rule } from '../native/data-plane.ts';
import type { Uplink } from '../portmap/port-mapper.ts';
import { gsoMaxSegmentsFor } from '../tunnel/tun-mtu.ts';
import { defaultGateway } from './default-gateway.ts';
import type { Ipv6State } from './ipv6-switch.ts';
import { withoutContainers } from './usable-interfaces.ts';

/** RFC 7343 s2: every HIT is in it. */
const HIT_PREFIX = '2001:20::/28';

/** After every real route (the kernel's own default for what is added by hand is 0 for IPv4 and 1024 for IPv6). */
const GUARD_METRIC = 4_000_000;

/** Of the routes that the kernel makes for the prefix of an address. */
const PREFIX_METRIC = { 4: 0, 6: 256 } as const;

/** Before the main table (32766) and what VPNs put beside it; after what somebody has put first on purpose. */
const RULE_PRIORITY = 31_000;

/** Super-packets and UDP bursts of programs; the kernel's 500 loses bursts. */
const TX_QUEUE_LENGTH = 2_000;

const LINK_LOCAL = '169.254.0.0/16';
const IPV6_LINK_LOCAL = 'fe80::/10';
/** Documentation addresses (RFC 5737, RFC 3849): the way to them is the default route. */
const FAR_AWAY = ['192.0.2.1', '2001:db8::1'];

/** What the agent does to the host's own network: addresses of the TUN, and the routes that guard the overlay's ranges. */
export class HostNetwork {
  private readonly netlink: Netlink;
  private readonly tunName: string;
  private readonly ipv4Prefix: string;
  private readonly ipv6State: () => Ipv6State;
  private readonly uplinks: { readonly forbid: readonly string[]; readonly prefer: readonly string[] };
  private readonly table: number | undefined;
  /** As they were set. */
  private rules: readonly Rule[] = [];
  private readonly notLocators = new BlockList();
  private readonly linkLocal = new BlockList();

  constructor(
    netlink: Netlink,
    options: {
      readonly tunName: string;
      readonly ipv4Prefix: string;
      readonly ipv6State: () => Ipv6State;
      /** Interfaces whose addresses are nobody's business, and those whose addresses come first. */
      readonly uplinks?: { readonly forbid: readonly string[]; readonly prefer: readonly string[] };
      /** A routing table of our own, for what is sent from our addresses alone: another agent of this host has the main one. */
      readonly table?: number | undefined;
    },
  ) {
    this.netlink = netlink;
    this.ipv6State = options.ipv6State;
    this.uplinks = options.uplinks ?? { forbid: [], prefer: [] };
    this.table = options.table;
    this.tunName = options.tunName;
    this.ipv4Prefix = options.ipv4Prefix;
    for (const prefix of [HIT_PREFIX, IPV6_LINK_LOCAL, options.ipv4Prefix]) addPrefix(this.notLocators, prefix);
    for (const prefix of [LINK_LOCAL, IPV6_LINK_LOCAL]) addPrefix(this.linkLocal, prefix);
  }

  /**
   * Where this host can be reached at now, best first: those of preferred interfaces, then those that the kernel sends from to far away. No loopback, none of an
   * overlay's own addresses, none that only containers on this host reach. A link-local IPv4 address (RFC 3927) only where
   * there is no other: two hosts on a cable.
   */
  locators(): string[] {
    return this.reachability().locators;
  }

  /** `deprecated`: where it could be reached until lately, for the paths that use them, until they are gone. */
  reachability(): { readonly locators: string[]; readonly deprecated: string[] } {
    const addresses = this.netlink
      .addresses()
      .filter(
        ({ interfaceName, address, usable, loopback }) =>
          usable &&
          !loopback &&
          interfaceName !== this.tunName &&
          !this.uplinks.forbid.includes(interfaceName) &&
          !contains(this.notLocators, address),
      );
    const sources = FAR_AWAY.map((remote) => this.netlink.sourceFor(remote));
    const usable = withoutContainers(addresses, sources);
    const preferred = new Set(
      usable.filter(({ interfaceName }) => this.uplinks.prefer.includes(interfaceName)).map(({ address }) => address),
    );
    const rank = (address: string): number => (preferred.has(address) ? 0 : sources.includes(address) ? 1 : 2);
    const told = (wantDeprecated: boolean): string[] => {
      const all = usable.filter(({ deprecated }) => deprecated === wantDeprecated).map(({ address }) => address);
      const routed = all.filter((address) => !contains(this.linkLocal, address));
      const chosen = routed.some(isIPv4) ? routed : all;
      return chosen.toSorted((a, b) => rank(a) - rank(b));
    };
    return { locators: told(false), deprecated: told(true) };
  }

  /** By address, of all that this host has. */
  interfaceNames(): ReadonlyMap<string, string> {
    return new Map(this.netlink.addresses().map(({ address, interfaceName }) => [address, interfaceName]));
  }

  /** The IPv4 router that leads to everywhere, and our address towards it; undefined: there is none. */
  uplink(): Uplink | undefined {
    const gateway = defaultGateway();
    const local = gateway === undefined ? undefined : this.netlink.sourceFor(gateway);
    return gateway === undefined || local === undefined ? undefined : { gateway, local };
  }

  /**
   * Makes the overlay's ranges unreachable by any other interface, also when the agent or the TUN is gone: phones would send
   * their media in clear by the default route. Stays when the agent stops.
   */
  guard(): void {
    for (const route of this.guardRoutes()) this.netlink.setRoute(route);
  }

  /**
   * Brings the TUN up with both addresses; the kernel makes the routes of both ranges from their prefixes, but for a table of our own.
   * @returns false when IPv6 is switched off on this host: it has its IPv4 address alone then.
   */
  configureTun(hit: Hit, ipv4: string | undefined, mtu: number): boolean {
    const ipv6 = this.ipv6State() === 'on';
    const addresses = this.tunAddresses(hit, ipv4, ipv6);
    this.setTun(mtu, addresses);
    if (this.table !== undefined) this.addRoutes(this.prefixRoutes(addresses));
    this.setRules(addresses);
    return ipv6;
  }

  /** The rules of our own table outlive the TUN, its routes do not. */
  leaveNoRules(): void {
    for (const rule of this.rules) this.netlink.deleteRule(rule);
    this.rules = [];
  }

  /**
   * What `guard` and `configureTun` have set, and is not there any more, is put back. Nothing is written that is there.
   * @returns what was missing, and as `configureTun` says, whether IPv6 is switched on; undefined: there is no TUN any more.
   */
  putBack(
    hit: Hit,
    ipv4: string | undefined,
    mtu: number,
  ): { readonly missing: readonly string[]; readonly ipv6: boolean } | undefined {
    // First of all that nothing leaves in clear.
    const missing = this.addRoutes(this.guardRoutes());
    const state = this.netlink.interfaceState(this.tunName);
    if (state === undefined) return undefined;
    if (!state.up || state.mtu !== mtu) {
      this.setTun(mtu, []);
      missing.push(state.up ? `MTU ${mtu} (was ${state.mtu})` : `${this.tunName} up`);
    }
    // Below the least MTU of IPv6 the kernel has none on the interface.
    const ipv6 = this.ipv6State() === 'on';
    const wanted = this.tunAddresses(hit, ipv4, ipv6);
    const there = new Set(this.addressesOfTun().map(({ address, prefixLength }) => `${address}/${prefixLength}`));
    const gone = wanted.filter((address) => !there.has(address));
    if (gone.length > 0) this.setTun(mtu, gone);
    missing.push(...gone, ...this.addRoutes(this.prefixRoutes(wanted)), ...this.setRules(wanted));
    return { missing, ipv6 };
  }

  /** What the kernel says of the TUN; undefined: there is none. */
  tun():
    { readonly name: string; readonly up: boolean; readonly mtu: number; readonly addresses: string[] } | undefined {
    const state = this.netlink.interfaceState(this.tunName);
    if (state === undefined) return undefined;
    const addresses = this.addressesOfTun().map(({ address }) => address);
    return {
      name: this.tunName,
      ...state,
      addresses: addresses.filter((address) => !contains(this.linkLocal, address)),
    };
  }

  /** Networks of this host that overlap the overlay's IPv4 range: packets to those would be caught by the TUN. One address is none. */
  clashes(): string[] {
    if (this.table !== undefined) return [];
    const own = new BlockList();
    addPrefix(own, this.ipv4Prefix);
    return this.netlink
      .addresses()
      .filter(
        ({ address, interfaceName, prefixLength }) =>
          isIPv4(address) && prefixLength < 32 && interfaceName !== this.tunName && contains(own, address),
      )
      .map(({ address, interfaceName, prefixLength }) => `${address}/${prefixLength} on ${interfaceName}`);
  }

  private guardRoutes(): Route[] {
    // Without IPv6 in the kernel nothing can leave by it.
    const guarded = this.ipv6State() === 'absent' ? [this.ipv4Prefix] : [HIT_PREFIX, this.ipv4Prefix];
    return guarded.map((destination) => ({ destination, metric: GUARD_METRIC }));
  }

  /** @returns those that were missing. */
  private addRoutes(routes: readonly Route[]): string[] {
    const added = routes.filter((route) => this.netlink.addRoute(route));
    return added.map(({ destination, interfaceName, table }) => {
      const where = table === undefined ? '' : ` table ${table}`;
      return interfaceName === undefined ? `unreachable ${destination}` : `route ${destination}${where}`;
    });
  }

  private prefixRoutes(addresses: readonly string[]): Route[] {
    return addresses.map((address) => {
      const [destination, metric] = address.includes(':')
        ? [HIT_PREFIX, PREFIX_METRIC[6]]
        : [this.ipv4Prefix, PREFIX_METRIC[4]];
      const { tunName: interfaceName, table } = this;
      return { destination, interfaceName, metric, ...(table !== undefined && { table }) };
    });
  }

  /** What is sent from our addresses is looked up in our table. @returns what was missing. */
  private setRules(addresses: readonly string[]): string[] {
    const { table } = this;
    if (table === undefined) return [];
    const rules = addresses.map((source) => ({ source, table, priority: RULE_PRIORITY }));
    for (const rule of this.rules)
      if (!rules.some(({ source }) => source === rule.source)) this.netlink.deleteRule(rule);
    this.rules = rules;
    const added = rules.filter((rule) => this.netlink.addRule(rule));
    return added.map(({ source }) => `rule from ${source}`);
  }

  /** With a table of our own the kernel is to make no routes of the prefixes, which would stand in the main one. */
  private tunAddresses(hit: Hit, ipv4: string | undefined, ipv6: boolean): string[] {
    const isOwn = this.table !== undefined;
    const addresses = ipv6 ? [`${hitToAddress(hit)}/${isOwn ? 128 : lengthOf(HIT_PREFIX)}`] : [];
    if (ipv4 !== undefined) addresses.push(`${ipv4}/${isOwn ? 32 : lengthOf(this.ipv4Prefix)}`);
    return addresses;
  }

  private setTun(mtu: number, addresses: readonly string[]): void {
    const gsoMaxSegments = gsoMaxSegmentsFor(mtu);
    this.netlink.configureInterface(this.tunName, { mtu, txQueueLength: TX_QUEUE_LENGTH, gsoMaxSegments, addresses });
  }

  private addressesOfTun(): { readonly address: string; readonly prefixLength: number }[] {
    return this.netlink
      .addresses()
      .filter(({ interfaceName }) => interfaceName === this.tunName)
      .map(({ address, prefixLength }) => ({ address: canonicalAddress(address), prefixLength }));
  }
}

function lengthOf(prefix: string): string {
  return prefix.split('/')[1] ?? '';
}

function addPrefix(list: BlockList, prefix: string): void {
  const [network = '', length = ''] = prefix.split('/');
  list.addSubnet(network, Number(length), isIPv4(network) ? 'ipv4' : 'ipv6');
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}
