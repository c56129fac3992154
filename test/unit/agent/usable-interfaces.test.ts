import test from 'ava';
import { withoutContainers } from '../../../src/agent/usable-interfaces.ts';
import type { InterfaceAddress } from '../../../src/native/data-plane.ts';

function entry(interfaceName: string, address: string, kind = '', portKinds: readonly string[] = []): InterfaceAddress {
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

const names = (left: readonly InterfaceAddress[]): string[] => left.map(({ interfaceName }) => interfaceName);

test('bridges of docker and libvirt and the cables into containers are no way to this host', (t) => {
  const left = withoutContainers(
    [
      entry('docker0', '172.17.0.1', 'bridge'),
      entry('eth0', '192.168.1.10'),
      entry('br-3f2a', '172.18.0.1', 'bridge', ['veth', 'veth']),
      entry('virbr0', '192.168.122.1', 'bridge', ['tun']),
      entry('ve-debian', '10.0.0.1', 'veth'),
      entry('cali12', '169.254.1.1', 'veth'),
      entry('dummy0', '10.9.9.9', 'dummy'),
      entry('wg0', '10.7.0.1', 'wireguard'),
      entry('wlan0', '192.168.1.11'),
    ],
    ['192.168.1.10'],
  );
  t.deepEqual(names(left), ['eth0', 'wg0', 'wlan0']);
});

test('a bridge with hardware in it is a LAN, and so is one that the default route leaves by', (t) => {
  const left = withoutContainers(
    [
      entry('br0', '192.168.1.10', 'bridge', ['veth', '']),
      entry('br1', '10.1.0.1', 'bridge', ['vlan']),
      entry('br2', '10.2.0.1', 'bridge', ['veth']),
      entry('br2', '10.2.0.2', 'bridge', ['veth']),
      entry('br3', '10.3.0.1', 'bridge'),
    ],
    ['10.2.0.1', undefined],
  );
  t.deepEqual(names(left), ['br0', 'br1', 'br2', 'br2']);
});

test('inside a container its only cable is its network', (t) => {
  t.deepEqual(names(withoutContainers([entry('eth0', '172.17.0.2', 'veth')], [])), ['eth0']);
  t.deepEqual(names(withoutContainers([entry('veth0', '10.0.0.2', 'veth')], ['10.0.0.2'])), ['veth0']);
});
