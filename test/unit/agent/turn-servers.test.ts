import test from 'ava';
import { bestOf } from '../../../src/agent/turn-servers.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';

const IPV4 = { address: '203.0.113.1', port: 3_478 };
const IPV6 = { address: '2001:db8::1', port: 3_478 };

test('of the addresses of a TURN server one that we can reach is taken, of IPv4 before IPv6, and any before none', (t) => {
  const best = (addresses: readonly SocketAddress[], families: readonly (4 | 6)[]): SocketAddress | undefined =>
    bestOf(addresses, {
      reach: (remote) => remote,
      mayReach: (address) => families.includes(address.includes(':') ? 6 : 4),
    });
  t.is(best([IPV6, IPV4], [4, 6]), IPV4);
  t.is(best([IPV4, IPV6], [6]), IPV6);
  t.is(best([IPV6], [4]), IPV6);
  t.is(best([], [4, 6]), undefined);
});
