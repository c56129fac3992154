import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { HostNetwork } from '../../../src/agent/host-network.ts';
import { ipv6StateOf, type Ipv6State } from '../../../src/agent/ipv6-switch.ts';
import type { InterfaceAddress, Netlink, Route, Rule } from '../../../src/native/data-plane.ts';
import { on } from './interface-address.ts';

const HIT = '20010022000000000000000000000b0b';
const HIT_ADDRESS = '2001:22::b0b';

/** What the kernel was asked for. @param sources what it sends from to far away. */
function network(
  ipv6: Ipv6State,
  addresses: readonly InterfaceAddress[] = [],
  sources: readonly string[] = [],
  uplinks: { forbid?: readonly string[]; prefer?: readonly string[] } = {},
) {
  const asked: string[] = [];
  const netlink: Netlink = {
    addresses: () => [...addresses],
    configureInterface: (name, { addresses }) => void asked.push(`${name} ${addresses.join(' ')}`.trim()),
    interfaceState: () => undefined,
    addRoute: () => false,
    setRoute: ({ destination }) => void asked.push(`unreachable ${destination}`),
    deleteRoute: () => {},
    addRule: () => false,
    deleteRule: () => {},
    sourceFor: (remote) => sources.find((source) => source.includes(':') === remote.includes(':')),
  };
  const options = {
    tunName: 'idloc0',
    ipv4Prefix: '198.18.0.0/15',
    ipv6State: () => ipv6,
    uplinks: { forbid: [], prefer: [], ...uplinks },
  };
  return { asked, network: new HostNetwork(netlink, options) };
}

test('the interface has the HIT at once, and the IPv4 address when there is one', (t) => {
  const { asked, network: host } = network('on');
  t.true(host.configureTun(HIT, undefined, 1400));
  t.true(host.configureTun(HIT, '198.18.0.9', 1400));
  t.deepEqual(asked, [`idloc0 ${HIT_ADDRESS}/28`, `idloc0 ${HIT_ADDRESS}/28 198.18.0.9/15`]);
});

test('with IPv6 switched off the IPv4 address alone is set, and the caller is told', (t) => {
  const { asked, network: host } = network('off');
  t.false(host.configureTun(HIT, '198.18.0.9', 1400));
  host.guard();
  t.deepEqual(asked, ['idloc0 198.18.0.9/15', 'unreachable 2001:20::/28', 'unreachable 198.18.0.0/15']);
});

test('a kernel without IPv6 is asked for nothing of it', (t) => {
  const { asked, network: host } = network('absent');
  t.false(host.configureTun(HIT, '198.18.0.9', 1400));
  host.guard();
  t.deepEqual(asked, ['idloc0 198.18.0.9/15', 'unreachable 198.18.0.0/15']);
});

test('the switch of the interface says whether it may have IPv6 addresses', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-sysctl-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'idloc0'));
  for (const [value, state] of [
    ['0\n', 'on'],
    ['1\n', 'off'],
  ] as const) {
    writeFileSync(join(folder, 'idloc0', 'disable_ipv6'), value);
    t.is(ipv6StateOf('idloc0', folder), state);
  }
  t.is(ipv6StateOf('eth0', folder), 'absent');
});

test('of a machine with twelve bridges of docker others are told its own addresses alone', (t) => {
  const bridges = Array.from({ length: 12 }, (_, i) =>
    on(`br-${i}`, `172.${18 + i}.0.1`, 'bridge', i % 2 ? ['veth'] : []),
  );
  const addresses = [
    ...bridges,
    on('docker0', '172.17.0.1', 'bridge'),
    on('virbr0', '192.168.122.1', 'bridge', ['tun']),
    on('cni-podman0', '10.88.0.1', 'bridge', ['veth']),
    on('veth1f', '10.0.2.1', 'veth'),
    on('wlan0', '192.168.1.10'),
    on('wlan0', '2001:db8::10'),
  ];
  t.deepEqual(network('on', addresses, ['192.168.1.10']).network.locators(), ['192.168.1.10', '2001:db8::10']);
});

test('the addresses that the kernel sends from to far away come first', (t) => {
  const addresses = [on('wg0', '10.7.0.1', 'wireguard'), on('eth1', '10.1.0.2'), on('eth0', '10.2.0.2')];
  t.deepEqual(network('on', addresses, ['10.2.0.2']).network.locators(), ['10.2.0.2', '10.7.0.1', '10.1.0.2']);
});

test('the addresses of a preferred interface come first, those of a forbidden one are told to nobody', (t) => {
  const addresses = [
    on('eth0', '10.2.0.2'),
    on('wwan0', '10.3.0.2'),
    on('wlan0', '10.1.0.2'),
    { ...on('wwan0', '2001:db8::1'), deprecated: true },
  ];
  const wishes = { forbid: ['wwan0'], prefer: ['wlan0'] };
  const { network: host } = network('on', addresses, ['10.2.0.2'], wishes);
  t.deepEqual(host.reachability(), { locators: ['10.1.0.2', '10.2.0.2'], deprecated: [] });
});

