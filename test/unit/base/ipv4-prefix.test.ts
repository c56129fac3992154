import test from 'ava';
import { isHostAddress, isInPrefix, isIpv4Prefix, parseIpv4Prefix } from '../../../src/base/ipv4-prefix.ts';

test('an IPv4 prefix is canonical and of a usable length', (t) => {
  for (const good of ['198.18.0.0/15', '10.0.0.0/8', '192.0.2.8/30']) t.true(isIpv4Prefix(good), good);
  for (const bad of [
    '',
    '198.18.0.0',
    '198.18.0.1/15',
    '0.0.0.0/0',
    '10.0.0.0/7',
    '10.0.0.0/31',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '10.0.0.0/08',
    '010.0.0.0/8',
    '300.0.0.0/8',
    '2001:db8::/16',
    'x/15',
  ]) {
    t.false(isIpv4Prefix(bad), bad);
    t.throws(() => parseIpv4Prefix(bad), { instanceOf: TypeError }, bad);
  }
});

test('network and broadcast address are in the prefix, and no host addresses', (t) => {
  const prefix = parseIpv4Prefix('198.18.0.8/30');
  const addresses = ['198.18.0.7', '198.18.0.8', '198.18.0.9', '198.18.0.10', '198.18.0.11', '198.18.0.12'];
  t.deepEqual(
    addresses.map((ipv4) => isHostAddress(prefix, ipv4)),
    [false, false, true, true, false, false],
  );
  t.deepEqual(
    addresses.map((ipv4) => isInPrefix(prefix, ipv4)),
    [false, true, true, true, true, false],
  );
});

test('what is no IPv4 address is in no prefix', (t) => {
  const prefix = parseIpv4Prefix('198.18.0.0/15');
  for (const text of ['', 'x', '198.18.0', '198.18.0.1/32', '::ffff:198.18.0.1', '2001:20::1']) {
    t.false(isHostAddress(prefix, text), text);
    t.false(isInPrefix(prefix, text), text);
  }
});
