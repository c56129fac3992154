import { z } from 'zod';
import { ScriptError } from './command.ts';
import { Dialogue } from './dialogue.ts';
import type { Lab, Namespace } from './lab.ts';
import { tool } from './tools.ts';
import { Host, type Cable } from './topology.ts';

/**
 * An internet of routers in user space (native/bench/nat_router.cc), each between a LAN and what it is plugged into, with whichever
 * behaviour of RFC 4787 and whichever accident. Everything is routed, so that all delays, losses and black holes are those of
 * the routers:
 *
 *     public host 203.0.113.10      NAT 203.0.113.33        router      carrier's NAT 203.0.113.34
 *             |                          |                    |                  |
 *     --------+-------- internet --------+--------------------+------------------+-----
 *                                        |                    |                  |
 *                                 192.168.1.0/24      203.0.113.128/28     100.64.2.0/24
 *                                                                                |
 *                                                                         NAT 100.64.2.16
 *                                                                                |
 *                                                                         192.168.3.0/24
 */
export type Dependence = 'none' | 'independent' | 'address' | 'address-port';

/** What the router does; each absent key as it comes: see native/bench/nat_router.cc. */
export interface Behaviour {
  /** RFC 4787 s4.1; none: no NAT, the LAN has public addresses. */
  readonly mapping: Dependence;
  /** RFC 4787 s5. */
  readonly filtering: Dependence;
  readonly ports?: 'preserve' | 'random';
  readonly hairpin?: 'on' | 'off';
  /** Seconds. */
  readonly timeout?: number;
  readonly udp?: 'on' | 'off';
  /** Milliseconds, each way. */
  readonly delay?: number;
  /** Percent. */
  readonly loss?: number;
  readonly mtu?: number;
  readonly blackhole?: 'on' | 'off';
}

/** What a network gives its hosts addresses of. IPv6 is neither translated nor filtered anywhere. */
export type Families = readonly (4 | 6)[];
const ONLY_IPV4: Families = [4];

export const NO_NAT: Behaviour = { mapping: 'none', filtering: 'none' };
/** What most homes have. */
export const HOME_NAT: Behaviour = { mapping: 'independent', filtering: 'address-port' };

const stateSchema = z.object({
  forwarded: z.number(),
  dropped: z.object({
    filtered: z.number(),
    unmapped: z.number(),
    hairpins: z.number(),
    unwanted: z.number(),
    tooLarge: z.number(),
    lost: z.number(),
  }),
  mappings: z.array(z.object({ protocol: z.number(), inside: z.string(), external: z.number() })),
});
export type RouterState = z.infer<typeof stateSchema>;

const FROM_INSIDE_TABLE = 101;
const FROM_OUTSIDE_TABLE = 102;
/** A burst of a whole lab's keepalives fits. */
const QUEUE_PACKETS = 5000;
const PUBLIC_LAN_PREFIX_LENGTH = 28;
const PRIVATE_LAN_PREFIX_LENGTH = 24;

/** What a router is plugged into: the internet, or another router's LAN. */
interface Upstream {
  readonly namespace: Namespace;
  /** An address that leads to what is plugged in. */
  nextAddress(): string;
  /** Told of each port that it gets. */
  portAdded(port: string): Promise<void>;
}

interface Pair {
  readonly v4: string;
  readonly v6: string;
}

/** Numbers of an internet, given once each. */
class Plan {
  private readonly given = { transit: 0, host: 0, external: 0, publicLan: 0, privateLan: 0, lan6: 0 };

  private next(what: keyof Plan['given'], most: number): number {
    if (this.given[what] >= most) throw new ScriptError(`the laboratory has no more than ${most} of ${what}`);
    return this.given[what]++;
  }

  /** Of a cable between routers: the two addresses of a /30, and of a /64. */
  transit(): Record<'above' | 'below', Pair> {
    const number = this.next('transit', 4096);
    const base = `10.255.${number >> 6}`;
    const base6 = `2001:db8:f000:${number.toString(16)}`;
    return {
      above: { v4: `${base}.${4 * (number & 63) + 1}`, v6: `${base6}::1` },
      below: { v4: `${base}.${4 * (number & 63) + 2}`, v6: `${base6}::2` },
    };
  }

