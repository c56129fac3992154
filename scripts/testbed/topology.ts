import { Lab } from './lab.ts';
import type { Namespace } from './lab.ts';

/**
 * The test network. Addresses are those set aside for documentation and for private networks:
 *
 *     peer 203.0.113.10        nat a 203.0.113.1      nat b 203.0.113.2      nat c 203.0.113.3
 *           |                        |                      |                      |
 *     ------+------------------------+---- internet --------+----------------------+------
 *                                    |                      |                      |
 *                             192.168.1.0/24         192.168.2.0/24         192.168.3.0/24
 *                               host a .10             host b .10           where a goes
 */
const INTERNET_PREFIX_LENGTH = 24;
const LAN_PREFIX_LENGTH = 24;

export const NAT_WAN_INTERFACE = 'wan0';

/**
 * RFC 4787 s4.1: `endpoint-independent` keeps the port that the host used, so every destination sees the same mapping;
 * `address-and-port-dependent` takes a random port for each.
 */
export type NatMapping = 'endpoint-independent' | 'address-and-port-dependent';

export class Host {
  readonly name: string;
  readonly namespace: Namespace;
  /** What it reaches the network by: eth0 first, then eth1, ... */
  interfaceName = 'eth0';
  /** On that interface. */
  address = '';
  private cables = 0;

  constructor(name: string, namespace: Namespace) {
    this.name = name;
    this.namespace = namespace;
  }

  nextInterface(): string {
    this.cables += 1;
    return `eth${this.cables - 1}`;
  }

  /** The interface is gone with its addresses and routes, as when an adapter is pulled out. */
  async unplug(): Promise<void> {
    await this.namespace.ip('link', 'delete', this.interfaceName);
  }
}

/** A cable that lies ready: the host's end is down and has no address. */
export interface Cable {
  readonly host: Host;
  readonly interfaceName: string;
  readonly port: string;
  readonly address: string;
}

/** A home router: masquerades what its LAN sends; what it did not ask for it drops and does not remember. */
export class NatRouter {
  readonly namespace: Namespace;
  /** On the internet. */
  readonly address: string;
  private readonly lab: Lab;
  private readonly lanPrefix: string;
  private cables = 0;

  constructor(lab: Lab, namespace: Namespace, address: string, lanPrefix: string) {
    this.lab = lab;
    this.namespace = namespace;
    this.address = address;
    this.lanPrefix = lanPrefix;
  }

  /** Lays a cable to the host, which notices nothing yet but an interface that is down. */
  async lay(host: Host, hostNumber = 10): Promise<Cable> {
    this.cables += 1;
    const port = `port${this.cables}`;
    const interfaceName = host.nextInterface();
    await this.lab.cable(host.namespace, interfaceName, this.namespace, port);
    await this.namespace.ip('link', 'set', port, 'master', 'lan0', 'up');
    return { host, interfaceName, port, address: `${this.lanPrefix}.${hostNumber}` };
  }

  /** The host gets its address and its default route by this router. */
  async connect(cable: Cable): Promise<void> {
    const { host, interfaceName, port, address } = cable;
    await host.namespace.ip('link', 'set', interfaceName, 'up');
    await this.namespace.carrier(port);
    await host.namespace.ipBatch([
      `address add ${address}/${LAN_PREFIX_LENGTH} dev ${interfaceName}`,
      `route add default via ${this.lanPrefix}.1`,
    ]);
    host.interfaceName = interfaceName;
    host.address = address;
  }

  async plug(host: Host, hostNumber?: number): Promise<void> {
    await this.connect(await this.lay(host, hostNumber));
  }

  /** What comes to this UDP port from outside goes to the host, whoever sends it. */
  async forwardPort(port: number, { address }: Host): Promise<void> {
    await this.namespace.nft(`table ip nat {
  chain prerouting {
    type nat hook prerouting priority dstnat
    iifname "${NAT_WAN_INTERFACE}" udp dport ${port} dnat to ${address}
  }
}
table ip filter {
  chain forward {
    ct status dnat accept
  }
}
`);
  }

  /** Whatever the lab has forbidden those inside is allowed again; mappings stay. */
  async letAllOut(): Promise<void> {
    await this.namespace.nft(`flush chain ip filter forward\n${FORWARD_RULES}`);
  }

