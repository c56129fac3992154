import { testProp, fc } from '@fast-check/ava';
import test from 'ava';
import { ipv4Choice, isHostAddress, parseIpv4Prefix } from '../../../src/overlay/ipv4-choice.ts';

const HIT = '20010022'.padEnd(32, 'a');

test('a host has the same choices always, and another host has others', (t) => {
  const prefix = parseIpv4Prefix('198.18.0.0/15');
  t.is(ipv4Choice(prefix, HIT, 0), ipv4Choice(prefix, HIT, 0));
  t.not(ipv4Choice(prefix, HIT, 0), ipv4Choice(prefix, HIT, 1));
  t.not(ipv4Choice(prefix, HIT, 0), ipv4Choice(prefix, '20010022'.padEnd(32, 'b'), 0));
});

test('network and broadcast address are no host addresses', (t) => {
  const prefix = parseIpv4Prefix('198.18.0.0/30');
  t.deepEqual(
    ['198.17.255.255', '198.18.0.0', '198.18.0.1', '198.18.0.2', '198.18.0.3', '198.18.0.4'].map((ipv4) =>
      isHostAddress(prefix, ipv4),
    ),
    [false, false, true, true, false, false],
  );
});

test('what is no prefix is refused', (t) => {
  for (const text of ['198.18.0.0', '198.18.0.0/31', '198.18.0.1/15', '10.0.0.0/7', 'x/15', '300.0.0.0/8'])
    t.throws(() => parseIpv4Prefix(text), { instanceOf: TypeError }, text);
});

testProp(
  'every choice is a host address of the prefix',
  [fc.integer({ min: 8, max: 30 }), fc.nat({ max: 1000 })],
  (t, length, attempt) => {
    const prefix = parseIpv4Prefix(`0.0.0.0/${length}`);
    t.true(isHostAddress(prefix, ipv4Choice(prefix, HIT, attempt)));
  },
);
