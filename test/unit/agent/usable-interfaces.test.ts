import test from 'ava';
import { withoutContainers } from '../../../src/agent/usable-interfaces.ts';
import type { InterfaceAddress } from '../../../src/native/data-plane.ts';
import { on } from './interface-address.ts';

const names = (left: readonly InterfaceAddress[]): string[] => left.map(({ interfaceName }) => interfaceName);

test('bridges of docker and libvirt and the cables into containers are no way to this host', (t) => {
  const left = withoutContainers(
    [
      on('docker0', '172.17.0.1', 'bridge'),
      on('eth0', '192.168.1.10'),
      on('br-3f2a', '172.18.0.1', 'bridge', ['veth', 'veth']),
      on('virbr0', '192.168.122.1', 'bridge', ['tun']),
      on('ve-debian', '10.0.0.1', 'veth'),
      on('cali12', '169.254.1.1', 'veth'),
      on('dummy0', '10.9.9.9', 'dummy'),
      on('wg0', '10.7.0.1', 'wireguard'),
      on('wlan0', '192.168.1.11'),
    ],
    ['192.168.1.10'],
  );
  t.deepEqual(names(left), ['eth0', 'wg0', 'wlan0']);
});

test('a bridge with hardware in it is a LAN, and so is one that the default route leaves by', (t) => {
  const left = withoutContainers(
    [
      on('br0', '192.168.1.10', 'bridge', ['veth', '']),
      on('br1', '10.1.0.1', 'bridge', ['vlan']),
      on('br2', '10.2.0.1', 'bridge', ['veth']),
      on('br2', '10.2.0.2', 'bridge', ['veth']),
      on('br3', '10.3.0.1', 'bridge'),
    ],
    ['10.2.0.1', undefined],
  );
  t.deepEqual(names(left), ['br0', 'br1', 'br2', 'br2']);
});

test('inside a container its only cable is its network', (t) => {
  t.deepEqual(names(withoutContainers([on('eth0', '172.17.0.2', 'veth')], [])), ['eth0']);
  t.deepEqual(names(withoutContainers([on('veth0', '10.0.0.2', 'veth')], ['10.0.0.2'])), ['veth0']);
});
