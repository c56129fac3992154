import { createSecretKey, type KeyObject } from 'node:crypto';
import test from 'ava';
import { KeyCache } from '../../../src/identity/key-cache.ts';

const key = (n: number): KeyObject => createSecretKey(Buffer.of(n >> 8, n));

test('a key is kept when it was used twice', (t) => {
  const cache = new KeyCache(4);
  cache.add('a', key(1));
  t.is(cache.get('a'), undefined);
  const second = key(1);
  cache.add('a', second);
  t.is(cache.get('a'), second);
});

test('of a full cache a flood of others, each used twice, takes one place for eight of them', (t) => {
  const cache = new KeyCache(64);
  const use = (name: string, n: number): void => {
    if (cache.get(name) === undefined) cache.add(name, key(n));
  };
  const held = Array.from({ length: 64 }, (_, n) => `held ${n}`);
  for (let round = 0; round < 2; round++) held.forEach((name, n) => use(name, n));
  t.true(held.every((name) => cache.get(name) !== undefined));
  for (let n = 0; n < 80; n++) for (let round = 0; round < 2; round++) use(`other ${n}`, n);
  t.is(held.filter((name) => cache.get(name) === undefined).length, 10);
});

test('a key that is used often gets a place in a full cache', (t) => {
  const cache = new KeyCache(4);
  for (let round = 0; round < 2; round++) for (let n = 0; n < 4; n++) cache.add(`held ${n}`, key(n));
  for (let round = 0; round < 16; round++) if (cache.get('busy') === undefined) cache.add('busy', key(9));
  t.not(cache.get('busy'), undefined);
});