  publicHost(): Record<'gateway' | 'address', Pair> {
    const number = this.next('host', 6);
    const base6 = `2001:db8:0:${number.toString(16)}`;
    return {
      gateway: { v4: `203.0.113.${9 + 4 * number}`, v6: `${base6}::1` },
      address: { v4: `203.0.113.${10 + 4 * number}`, v6: `${base6}::10` },
    };
  }

  /** A /64. */
  lan6(): string {
    return `2001:db8:1:${this.next('lan6', 4096).toString(16)}`;
  }

  external(): string {
    return `203.0.113.${32 + this.next('external', 96)}`;
  }

  /** First three octets and what the fourth begins with. */
  publicLan(): { readonly prefix: string; readonly base: number } {
    return { prefix: '203.0.113', base: 128 + 16 * this.next('publicLan', 8) };
  }

  privateLan(): number {
    return this.next('privateLan', 255);
  }
}

export class Backbone implements Upstream {
  readonly namespace: Namespace;
  private readonly lab: Lab;
  readonly plan = new Plan();
  private hosts = 0;

  private constructor(lab: Lab, namespace: Namespace) {
    this.lab = lab;
    this.namespace = namespace;
  }

  static async create(lab: Lab): Promise<Backbone> {
    const namespace = await lab.namespace('internet');
    await routing(namespace);
    return new Backbone(lab, namespace);
  }

  nextAddress(): string {
    return this.plan.external();
  }

  async portAdded(): Promise<void> {}

  /** A host without a router of its own. */
  async publicHost(name: string, families: Families = ONLY_IPV4): Promise<Host> {
    const host = new Host(name, await this.lab.namespace(name));
    const { gateway, address } = this.plan.publicHost();
    const port = `host${this.hosts++}`;
    host.interfaceName = host.nextInterface();
    host.address = address.v4;
    await this.lab.cable(host.namespace, host.interfaceName, this.namespace, port);
    await this.namespace.ipBatch([...addresses(gateway, port), `link set ${port} up`]);
    await host.namespace.ipBatch([
      `address add ${address.v4}/30 dev ${host.interfaceName}`,
      ...(families.includes(6) ? [`address add ${address.v6}/64 dev ${host.interfaceName} nodad`] : []),
      `link set ${host.interfaceName} up`,
      `route add default via ${gateway.v4}`,
      ...(families.includes(6) ? [`route add default via ${gateway.v6}`] : []),
    ]);
    await this.namespace.carrier(port);
    await host.namespace.carrier(host.interfaceName);
    return host;
  }

  /** One more for a public host, which is told: IPv4. */
  async anotherAddress({ namespace, interfaceName, address }: Host): Promise<string> {
    const another = this.plan.external();
    await namespace.ipBatch([`address add ${another}/32 dev ${interfaceName}`]);
    await this.namespace.ipBatch([`route add ${another}/32 via ${address}`]);
    return another;
  }

  /** A host without network, to be plugged into a router. */
  async host(name: string): Promise<Host> {
    return new Host(name, await this.lab.namespace(name));
  }

  /** @param families with IPv6: nothing else stands between it and the internet. */
  async access(
    name: string,
    behaviour: Behaviour,
    upstream: Upstream = this,
    families: Families = ONLY_IPV4,
  ): Promise<AccessNetwork> {
    return AccessNetwork.create(this.lab, this.plan, upstream, { name, behaviour, families });
  }
}

/** A router and its LAN. */
export class AccessNetwork implements Upstream {
  readonly namespace: Namespace;
  /** Of the NAT, as its upstream knows it; null: the LAN has public addresses. */
  readonly external: string | null;
  private readonly lab: Lab;
  private readonly lan: Lan;
  private readonly families: Families;
  private readonly router: Dialogue;
  private cables = 0;
  private children = 0;
  private behaviour: Behaviour;

  private constructor(
    lab: Lab,
    namespace: Namespace,
    options: { router: Dialogue; lan: Lan; external: string | null; behaviour: Behaviour; families: Families },
  ) {
    this.lab = lab;
    this.namespace = namespace;
    this.router = options.router;
    this.lan = options.lan;
    this.families = options.families;
    this.external = options.external;
    this.behaviour = options.behaviour;
  }

