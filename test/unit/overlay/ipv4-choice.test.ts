import { testProp, fc } from '@fast-check/ava';
import test from 'ava';
import { isHostAddress, parseIpv4Prefix } from '../../../src/base/ipv4-prefix.ts';
import { ipv4Choice } from '../../../src/overlay/ipv4-choice.ts';

const HIT = '20010022'.padEnd(32, 'a');

test('a host has the same choices always, and another host has others', (t) => {
  const prefix = parseIpv4Prefix('198.18.0.0/15');
  t.is(ipv4Choice(prefix, HIT, 0), ipv4Choice(prefix, HIT, 0));
  t.not(ipv4Choice(prefix, HIT, 0), ipv4Choice(prefix, HIT, 1));
  t.not(ipv4Choice(prefix, HIT, 0), ipv4Choice(prefix, '20010022'.padEnd(32, 'b'), 0));
});

testProp(
  'every choice is a host address of the prefix',
  [fc.integer({ min: 8, max: 30 }), fc.nat({ max: 1000 })],
  (t, length, attempt) => {
    const prefix = parseIpv4Prefix(`0.0.0.0/${length}`);
    t.true(isHostAddress(prefix, ipv4Choice(prefix, HIT, attempt)));
  },
);
