import { execFileSync } from 'node:child_process';
import { Agent, ip, withoutPreload } from './network.ts';

/** How the routers reach each other's hosts, and nobody else: an access network drops sources that are not its own (BCP 38). */
const ROUTER_RULES = (n: number): string => `table inet access {
  chain forward {
    type filter hook forward priority filter
    iifname home ip saddr != 10.${n}.0.0/24 counter drop
    iifname home ip6 saddr != fd0${n}::/64 counter drop
  }
}`;

/** The addresses of `a` and of `b` in one family, by number of the uplink. */
export interface Ends {
  readonly local: Readonly<Record<1 | 2, string>>;
  readonly remote: string;
}

/**
 * A host with two uplinks, the first with the better metric, and one far away:
 *
 *                     .--- u1 10.1.0.2, fd01::2 --- r1 (takes only its own sources) ---.
 *     a (2001:20::a) -+                                                                +- b (203.0.113.1, 2001:db8::1, 2001:20::b)
 *                     '--- u2 10.2.0.2, fd02::2 --- r2 (takes only its own sources) ---'
 */
export class TwoUplinks {
  readonly a: Agent;
  readonly b: Agent;
  private readonly namespaces: readonly string[];

  private constructor(namespaces: readonly string[], a: Agent, b: Agent) {
    this.namespaces = namespaces;
    this.a = a;
    this.b = b;
  }

  static ends(family: 4 | 6): Ends {
    return family === 4
      ? { local: { 1: '10.1.0.2', 2: '10.2.0.2' }, remote: '203.0.113.1' }
      : { local: { 1: 'fd01::2', 2: 'fd02::2' }, remote: '2001:db8::1' };
  }

  /** @param ipv6 false: `a` has none at all. @param forbidden an interface that `a` is not to send from */
  static async lay(
    label: string,
    { ipv6 = true, forbidden = '' }: { readonly ipv6?: boolean; readonly forbidden?: string } = {},
  ): Promise<TwoUplinks> {
    const name = (host: string): string => `idloc-${process.pid}-${label}${host}`;
    const [a, b] = [name('a'), name('b')];
    const namespaces = [a, b, name('r1'), name('r2')];
    for (const namespace of namespaces) {
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
    }
    if (!ipv6) sysctl(a, 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1');
    for (const address of ['203.0.113.1/32', '2001:db8::1/128']) ip('-n', b, 'address', 'add', address, 'dev', 'lo');
    for (const n of [1, 2]) {
      const router = name(`r${n}`);
      const cable = (host: string, port: string, routerPort: string): void =>
        ip('link', 'add', port, 'netns', host, 'type', 'veth', 'peer', 'name', routerPort, 'netns', router);
      cable(a, `u${n}`, 'home');
      cable(b, `u${n}`, 'world');
      const give = (namespace: string, port: string, ...addresses: string[]): void => {
        for (const address of addresses)
          ip('-n', namespace, 'address', 'add', address, 'dev', port, ...(address.includes(':') ? ['nodad'] : []));
        ip('-n', namespace, 'link', 'set', port, 'up');
      };
      give(router, 'home', `10.${n}.0.1/24`, `fd0${n}::1/64`);
      give(router, 'world', `10.10${n}.0.1/24`, `fdf${n}::1/64`);
      give(a, `u${n}`, `10.${n}.0.2/24`, ...(ipv6 ? [`fd0${n}::2/64`] : []));
      give(b, `u${n}`, `10.10${n}.0.2/24`, `fdf${n}::2/64`);
      sysctl(router, 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
      execFileSync('ip', ['netns', 'exec', router, '/usr/sbin/nft', '-f', '-'], {
        input: ROUTER_RULES(n),
        env: withoutPreload(),
      });
      ip('-n', router, 'route', 'add', '203.0.113.1', 'via', `10.10${n}.0.2`);
      ip('-n', router, 'route', 'add', '2001:db8::1', 'via', `fdf${n}::2`);
      ip('-n', b, 'route', 'add', `10.${n}.0.0/24`, 'via', `10.10${n}.0.1`);
      ip('-n', b, 'route', 'add', `fd0${n}::/64`, 'via', `fdf${n}::1`);
      addDefault(a, n, ipv6);
    }
    const agents = [
      new Agent(a, '10.1.0.2', '2001:20::a', '198.18.0.1', false, forbidden),
      new Agent(b, '203.0.113.1', '2001:20::b', '198.18.0.2', false),
    ] as const;
    const made = new TwoUplinks(namespaces, ...agents);
    try {
      await Promise.all(agents.map((agent) => agent.started));
    } catch (err) {
      await made.remove();
      throw err;
    }
    return made;
  }

  /** A link whose datagrams have an address of that uplink at a's end, ready for packets. */
  async link(family: 4 | 6, uplink: 1 | 2): Promise<{ a: number; b: number }> {
    const { local, remote } = TwoUplinks.ends(family);
    const [b, a] = await Promise.all([
      this.b.call<number>('connect', 'server', local[uplink], remote),
      this.a.call<number>('connect', 'client', remote, local[uplink]),
    ]);
    await this.b.call('authorize', b, this.a.hit, this.a.ipv4);
    await this.a.call('authorize', a, this.b.hit, this.b.ipv4);
    await this.a.call('setPathMtu', a, 1500);
    await this.b.call('setPathMtu', b, 1500);
    return { a, b };
  }

  /** How many packets the uplink has sent so far. */
  sentBy(uplink: 1 | 2): number {
    return Number(this.a.run('cat', `/sys/class/net/u${uplink}/statistics/tx_packets`));
  }

  /** The default routes of the uplink go, or come back; its addresses stay. */
  setDefault(uplink: 1 | 2, on: boolean, ipv6 = true): void {
    if (on) addDefault(this.a.namespace, uplink, ipv6);
    else
      for (const family of ipv6 ? ['-4', '-6'] : ['-4'])
        ip('-n', this.a.namespace, family, 'route', 'delete', 'default', 'dev', `u${uplink}`);
  }

  async remove(): Promise<void> {
    await Promise.all([this.a.stop(), this.b.stop()]);
    for (const namespace of this.namespaces) ip('netns', 'delete', namespace);
  }
}

function addDefault(namespace: string, n: number, ipv6: boolean): void {
  const metric = ['dev', `u${n}`, 'metric', String(100 * n)];
  ip('-n', namespace, 'route', 'add', 'default', 'via', `10.${n}.0.1`, ...metric);
  if (ipv6) ip('-n', namespace, 'route', 'add', 'default', 'via', `fd0${n}::1`, ...metric);
}

function sysctl(namespace: string, ...settings: string[]): void {
  ip('netns', 'exec', namespace, '/sbin/sysctl', '-q', '-w', ...settings);
}