  static async create(
    lab: Lab,
    plan: Plan,
    upstream: Upstream,
    { name, behaviour, families }: { name: string; behaviour: Behaviour; families: Families },
  ): Promise<AccessNetwork> {
    const namespace = await lab.namespace(name);
    const external = behaviour.mapping === 'none' ? null : upstream.nextAddress();
    const lan = external === null ? publicLan(plan) : privateLan(plan);
    await routing(namespace);
    const behind = [external ?? `${lan.network}/${lan.prefixLength}`, `${lan.prefix6}::/64`];
    await plugIn(lab, plan, upstream, namespace, behind);
    const settings = [`inside=${lan.network}/${lan.prefixLength}`, ...assignments(behaviour)];
    if (external !== null) settings.push(`external=${external}`);
    const router = new Dialogue(namespace.start(await tool('nat_router'), settings));
    await router.nextLine();
    await namespace.ipBatch([
      'link add lan0 type bridge',
      ...addresses({ v4: lan.gateway, v6: lan.gateway6 }, 'lan0', lan.prefixLength),
      'link set lan0 up',
      `link set inside up txqueuelen ${QUEUE_PACKETS}`,
      `link set outside up txqueuelen ${QUEUE_PACKETS}`,
      `route add default dev inside table ${FROM_INSIDE_TABLE}`,
      `route add default dev outside table ${FROM_OUTSIDE_TABLE}`,
      `rule add iif lan0 lookup ${FROM_INSIDE_TABLE}`,
      `rule add iif wan0 lookup ${FROM_OUTSIDE_TABLE}`,
    ]);
    await namespace.ipBatch(
      [
        `route add default dev inside table ${FROM_INSIDE_TABLE}`,
        `route add default dev outside table ${FROM_OUTSIDE_TABLE}`,
        // What is for the router itself, as neighbour discovery is, is not passed on.
        `rule add iif lan0 to 2000::/3 lookup ${FROM_INSIDE_TABLE}`,
        `rule add iif wan0 to 2000::/3 lookup ${FROM_OUTSIDE_TABLE}`,
      ],
      6,
    );
    return new AccessNetwork(lab, namespace, { router, lan, external, behaviour, families });
  }

  get gateway(): string {
    return this.lan.gateway;
  }

  /** Of the IPv6 there, where hosts have it. */
  get gateway6(): string {
    return this.lan.gateway6;
  }

  get prefixLength(): number {
    return this.lan.prefixLength;
  }

  /** @param number from 2 on */
  addressOf(number: number): string {
    return `${this.lan.prefix}.${this.lan.base + number}`;
  }

  /** For a router of somebody else behind this one. */
  nextAddress(): string {
    this.children += 1;
    return this.addressOf(15 + this.children);
  }

  async portAdded(port: string): Promise<void> {
    await this.namespace.ip('rule', 'add', 'iif', port, 'lookup', String(FROM_INSIDE_TABLE));
  }

  /** Lays a cable to the host: up, without an address. */
  async lay(host: Host, number = 10): Promise<Cable> {
    this.cables += 1;
    const port = `port${this.cables}`;
    const interfaceName = host.nextInterface();
    await this.lab.cable(host.namespace, interfaceName, this.namespace, port);
    await this.namespace.ip('link', 'set', port, 'master', 'lan0', 'up');
    await host.namespace.ip('link', 'set', interfaceName, 'up');
    await this.namespace.carrier(port);
    await host.namespace.carrier(interfaceName);
    return { host, interfaceName, port, address: this.addressOf(number) };
  }

  /** What gives the host its addresses and its default routes here. @returns lines for `ip -batch` */
  addressLines(interfaceName: string, number: number, metric = 100): string[] {
    const { prefixLength, prefix6, gateway, gateway6 } = this.lan;
    const v4 = [
      `address add ${this.addressOf(number)}/${prefixLength} dev ${interfaceName}`,
      `route add default via ${gateway} dev ${interfaceName} metric ${metric}`,
    ];
    const v6 = [
      `address add ${prefix6}::${number.toString(16)}/64 dev ${interfaceName} nodad`,
      `route add default via ${gateway6} dev ${interfaceName} metric ${metric}`,
    ];
    return this.families.flatMap((family) => (family === 4 ? v4 : v6));
  }

  async plug(host: Host, number = 10): Promise<Cable> {
    const cable = await this.lay(host, number);
    await host.namespace.ipBatch(this.addressLines(cable.interfaceName, number));
    host.interfaceName = cable.interfaceName;
    host.address = cable.address;
    return cable;
  }