test('a deprecated address is told to nobody, and known as ours', (t) => {
  const old = { ...on('eth0', '2001:db8::1'), deprecated: true };
  const { network: host } = network('on', [old, on('eth0', '2001:db8::2'), on('eth0', '10.2.0.2')], ['10.2.0.2']);
  t.deepEqual(host.reachability(), { locators: ['10.2.0.2', '2001:db8::2'], deprecated: ['2001:db8::1'] });
});

const MTU = 1400;
const ADDRESSES = [`${HIT_ADDRESS}/28`, '198.18.0.9/15'];
const ROUTES = [
  'unreachable 2001:20::/28 4000000',
  'unreachable 198.18.0.0/15 4000000',
  'idloc0 2001:20::/28 256',
  'idloc0 198.18.0.0/15 0',
];

/** A kernel with the TUN and its routes as far as Linux does it, to which somebody else has access too. */
class Kernel implements Netlink {
  exists = true;
  up = false;
  mtu = 0;
  ipv6 = true;
  /** Of what changes something. */
  writes = 0;
  readonly rules = new Set<string>();
  private readonly list = new Set<string>();
  private readonly table = new Set<string>();

  get there(): { readonly addresses: string[]; readonly routes: string[] } {
    return { addresses: [...this.list].sort(), routes: [...this.table].sort() };
  }

  addresses(): InterfaceAddress[] {
    const rest = { usable: this.up, deprecated: false, loopback: false, kind: 'tun', portKinds: [] };
    return [...this.list, 'fe80::1/64'].map((entry) => {
      const [address = '', length = ''] = entry.split('/');
      // As the kernel's text may be.
      return {
        interfaceName: 'idloc0',
        address: address.replace('::b0b', ':0:0:0:0:0:b0b'),
        prefixLength: +length,
        ...rest,
      };
    });
  }

  interfaceState(): { up: boolean; mtu: number } | undefined {
    return this.exists ? { up: this.up, mtu: this.mtu } : undefined;
  }

  configureInterface(_name: string, { mtu, addresses }: Parameters<Netlink['configureInterface']>[1]): void {
    this.writes += 1;
    Object.assign(this, { up: true, mtu });
    for (const address of addresses) {
      this.list.add(address);
      // An address of its own has no prefix that would be routed.
      if (!/\/(32|128)$/.test(address)) this.table.add(address.includes(':') ? (ROUTES[2] ?? '') : (ROUTES[3] ?? ''));
    }
  }

  setRoute(route: Route): void {
    this.addRoute(route);
  }

  addRoute({ destination, interfaceName = 'unreachable', metric, table }: Route): boolean {
    const text = `${interfaceName} ${destination} ${metric}${table === undefined ? '' : ` table ${table}`}`;
    if (this.table.has(text)) return false;
    this.writes += 1;
    this.table.add(text);
    return true;
  }

  deleteRoute(): void {}

  addRule({ source, table, priority }: Rule): boolean {
    const text = `${priority} from ${source} table ${table}`;
    if (this.rules.has(text)) return false;
    this.writes += 1;
    this.rules.add(text);
    return true;
  }

  deleteRule({ source, table, priority }: Rule): void {
    this.writes += 1;
    this.rules.delete(`${priority} from ${source} table ${table}`);
  }

  sourceFor(): undefined {}

  // What somebody else does.

  down(): void {
    this.up = false;
    this.flush((address) => address.includes(':'));
  }

  flush(which: (address: string) => boolean = () => true): void {
    for (const address of [...this.list].filter(which)) this.list.delete(address);
  }

  flushRoutes(which: (route: string) => boolean): void {
    for (const route of [...this.table].filter(which)) this.table.delete(route);
  }
}

function kept() {
  const kernel = new Kernel();
  const ipv6State = (): Ipv6State => (kernel.ipv6 ? 'on' : 'off');
  const host = new HostNetwork(kernel, { tunName: 'idloc0', ipv4Prefix: '198.18.0.0/15', ipv6State });
  host.guard();
  host.configureTun(HIT, '198.18.0.9', MTU);
  kernel.writes = 0;
  return { kernel, host, putBack: () => host.putBack(HIT, '198.18.0.9', MTU) };
}

