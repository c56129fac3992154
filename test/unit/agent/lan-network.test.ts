import test from 'ava';
import { LanNetwork } from '../../../src/agent/lan-network.ts';
import { IdlocError } from '../../../src/base/errors.ts';

test('the network of an address is that of its interface, and others are behind a router', (t) => {
  const network = new LanNetwork('127.0.0.1');
  t.false(network.has('127.9.9.9'), 'not looked up yet');
  t.is(network.findInterface(), 'lo');
  t.true(network.has('127.9.9.9'));
  t.false(network.has('192.0.2.1'));
  t.false(network.has('::1'));
  t.false(network.has(''));
});

test('an address that no interface has is of no network', (t) => {
  const network = new LanNetwork('192.0.2.77');
  t.is(t.throws(() => network.findInterface(), { instanceOf: IdlocError }).code, 'ENODEV');
  t.false(network.has('192.0.2.77'));
});