  /** Changes what it does; another mapping, filtering or choice of ports forgets all mappings. */
  async set(changes: Partial<Behaviour>): Promise<void> {
    const changed = assignments(changes).filter((assignment) => !assignments(this.behaviour).includes(assignment));
    this.behaviour = { ...this.behaviour, ...changes };
    if (changed.length > 0) await this.obey(`set ${changed.join(' ')}`);
  }

  /** All mappings are gone. */
  async reboot(): Promise<void> {
    await this.obey('reboot');
  }

  /** Each mapping has another port; what was sent to the old ones is lost. */
  async rebind(): Promise<void> {
    await this.obey('rebind');
  }

  /** The mapping of that external port, or the one used last, is gone. */
  async forget(port?: number): Promise<void> {
    await this.obey(port === undefined ? 'forget' : `forget ${port}`);
  }

  async state(): Promise<RouterState> {
    return stateSchema.parse(JSON.parse(await this.router.ask('state')));
  }

  private async obey(command: string): Promise<void> {
    const answer = z.object({ error: z.string().optional() }).parse(JSON.parse(await this.router.ask(command)));
    if (answer.error !== undefined) throw new ScriptError(`nat_router: ${command}: ${answer.error}`);
  }
}

interface Lan {
  readonly network: string;
  readonly prefixLength: number;
  readonly gateway: string;
  /** Of its addresses: the first three octets, and the fourth of the network. */
  readonly prefix: string;
  readonly base: number;
  /** The first four groups. */
  readonly prefix6: string;
  readonly gateway6: string;
}

function publicLan(plan: Plan): Lan {
  const { prefix, base } = plan.publicLan();
  const gateway = `${prefix}.${base + 1}`;
  const v6 = lan6(plan);
  return { network: `${prefix}.${base}`, prefixLength: PUBLIC_LAN_PREFIX_LENGTH, gateway, prefix, base, ...v6 };
}

function privateLan(plan: Plan): Lan {
  const prefix = `192.168.${plan.privateLan()}`;
  const v4 = {
    network: `${prefix}.0`,
    prefixLength: PRIVATE_LAN_PREFIX_LENGTH,
    gateway: `${prefix}.1`,
    prefix,
    base: 0,
  };
  return { ...v4, ...lan6(plan) };
}

function lan6(plan: Plan): Pick<Lan, 'prefix6' | 'gateway6'> {
  const prefix6 = plan.lan6();
  return { prefix6, gateway6: `${prefix6}::1` };
}

/** @returns lines for `ip -batch` */
function addresses({ v4, v6 }: Pair, interfaceName: string, prefixLength = 30): string[] {
  return [`address add ${v4}/${prefixLength} dev ${interfaceName}`, `address add ${v6}/64 dev ${interfaceName} nodad`];
}

function assignments(behaviour: Partial<Behaviour>): string[] {
  return Object.entries(behaviour).map(([key, value]) => `${key}=${value}`);
}

/** Forwards whatever comes, whichever source it has. */
async function routing(namespace: Namespace): Promise<void> {
  const settings = ['all', 'default'].flatMap((which) => [
    `net.ipv4.conf.${which}.rp_filter=0`,
    `net.ipv4.conf.${which}.send_redirects=0`,
  ]);
  await namespace.run('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', ...settings]);
}

let ports = 0;

/** A cable upwards, by which what stands behind the router is found. */
async function plugIn(
  lab: Lab,
  plan: Plan,
  upstream: Upstream,
  namespace: Namespace,
  behind: readonly string[],
): Promise<void> {
  const { above, below } = plan.transit();
  const port = `down${ports++}`;
  await lab.cable(namespace, 'wan0', upstream.namespace, port);
  await upstream.namespace.ipBatch([...addresses(above, port), `link set ${port} up`]);
  await namespace.ipBatch([
    ...addresses(below, 'wan0'),
    'link set wan0 up',
    `route add default via ${above.v4} dev wan0`,
    `route add default via ${above.v6} dev wan0`,
  ]);
  await upstream.namespace.carrier(port);
  for (const prefix of behind)
    await upstream.namespace.ip('route', 'add', prefix, 'via', prefix.includes(':') ? below.v6 : below.v4, 'dev', port);
  await upstream.portAdded(port);
}
