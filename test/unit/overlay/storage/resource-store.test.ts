import test from 'ava';
import { fromHex } from '../../../../src/base/bytes.ts';
import { resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import {
  CERTIFICATE_BY_NODE,
  IDLOC_HOST,
  IDLOC_IPV4,
  IDLOC_NAME,
  type Kind,
} from '../../../../src/overlay/storage/kinds.ts';
import { type KindValues, ResourceStore, type SignedValue } from '../../../../src/overlay/storage/resource-store.ts';
import { encodeIpv4Value } from '../../../../src/overlay/storage/values.ts';
import { EMPTY_SIGNATURE, ERROR_CODES, type StoredDataValue } from '../../../../src/reload/index.ts';

const WALL = 1_700_000_000_000;
const HIT = '20010022'.padEnd(32, 'a');
const OTHER = '20010022'.padEnd(32, 'b');
const R = resourceIdOf('r');

const signer = (nodeId: string): Signer => ({ nodeId, user: null, spki: new Uint8Array(), chain: [], hash: nodeId });
const single = (text: string): StoredDataValue => ({ model: 'single', exists: true, value: Buffer.from(text) });

function signed(value: StoredDataValue, time = 0, by = HIT, lifetime = 100): SignedValue {
  return {
    data: { storageTime: BigInt(WALL + time), lifetime, value, signature: EMPTY_SIGNATURE },
    signer: signer(by),
  };
}

const of = (kind: Kind, values: readonly SignedValue[], generation = 0n): KindValues[] => [
  { kind, generation, values },
];

function make(options: Partial<{ maxBytes: number; maxPerWriter: number }> = {}): ResourceStore {
  return new ResourceStore({ maxBytes: 1_000_000, maxPerWriter: 8, ...options });
}

function texts(store: ResourceStore, kind: Kind, now = 0, resource = R): string[] {
  return store.values(resource, kind.id, now).map(({ data }) => Buffer.from(data.value.value).toString());
}

function claim(hit: string, claimedAt: number): StoredDataValue {
  const value = encodeIpv4Value({ ipv4: '198.18.1.2', hit, claimedAt, user: null });
  return { model: 'single', exists: true, value };
}

test('a newer value replaces the older one and the generation counter goes up', (t) => {
  const store = make();
  t.true(store.store(R, of(IDLOC_HOST, [signed(single('a'))]), 0, WALL).ok);
  t.is(store.generation(R, IDLOC_HOST.id), 1n);
  t.true(store.store(R, of(IDLOC_HOST, [signed(single('b'), 1)]), 0, WALL).ok);
  t.is(store.generation(R, IDLOC_HOST.id), 2n);
  t.deepEqual(texts(store, IDLOC_HOST), ['b']);
  t.is(store.size, 1);
});

test('a value that is not newer, or expects another generation, changes nothing', (t) => {
  const store = make();
  store.store(R, of(IDLOC_HOST, [signed(single('a'))]), 0, WALL);
  const old = store.store(R, of(IDLOC_HOST, [signed(single('b'))]), 0, WALL);
  t.is(!old.ok && old.errorCode, ERROR_CODES.data_too_old);
  const wrong = store.store(R, of(IDLOC_HOST, [signed(single('b'), 1)], 7n), 0, WALL);
  t.is(!wrong.ok && wrong.errorCode, ERROR_CODES.generation_counter_too_low);
  t.true(store.store(R, of(IDLOC_HOST, [signed(single('b'), 1)], 1n), 0, WALL).ok);
});

test('a value ends with its lifetime, which counts down until then', (t) => {
  const store = make();
  store.store(R, of(IDLOC_HOST, [signed(single('a'))]), 1_000, WALL);
  t.is(store.values(R, IDLOC_HOST.id, 41_000)[0]?.data.lifetime, 60);
  t.deepEqual(texts(store, IDLOC_HOST, 101_000), []);
  store.sweep(101_000);
  t.deepEqual([store.size, store.bytes], [0, 0]);
});

test('what is too large, too many, from the future or without a lifetime is refused', (t) => {
  const store = make({ maxPerWriter: 2 });
  const refusal = (kind: Kind, values: readonly SignedValue[], resource = R): number | false => {
    const outcome = store.store(resource, of(kind, values), 0, WALL);
    return !outcome.ok && outcome.errorCode;
  };
  t.is(refusal(IDLOC_HOST, [signed(single('x'.repeat(513)))]), ERROR_CODES.data_too_large);
  t.is(refusal(IDLOC_HOST, [signed(single('x'), 601_000)]), ERROR_CODES.forbidden);
  t.is(refusal(IDLOC_HOST, [signed(single('x'), 0, HIT, 0)]), ERROR_CODES.forbidden);
  t.is(refusal(IDLOC_NAME, [signed(single('x'))]), ERROR_CODES.invalid_message);
  t.false(refusal(IDLOC_HOST, [signed(single('x'))], resourceIdOf('1')));
  t.false(refusal(IDLOC_HOST, [signed(single('x'))], resourceIdOf('2')));
  t.is(refusal(IDLOC_HOST, [signed(single('x'))], resourceIdOf('3')), ERROR_CODES.data_too_large);
});

test('the node stores no more bytes than it was given', (t) => {
  const store = make({ maxBytes: 1_000 });
  t.true(store.store(resourceIdOf('1'), of(IDLOC_HOST, [signed(single('x'.repeat(400)))]), 0, WALL).ok);
  t.false(store.store(resourceIdOf('2'), of(IDLOC_HOST, [signed(single('x'.repeat(400)))]), 0, WALL).ok);
  store.remove(resourceIdOf('1'));
  t.true(store.store(resourceIdOf('2'), of(IDLOC_HOST, [signed(single('x'.repeat(400)))]), 0, WALL).ok);
});

test('dictionary entries live beside each other; a removed one is kept as removed', (t) => {
  const store = make();
  const entry = (key: string, exists = true): StoredDataValue => ({
    model: 'dictionary',
    key: fromHex(key),
    exists,
    value: exists ? Buffer.from(key) : new Uint8Array(),
  });
  store.store(R, of(IDLOC_NAME, [signed(entry('01')), signed(entry('02'))]), 0, WALL);
  store.store(R, of(IDLOC_NAME, [signed(entry('01', false), 1)]), 0, WALL);
  const values = store.values(R, IDLOC_NAME.id, 0);
  t.deepEqual(
    values.map(({ data }) => data.value.exists),
    [false, true],
  );
});

test('an append gets the place after the last element', (t) => {
  const store = make();
  const append = (text: string, time: number): SignedValue =>
    signed({ model: 'array', index: 0xffffffff, exists: true, value: Buffer.from(text) }, time);
  store.store(R, of(CERTIFICATE_BY_NODE, [append('a', 0)]), 0, WALL);
  store.store(R, of(CERTIFICATE_BY_NODE, [append('b', 1)]), 0, WALL);
  const indices = store
    .values(R, CERTIFICATE_BY_NODE.id, 0)
    .map(({ data }) => data.value.model === 'array' && data.value.index);
  t.deepEqual(indices, [0, 1]);
});

test('an address that another host has claimed is forbidden until the claim ends or is given back', (t) => {
  const store = make();
  store.store(R, of(IDLOC_IPV4, [signed(claim(HIT, 5))]), 0, WALL);
  const second = store.store(R, of(IDLOC_IPV4, [signed(claim(OTHER, 1), 10, OTHER)]), 0, WALL);
  t.is(!second.ok && second.errorCode, ERROR_CODES.forbidden);
  t.true(store.store(R, of(IDLOC_IPV4, [signed(claim(OTHER, 1), 10, OTHER)]), 100_000, WALL).ok);
  const gone: StoredDataValue = { model: 'single', exists: false, value: new Uint8Array() };
  t.true(store.store(R, of(IDLOC_IPV4, [signed(gone, 20, OTHER)]), 100_000, WALL).ok);
  t.true(store.store(R, of(IDLOC_IPV4, [signed(claim(HIT, 9), 30)]), 100_000, WALL).ok);
});

test('copies merge value by value, and the sender hears when this peer has better', (t) => {
  const store = make();
  store.merge(R, of(IDLOC_HOST, [signed(single('b'), 5)], 4n), 0, WALL);
  t.is(store.generation(R, IDLOC_HOST.id), 4n);
  t.true(store.merge(R, of(IDLOC_HOST, [signed(single('b'), 5)], 4n), 0, WALL).ok);
  const older = store.merge(R, of(IDLOC_HOST, [signed(single('a'))], 9n), 0, WALL);
  t.is(!older.ok && older.errorCode, ERROR_CODES.data_too_old);
  t.deepEqual(texts(store, IDLOC_HOST), ['b']);
});

test('two claims meet in either order: the first claim stays', (t) => {
  const early = signed(claim(OTHER, 1), 10, OTHER);
  const late = signed(claim(HIT, 2), 0, HIT);
  for (const order of [
    [early, late],
    [late, early],
  ]) {
    const store = make();
    for (const value of order) store.merge(R, of(IDLOC_IPV4, [value], 1n), 0, WALL);
    t.is(store.values(R, IDLOC_IPV4.id, 0)[0]?.signer.nodeId, OTHER);
  }
});
