import test from 'ava';
import { OwnAddresses } from '../../../src/agent/own-addresses.ts';

function openAt(hosts: readonly string[], type: 'open' | 'closed' = 'open'): string | undefined {
  const seen = { whereSeen: () => [], standing: () => ({ type, why: '' }) };
  const own = new OwnAddresses({ seen, port: () => 6_084 }, { streams: [] });
  own.hosts = hosts;
  return own.open(0)?.address;
}

test('a TURN server is said to be at a global IPv4 address, at an IPv6 one if there is none, and nowhere behind a NAT', (t) => {
  t.is(openAt(['2001:db8::1', '203.0.113.1']), '203.0.113.1');
  t.is(openAt(['192.168.1.2', 'fd00::1', '2001:db8::1']), '2001:db8::1');
  t.is(openAt(['192.168.1.2', 'fd00::1', '2002:c000:201::1']), undefined);
  t.is(openAt(['203.0.113.1'], 'closed'), undefined);
});
