import test from 'ava';
import { AddressMap } from '../../../src/tunnel/address-map.ts';

test('a claim is found from both sides', (t) => {
  const map = new AddressMap();
  map.set('a', '198.18.0.1');
  t.is(map.ipv4Of('a'), '198.18.0.1');
  t.is(map.hitOf('198.18.0.1'), 'a');
  t.is(map.hitOf('198.18.0.2'), undefined);
});

test('a newer claim takes the address from its old holder, and the old address from the host', (t) => {
  const map = new AddressMap();
  map.set('a', '198.18.0.1');
  map.set('b', '198.18.0.2');
  map.set('a', '198.18.0.2');
  t.is(map.hitOf('198.18.0.2'), 'a');
  t.is(map.hitOf('198.18.0.1'), undefined);
  t.is(map.ipv4Of('b'), undefined);
  t.is(map.size, 1);
});

test('beyond the bound the longest unused claim is forgotten', (t) => {
  const map = new AddressMap({ maxEntries: 2 });
  map.set('a', '198.18.0.1');
  map.set('b', '198.18.0.2');
  t.is(map.hitOf('198.18.0.1'), 'a');
  map.set('c', '198.18.0.3');
  t.is(map.ipv4Of('b'), undefined);
  t.is(map.hitOf('198.18.0.2'), undefined);
  t.is(map.ipv4Of('a'), '198.18.0.1');
});

test('a deleted claim is gone from both sides', (t) => {
  const map = new AddressMap();
  map.set('a', '198.18.0.1');
  map.delete('a');
  map.delete('a');
  t.is(map.hitOf('198.18.0.1'), undefined);
  t.is(map.size, 0);
});
