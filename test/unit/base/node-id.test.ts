import test from 'ava';
import { addressToHit, hitToAddress, isHit, isNodeId } from '../../../src/base/node-id.ts';

test('a HIT and its IPv6 address are one value', (t) => {
  const hit = '20010022123456789abcdef012345678';
  t.is(hitToAddress(hit), '2001:22:1234:5678:9abc:def0:1234:5678');
  t.is(addressToHit(hitToAddress(hit)), hit);
});

test('only ORCHIDv2 addresses are HITs', (t) => {
  t.true(isHit('20010020000000000000000000000001'));
  t.false(isHit('20010db8000000000000000000000001'));
  t.false(isHit('2001002'));
  t.false(isNodeId('2001002212345678 abcdef012345678'));
});
