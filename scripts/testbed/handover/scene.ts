import { type AccessNetwork, Backbone, type Behaviour, type Families, HOME_NAT, NO_NAT } from '../access-network.ts';
import { MEMBERS } from '../crowd-addresses.ts';
import { Lab } from '../lab.ts';
import type { Host } from '../topology.ts';

/**
 * What stands between each end and the internet; crowd: nothing, and the mover has many links; families: nothing, and one of
 * the mover's networks knows IPv4 only, the other IPv6 only.
 */
export type SceneKind = 'open' | 'crowd' | 'families' | 'nat' | 'nats';

/** Of the NATs: by random ports a mapping that is made anew is another one, as at a carrier's. */
export type Ports = NonNullable<Behaviour['ports']>;

function behaviours(kind: SceneKind, ports: Ports): { readonly a: Behaviour; readonly b: Behaviour } {
  const nat = { ...HOME_NAT, ports };
  return { a: kind === 'nat' || kind === 'nats' ? nat : NO_NAT, b: kind === 'nats' ? nat : NO_NAT };
}

/** Of the two networks of each end. */
function familiesOf(kind: SceneKind): Record<'a' | 'b', readonly [Families, Families]> {
  if (kind !== 'families') return { a: [[4], [4]], b: [[4], [4]] };
  const both: Families = [4, 6];
  return { a: [[4], [6]], b: [both, both] };
}

/** Preferred over each before it. */
const FIRST_METRIC = 1000;
/** Host numbers of a LAN in turn, so that a host that comes back has a new address there. */
const HOST_NUMBERS = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

/** A host with a cable to each of two networks. */
export class MovingHost {
  readonly host: Host;
  private readonly ways: readonly [Way, Way];
  private used: 0 | 1 = 0;
  private metric = FIRST_METRIC;
  private visits = 0;
  private hasBoth = false;
  /** Of the way that it uses. */
  private address = '';

  constructor(host: Host, ways: readonly [Way, Way]) {
    this.host = host;
    this.ways = ways;
  }

  static async create(
    backbone: Backbone,
    name: string,
    behaviour: Behaviour,
    families: readonly [Families, Families],
  ): Promise<MovingHost> {
    const host = await backbone.host(name);
    const ways: Way[] = [];
    for (const [i, which] of families.entries()) {
      const network = await backbone.access(`${name}${i + 1}`, behaviour, backbone, which);
      const { interfaceName, port } = await network.lay(host);
      ways.push({ network, interfaceName, port });
    }
    const [first, second] = ways;
    if (first === undefined || second === undefined) throw new Error('two ways were made');
    const moving = new MovingHost(host, [first, second]);
    await host.namespace.ipBatch(moving.arrival(first));
    return moving;
  }

  get networks(): readonly AccessNetwork[] {
    return this.ways.map(({ network }) => network);
  }

  /** Where its default route leads. */
  get network(): AccessNetwork {
    return this.ways[this.used].network;
  }

  /** The address that others see of it. */
  get reachedAt(): string {
    return this.network.external ?? this.address;
  }

  /** Old address and cable are gone, the new address is there: as fast as the kernel does it. */
  async moveAtOnce(): Promise<void> {
    const [from, to] = this.swap();
    await this.host.namespace.ipBatch([`link set ${from.interfaceName} down`, ...this.arrival(to)]);
  }

  /** The new one is preferred at once; the old one goes later. */
  async moveOverlapping(overlap: () => Promise<void>): Promise<void> {
    const [from, to] = this.swap();
    await this.host.namespace.ipBatch(this.arrival(to));
    await overlap();
    await this.host.namespace.ip('link', 'set', from.interfaceName, 'down');
  }

  /** The cable that was pulled lies ready again, without an address. */
  async ready(): Promise<void> {
    if (this.hasBoth) return;
    const { interfaceName, network, port } = this.ways[this.used === 0 ? 1 : 0];
    await this.host.namespace.ipBatch([`address flush dev ${interfaceName}`, `link set ${interfaceName} up`]);
    await network.namespace.carrier(port);
    await this.host.namespace.carrier(interfaceName);
  }

  /** Both networks at once; the one that is in use stays preferred. */
  async useBoth(): Promise<void> {
    if (this.hasBoth) return;
    await this.ready();
    this.hasBoth = true;
    const other = this.ways[this.used === 0 ? 1 : 0];
    await this.host.namespace.ipBatch(this.arrival(other, FIRST_METRIC + 1));
  }

  /** As it was before `useBoth`. */
  async useOne(): Promise<void> {
    if (!this.hasBoth) return;
    this.hasBoth = false;
    await this.ready();
  }

  private swap(): readonly [Way, Way] {
    const from = this.ways[this.used];
    this.used = this.used === 0 ? 1 : 0;
    return [from, this.ways[this.used]];
  }

  /** Lines for `ip -batch`. */
  private arrival({ network, interfaceName }: Way, metric = this.metric--): string[] {
    const number = HOST_NUMBERS[this.visits++ % HOST_NUMBERS.length] ?? NaN;
    if (network === this.network) this.address = network.addressOf(number);
    return network.addressLines(interfaceName, number, metric);
  }
}

interface Way {
  readonly network: AccessNetwork;
  readonly interfaceName: string;
  /** The other end of the cable, at the router. */
  readonly port: string;
}

export interface SceneOptions {
  readonly ports: Ports;
  readonly links: number;
}

/** Two hosts that move, each between two networks, and a public one, in a lab of their own. */
export class Scene {
  readonly kind: SceneKind;
  /** Of the mover, where there is a crowd. */
  readonly links: number;
  readonly lab: Lab;
  readonly publicHost: Host;
  readonly a: MovingHost;
  readonly b: MovingHost;

  private constructor(kind: SceneKind, links: number, lab: Lab, publicHost: Host, a: MovingHost, b: MovingHost) {
    this.kind = kind;
    this.links = links;
    this.lab = lab;
    this.publicHost = publicHost;
    this.a = a;
    this.b = b;
  }

  /** @param lab closed with the scene */
  static async create(kind: SceneKind, { ports, links }: SceneOptions, lab = Lab.open()): Promise<Scene> {
    const behaviour = behaviours(kind, ports);
    try {
      const backbone = await Backbone.create(lab);
      const families = familiesOf(kind);
      const publicHost = await backbone.publicHost('public', families.b[0]);
      await backbone.namespace.ip('route', 'add', MEMBERS, 'via', publicHost.address);
      const [a, b] = await Promise.all(
        (['a', 'b'] as const).map(async (name) => MovingHost.create(backbone, name, behaviour[name], families[name])),
      );
      if (a === undefined || b === undefined) throw new Error('two hosts were made');
      return new Scene(kind, links, lab, publicHost, a, b);
    } catch (error) {
      lab.close();
      throw error;
    }
  }

  get networks(): readonly AccessNetwork[] {
    return [...this.a.networks, ...this.b.networks];
  }

  /** Between the two ends: half of it at each end's router. */
  async setRoundTrip(ms: number): Promise<void> {
    for (const network of this.networks) await network.set({ delay: ms / 4 });
  }

  close(): void {
    this.lab.close();
  }
}