  /** Forgets every mapping, as a router does that is switched off and on. */
  async reboot(mapping: NatMapping): Promise<void> {
    await this.namespace.ip('link', 'set', NAT_WAN_INTERFACE, 'down');
    await this.namespace.run('nft', ['flush ruleset']);
    await this.namespace.ip('link', 'set', NAT_WAN_INTERFACE, 'up');
    await this.namespace.nft(natRules(mapping));
  }
}

const FORWARD_RULES = `add rule ip filter forward ct state established,related accept
add rule ip filter forward iifname "lan0" accept
`;

/** Kernel netfilter: a dropped packet is never confirmed in conntrack, so strangers cannot take a port before the host uses it. */
function natRules(mapping: NatMapping): string {
  return `table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "${NAT_WAN_INTERFACE}" masquerade${mapping === 'endpoint-independent' ? '' : ' random,fully-random'}
  }
}
table ip filter {
  chain input {
    type filter hook input priority filter; policy drop
    ct state established,related accept
    iifname != "${NAT_WAN_INTERFACE}" accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop
  }
}
${FORWARD_RULES}`;
}

/** One switch that hosts with public addresses and routers are plugged into. */
export class Internet {
  readonly namespace: Namespace;
  private readonly lab: Lab;
  private plugged = 0;

  private constructor(lab: Lab, namespace: Namespace) {
    this.lab = lab;
    this.namespace = namespace;
  }

  static async create(lab: Lab): Promise<Internet> {
    const namespace = await lab.namespace('internet');
    await namespace.ip('link', 'add', 'internet', 'type', 'bridge');
    await namespace.ip('link', 'set', 'internet', 'up');
    return new Internet(lab, namespace);
  }

  async publicHost(name: string, address: string): Promise<Host> {
    const namespace = await this.lab.namespace(name);
    const host = new Host(name, namespace);
    host.interfaceName = host.nextInterface();
    host.address = address;
    await this.plug(namespace, host.interfaceName, address);
    return host;
  }

  /** A host without network, to be plugged into a router. */
  async mobileHost(name: string): Promise<Host> {
    return new Host(name, await this.lab.namespace(name));
  }

  /** @param lanPrefix three octets, "192.168.1" */
  async natRouter(
    name: string,
    address: string,
    lanPrefix: string,
    mapping: NatMapping = 'endpoint-independent',
  ): Promise<NatRouter> {
    const namespace = await this.lab.namespace(name);
    await this.plug(namespace, NAT_WAN_INTERFACE, address);
    await namespace.ip('link', 'add', 'lan0', 'type', 'bridge');
    await namespace.ip('address', 'add', `${lanPrefix}.1/${LAN_PREFIX_LENGTH}`, 'dev', 'lan0');
    await namespace.ip('link', 'set', 'lan0', 'up');
    await namespace.sysctl('net.ipv4.ip_forward', 1);
    await namespace.nft(natRules(mapping));
    return new NatRouter(this.lab, namespace, address, lanPrefix);
  }

  private async plug(namespace: Namespace, interfaceName: string, address: string): Promise<void> {
    this.plugged += 1;
    const port = `port${this.plugged}`;
    await this.lab.cable(namespace, interfaceName, this.namespace, port);
    await this.namespace.ip('link', 'set', port, 'master', 'internet', 'up');
    await namespace.ip('link', 'set', interfaceName, 'up');
    await this.namespace.carrier(port);
    await namespace.ip('address', 'add', `${address}/${INTERNET_PREFIX_LENGTH}`, 'dev', interfaceName);
  }
}

/** Two homes and a third place to go to, and one peer that everyone reaches. */
export interface TwoHomes {
  readonly internet: Internet;
  readonly peer: Host;
  readonly a: Host;
  readonly b: Host;
  readonly natA: NatRouter;
  readonly natB: NatRouter;
  readonly natC: NatRouter;
}

export const PEER_ADDRESS = '203.0.113.10';

export async function twoHomes(lab: Lab, mapping: NatMapping = 'endpoint-independent'): Promise<TwoHomes> {
  const internet = await Internet.create(lab);
  const peer = await internet.publicHost('peer', PEER_ADDRESS);
  const natA = await internet.natRouter('nat-a', '203.0.113.1', '192.168.1', mapping);
  const natB = await internet.natRouter('nat-b', '203.0.113.2', '192.168.2', mapping);
  const natC = await internet.natRouter('nat-c', '203.0.113.3', '192.168.3', mapping);
  const a = await internet.mobileHost('a');
  const b = await internet.mobileHost('b');
  await natA.plug(a);
  await natB.plug(b);
  return { internet, peer, a, b, natA, natB, natC };
}
