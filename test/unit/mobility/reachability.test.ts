import test from 'ava';
import { toStreamAddress } from '../../../src/base/stream-address.ts';
import { isDialable, isGloballyReachable, isHostAddress } from '../../../src/mobility/reachability.ts';

for (const address of ['203.0.113.1', '172.32.0.1', '100.128.0.1', '2001:db8::1', '192.169.0.1'])
  test(`${address} is the same host from everywhere`, (t) => t.true(isGloballyReachable(address)));

for (const address of [
  '10.1.2.3',
  '127.0.0.1',
  '100.64.0.1',
  '169.254.1.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  'fd00::1',
  'fe80::1',
  '::1',
  '::',
  '0.1.2.3',
  '64:ff9b::10.0.0.1',
])
  test(`${address} is another host elsewhere`, (t) => t.false(isGloballyReachable(address)));

test('a member may say that it is at any address of a host, but not at ours, at groups, or inside the overlay', (t) => {
  for (const address of ['203.0.113.1', '10.1.2.3', '169.254.1.1', '2001:db8::1', 'fd00::1', 'fe80::1'])
    t.true(isHostAddress(address), address);
  for (const address of ['127.0.0.1', '0.1.2.3', '0.0.0.0', '224.0.0.1', '255.255.255.255', '::', '::1', 'ff02::1'])
    t.false(isHostAddress(address), address);
  t.false(isHostAddress('2001:22:1234::1'));
});

test('what stands for a stream is no address of a host; others may name those that lead to the open internet', (t) => {
  for (const [address, dialable] of [
    ['203.0.113.7', true],
    ['2001:db8::1', true],
    ['192.168.1.1', false],
    ['127.0.0.1', false],
    ['::1', false],
    ['fd00::1', false],
    ['fe80::1', false],
    ['2001:20::1', false],
  ] as const) {
    const stream = toStreamAddress({ address, port: 443 });
    t.false(isHostAddress(stream.address), address);
    t.false(isGloballyReachable(stream.address), address);
    t.is(isDialable(stream), dialable, address);
  }
  t.true(isDialable({ address: '192.168.1.1', port: 6084 }));
  t.false(isDialable({ address: '2001:20::1', port: 6084 }));
});
