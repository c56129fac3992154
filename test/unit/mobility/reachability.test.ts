import test from 'ava';
import { isGloballyReachable } from '../../../src/mobility/reachability.ts';

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
