import test from 'ava';
import { nat64Prefixes, synthesize } from '../../../src/mobility/nat64.ts';

/** RFC 6052 s2.4: 192.0.2.33 behind each length of prefix. */
const EXAMPLES = [
  ['2001:db8::', 32, '2001:db8:c000:221::'],
  ['2001:db8:100::', 40, '2001:db8:1c0:2:21::'],
  ['2001:db8:122::', 48, '2001:db8:122:c000:2:2100::'],
  ['2001:db8:122:300::', 56, '2001:db8:122:3c0:0:221::'],
  ['2001:db8:122:344::', 64, '2001:db8:122:344:c0:2:2100:0'],
  ['2001:db8:122:344::', 96, '2001:db8:122:344::c000:221'],
  ['64:ff9b::', 96, '64:ff9b::c000:221'],
] as const;

for (const [address, length, expected] of EXAMPLES) {
  test(`${address}/${length}: an IPv4 address is reached as RFC 6052 s2.4 shows, and the prefix is found by it`, (t) => {
    t.is(synthesize({ address, length }, '192.0.2.33'), expected);
    for (const known of ['192.0.0.170', '192.0.0.171'])
      t.deepEqual(nat64Prefixes([synthesize({ address, length }, known)]), [{ address, length }]);
  });
}

test('both addresses of the name give one prefix; answers that hold neither, IPv4 ones, and those that hold two, none', (t) => {
  t.deepEqual(nat64Prefixes(['64:ff9b::c000:aa', '64:ff9b::c000:ab']), [{ address: '64:ff9b::', length: 96 }]);
  t.deepEqual(nat64Prefixes(['2001:db8::1', '192.0.0.170']), []);
  t.deepEqual(nat64Prefixes(['2001:db8:c000:aa::c000:aa']), []);
});
