import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { HostNetwork } from '../../../src/agent/host-network.ts';
import { ipv6StateOf, type Ipv6State } from '../../../src/agent/ipv6-switch.ts';
import type { InterfaceAddress, Netlink } from '../../../src/native/data-plane.ts';

const HIT = '20010022000000000000000000000b0b';
const HIT_ADDRESS = '2001:22::b0b';

/** What the kernel was asked for. @param sources what it sends from to far away. */
function network(ipv6: Ipv6State, addresses: readonly InterfaceAddress[] = [], sources: readonly string[] = []) {
  const asked: string[] = [];
  const netlink: Netlink = {
    addresses: () => [...addresses],
    configureInterface: (name, { addresses }) => void asked.push(`${name} ${addresses.join(' ')}`.trim()),
    setRoute: ({ destination }) => void asked.push(`unreachable ${destination}`),
    deleteRoute: () => {},
    sourceFor: (remote) => sources.find((source) => source.includes(':') === remote.includes(':')),
  };
  const options = { tunName: 'idloc0', ipv4Prefix: '198.18.0.0/15', ipv6State: () => ipv6 };
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

function on(interfaceName: string, address: string, kind = '', portKinds: readonly string[] = []): InterfaceAddress {
  return {
    interfaceName,
    address,
    prefixLength: 24,
    usable: true,
    deprecated: false,
    loopback: false,
    kind,
    portKinds,
  };
}

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

test('a deprecated address is told to nobody, and known as ours', (t) => {
  const old = { ...on('eth0', '2001:db8::1'), deprecated: true };
  const { network: host } = network('on', [old, on('eth0', '2001:db8::2'), on('eth0', '10.2.0.2')], ['10.2.0.2']);
  t.deepEqual(host.locators(), ['10.2.0.2', '2001:db8::2']);
  t.deepEqual(host.deprecated(), ['2001:db8::1']);
});