for (const [what, take, missing] of [
  ['the interface is set down', (kernel) => kernel.down(), ['idloc0 up', `${HIT_ADDRESS}/28`]],
  ['the addresses are flushed', (kernel) => kernel.flush(), ADDRESSES],
  ['one address is deleted', (kernel) => kernel.flush((address) => !address.includes(':')), ['198.18.0.9/15']],
  ['the MTU is another', (kernel) => void (kernel.mtu = 1280), ['MTU 1400 (was 1280)']],
  [
    'static routes are flushed',
    (kernel) => kernel.flushRoutes((route) => route.startsWith('unreachable')),
    ['unreachable 2001:20::/28', 'unreachable 198.18.0.0/15'],
  ],
  [
    'the routes of the interface are flushed',
    (kernel) => kernel.flushRoutes((route) => route.startsWith('idloc0')),
    ['route 2001:20::/28', 'route 198.18.0.0/15'],
  ],
] satisfies [string, (kernel: Kernel) => void, string[]][])
  test(`${what}: what is missing is put back and told, and nothing is written when all is there`, (t) => {
    const { kernel, putBack } = kept();
    take(kernel);
    t.deepEqual(putBack(), { missing, ipv6: true });
    t.true(kernel.up);
    t.is(kernel.mtu, MTU);
    t.deepEqual(kernel.there, { addresses: [...ADDRESSES].sort(), routes: [...ROUTES].sort() });
    kernel.writes = 0;
    t.deepEqual(putBack(), { missing: [], ipv6: true });
    t.is(kernel.writes, 0);
  });

test('while IPv6 is switched off its address is not missed, and when it is on again it is put back', (t) => {
  const { kernel, putBack } = kept();
  kernel.ipv6 = false;
  kernel.flush((address) => address.includes(':'));
  kernel.flushRoutes((route) => route === ROUTES[2]);
  t.deepEqual(putBack(), { missing: [], ipv6: false });
  t.is(kernel.writes, 0);
  kernel.ipv6 = true;
  t.deepEqual(putBack(), { missing: [`${HIT_ADDRESS}/28`], ipv6: true });
});

test('without the interface its routes of the guard alone are put back', (t) => {
  const { kernel, host, putBack } = kept();
  kernel.exists = false;
  kernel.flush();
  kernel.flushRoutes(() => true);
  t.is(putBack(), undefined);
  t.deepEqual(kernel.there, { addresses: [], routes: ROUTES.slice(0, 2).sort() });
  t.is(host.tun(), undefined);
});

test('what is told of the interface is what the kernel has, but for link-local addresses', (t) => {
  const { kernel, host } = kept();
  t.deepEqual(host.tun(), { name: 'idloc0', up: true, mtu: MTU, addresses: [HIT_ADDRESS, '198.18.0.9'] });
  kernel.down();
  kernel.mtu = 1280;
  t.deepEqual(host.tun(), { name: 'idloc0', up: false, mtu: 1280, addresses: ['198.18.0.9'] });
});

/** Beside another agent, which has the main table. */
function second() {
  const kernel = new Kernel();
  const options = { tunName: 'idloc1', ipv4Prefix: '198.18.0.0/15', ipv6State: (): Ipv6State => 'on', table: 101 };
  return { kernel, host: new HostNetwork(kernel, options) };
}

test('with a table of its own an agent leaves the main one to the other, and what is sent from its addresses is looked up in its own', (t) => {
  const { kernel, host } = second();
  host.guard();
  host.configureTun(HIT, undefined, MTU);
  host.configureTun(HIT, '198.18.0.9', MTU);
  t.deepEqual(kernel.there, {
    addresses: ['198.18.0.9/32', `${HIT_ADDRESS}/128`],
    routes: ['idloc1 198.18.0.0/15 0 table 101', 'idloc1 2001:20::/28 256 table 101', ...ROUTES.slice(0, 2).sort()],
  });
  t.deepEqual([...kernel.rules], [`31000 from ${HIT_ADDRESS}/128 table 101`, '31000 from 198.18.0.9/32 table 101']);
  host.configureTun(HIT, '198.18.0.10', MTU);
  t.deepEqual([...kernel.rules], [`31000 from ${HIT_ADDRESS}/128 table 101`, '31000 from 198.18.0.10/32 table 101']);
  host.leaveNoRules();
  host.leaveNoRules();
  t.is(kernel.rules.size, 0);
});

test('rules and routes of its own table that somebody takes away are put back', (t) => {
  const { kernel, host } = second();
  host.guard();
  host.configureTun(HIT, '198.18.0.9', MTU);
  kernel.rules.clear();
  kernel.flushRoutes((route) => route.endsWith('2001:20::/28 256 table 101'));
  // The addresses of a fake kernel are all of idloc0.
  const missing = host.putBack(HIT, '198.18.0.9', MTU)?.missing ?? [];
  for (const text of ['route 2001:20::/28 table 101', `rule from ${HIT_ADDRESS}/128`, 'rule from 198.18.0.9/32'])
    t.true(missing.includes(text), text);
  t.is(kernel.rules.size, 2);
});

test('an address of another agent on this host is no clash, and a network in the range is', (t) => {
  const beside = [
    { ...on('idloc1', '198.18.7.7', 'tun'), prefixLength: 32 },
    { ...on('wg0', '198.19.0.1', 'wireguard'), prefixLength: 24 },
  ];
  t.deepEqual(network('on', beside).network.clashes(), ['198.19.0.1/24 on wg0']);
});
