import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { fromHex, toHex } from '../../../../src/base/bytes.ts';
import { resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import {
  CERTIFICATE_BY_NODE,
  IDLOC_HOST,
  IDLOC_IPV4,
  IDLOC_MAIL,
  IDLOC_NAME,
  type Kind,
} from '../../../../src/overlay/storage/kinds.ts';
import { ORIGINAL, type Origin, type SignedValue, type Verdict } from '../../../../src/overlay/storage/admission.ts';
import { type KindValues, ResourceStore } from '../../../../src/overlay/storage/resource-store.ts';
import { SortedIds } from '../../../../src/overlay/storage/sorted-ids.ts';
import { EMPTY_SIGNATURE, type StoredDataValue } from '../../../../src/reload/index.ts';

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

const entry = (key: string, exists = true): StoredDataValue => ({
  model: 'dictionary',
  key: fromHex(key),
  exists,
  value: exists ? Buffer.from(key) : new Uint8Array(),
});

const of = (kind: Kind, values: readonly SignedValue[], generation = 0n): KindValues[] => [
  { kind, generation, values },
];

function make(
  options: Partial<{ maxBytes: number; maxPerWriter: number; isInviter: (hit: string) => boolean }> = {},
): ResourceStore {
  return new ResourceStore({ maxBytes: 1_000_000, maxPerWriter: 8, ...options });
}

function texts(store: ResourceStore, kind: Kind, now = 0, resource = R): string[] {
  return store.values(resource, kind.id, now).map(({ data }) => Buffer.from(data.value.value).toString());
}

const COPY: Origin = { isOriginal: false, knowsPlace: true, decides: false };

/** The verdicts on an original. */
function store(
  to: ResourceStore,
  kind: Kind,
  values: readonly SignedValue[],
  over: { at?: number; resource?: string; generation?: bigint; origin?: Origin } = {},
): readonly Verdict[] {
  const { at = 0, resource = R, generation = 0n, origin = ORIGINAL } = over;
  return to.offer(resource, of(kind, values, generation), origin, at, WALL + at).verdicts.flat();
}

test('a newer value replaces the older one and the generation counter goes up', (t) => {
  const kept = make();
  t.deepEqual(store(kept, IDLOC_HOST, [signed(single('a'))]), ['taken']);
  t.is(kept.generation(R, IDLOC_HOST.id), 1n);
  t.deepEqual(store(kept, IDLOC_HOST, [signed(single('b'), 1)]), ['taken']);
  t.is(kept.generation(R, IDLOC_HOST.id), 2n);
  t.deepEqual(texts(kept, IDLOC_HOST), ['b']);
  t.is(kept.size, 1);
});

test('a value that is not newer, or expects another generation, changes nothing', (t) => {
  const kept = make();
  store(kept, IDLOC_HOST, [signed(single('a'))]);
  t.deepEqual(store(kept, IDLOC_HOST, [signed(single('b'))]), ['older']);
  t.true(kept.offer(R, of(IDLOC_HOST, [signed(single('b'), 1)], 7n), ORIGINAL, 0, WALL).wrongGeneration);
  t.deepEqual(store(kept, IDLOC_HOST, [signed(single('b'), 1)], { generation: 1n }), ['taken']);
});

test('a value ends with its lifetime, which counts down until then', (t) => {
  const kept = make();
  store(kept, IDLOC_HOST, [signed(single('a'))], { at: 1_000 });
  t.is(kept.values(R, IDLOC_HOST.id, 41_000)[0]?.data.lifetime, 60);
  t.deepEqual(texts(kept, IDLOC_HOST, 101_000), []);
  kept.sweep(R, 101_000);
  t.deepEqual([kept.size, kept.bytes], [0, 0]);
});

test('of originals all are taken or none; of copies what is good, and each is told apart', (t) => {
  const entries = [signed(entry('01')), signed(entry('02'), 601_000), signed(entry('03'), -40 * 86_400_000)];
  const kept = make();
  t.deepEqual(store(kept, IDLOC_NAME, entries), ['taken', 'future', 'expired']);
  t.is(kept.size, 0);
  t.deepEqual(store(kept, IDLOC_NAME, entries, { origin: COPY }), ['taken', 'taken', 'expired']);
  t.is(kept.values(R, IDLOC_NAME.id, 0).length, 2);
});

test('a value that is not proven is refused, and the others beside it keep their verdicts', (t) => {
  const kept = make();
  const kinds = [{ kind: IDLOC_NAME, generation: 1n, values: [undefined, signed(entry('01'))] }];
  t.deepEqual(kept.offer(R, kinds, COPY, 0, WALL).verdicts, [['writer', 'taken']]);
  t.is(kept.values(R, IDLOC_NAME.id, 0).length, 1);
});

test('the values of a writer are counted over all places, within one request and in copies', (t) => {
  for (const origin of [ORIGINAL, COPY]) {
    const kept = make({ maxPerWriter: 3 });
    t.deepEqual(store(kept, IDLOC_NAME, [signed(entry('01')), signed(entry('02'))], { origin }), ['taken', 'taken']);
    t.deepEqual(store(kept, IDLOC_HOST, [signed(single('x'))], { origin, resource: resourceIdOf('1') }), ['taken']);
    t.deepEqual(store(kept, IDLOC_HOST, [signed(single('x'))], { origin, resource: resourceIdOf('2') }), ['quota']);
    t.true(store(kept, IDLOC_NAME, [signed(entry('03')), signed(entry('04'))], { origin }).includes('quota'));
    t.deepEqual(store(kept, IDLOC_NAME, [signed(entry('01'), 1)], { origin }), ['taken']);
    // What has expired counts no more.
    t.deepEqual(store(kept, IDLOC_NAME, [signed(entry('05'), 0)], { origin, at: 101_000 }), ['taken']);
  }
});

test('2,000 copies of one writer: as many are taken as a writer may have', (t) => {
  const kept = make({ maxPerWriter: 64, maxBytes: 100_000_000 });
  let taken = 0;
  for (let i = 0; i < 2_000; i++) {
    const [verdict] = store(kept, IDLOC_HOST, [signed(single('x'))], { origin: COPY, resource: resourceIdOf(`${i}`) });
    if (verdict === 'taken') taken += 1;
  }
  t.is(taken, 64);
});

test('the node stores no more bytes than it was given', (t) => {
  const kept = make({ maxBytes: 1_000 });
  const large = [signed(single('x'.repeat(400)))];
  t.deepEqual(store(kept, IDLOC_HOST, large, { resource: resourceIdOf('1') }), ['taken']);
  t.deepEqual(store(kept, IDLOC_HOST, large, { resource: resourceIdOf('2') }), ['full']);
  kept.remove(resourceIdOf('1'));
  t.deepEqual(store(kept, IDLOC_HOST, large, { resource: resourceIdOf('2') }), ['taken']);
});

test('dictionary entries live beside each other; a removed one is kept as removed', (t) => {
  const kept = make();
  store(kept, IDLOC_NAME, [signed(entry('01')), signed(entry('02'))]);
  store(kept, IDLOC_NAME, [signed(entry('01', false), 1)]);
  const values = kept.values(R, IDLOC_NAME.id, 0);
  t.deepEqual(
    values.map(({ data }) => data.value.exists),
    [false, true],
  );
});

test('what was taken away does not come back by a copy, even when its tombstone was given a short life', (t) => {
  const kept = make();
  const first = signed(single('a'), 0, HIT, 30 * 86_400);
  store(kept, IDLOC_HOST, [first]);
  const gone: StoredDataValue = { model: 'single', exists: false, value: new Uint8Array() };
  store(kept, IDLOC_HOST, [signed(gone, 1, HIT, 1)]);
  const later = 20 * 86_400_000;
  kept.sweep(R, later);
  t.deepEqual(store(kept, IDLOC_HOST, [first], { origin: COPY, at: later }), ['older']);
  t.deepEqual(store(kept, IDLOC_HOST, [first], { origin: COPY, at: 31 * 86_400_000 }), ['expired']);
});

test('in a mailbox that is full what was taken away gives way to what comes, the longest ago first; what stands there does not', (t) => {
  const { maxCount } = IDLOC_MAIL;
  const kept = make({ maxBytes: 10_000_000 });
  const host = (i: number): string => i.toString(16).padStart(2, '0');
  const leave = (i: number, exists = true, origin = ORIGINAL): Verdict | undefined =>
    store(kept, IDLOC_MAIL, [signed(entry(host(i), exists), exists ? i : 1_000 - i, host(i))], { origin })[0];
  const keys = (): string[] =>
    kept
      .values(R, IDLOC_MAIL.id, 0)
      .flatMap(({ data: { value } }) =>
        value.model === 'dictionary' ? [`${value.exists ? '' : '-'}${toHex(value.key)}`] : [],
      );
  for (let i = 0; i < maxCount; i++) t.is(leave(i), 'taken');
  t.is(leave(60), 'full');
  for (const i of [3, 7]) t.is(leave(i, false), 'taken');
  t.is(leave(61, false), 'full', 'what was never there is not taken away in its place');
  t.is(leave(60), 'taken');
  t.is(keys().length, maxCount);
  t.true(keys().includes('-03') && !keys().includes('-07'), 'what was taken away first is forgotten first');
  t.is(leave(61, true, COPY), 'taken');
  t.false(keys().includes('-03'));
  t.is(leave(62), 'full');
  t.is(keys().length, maxCount);
});

test('an append gets the place after the last element, also within one request', (t) => {
  const kept = make();
  const append = (text: string, time: number): SignedValue =>
    signed({ model: 'array', index: 0xffffffff, exists: true, value: Buffer.from(text) }, time);
  store(kept, CERTIFICATE_BY_NODE, [append('a', 0), append('b', 1)]);
  store(kept, CERTIFICATE_BY_NODE, [append('c', 2)]);
  const indices = kept
    .values(R, CERTIFICATE_BY_NODE.id, 0)
    .map(({ data }) => data.value.model === 'array' && data.value.index);
  t.deepEqual(indices, [0, 1, 2]);
});

test('an address that another host has claimed is its own until the claim ends or is given back', (t) => {
  const kept = make();
  const known = { origin: { ...ORIGINAL, knowsPlace: true } };
  t.deepEqual(store(kept, IDLOC_IPV4, [signed(single('a'))]), ['ask']);
  t.is(kept.size, 0);
  t.deepEqual(store(kept, IDLOC_IPV4, [signed(single('a'))], known), ['taken']);
  t.deepEqual(store(kept, IDLOC_IPV4, [signed(single('b'), 10, OTHER)], known), ['claimed']);
  t.deepEqual(store(kept, IDLOC_IPV4, [signed(single('b'), 10, OTHER)], { ...known, at: 100_000 }), ['taken']);
  const gone: StoredDataValue = { model: 'single', exists: false, value: new Uint8Array() };
  t.deepEqual(store(kept, IDLOC_IPV4, [signed(gone, 20, OTHER)], { at: 100_000 }), ['taken']);
  t.deepEqual(store(kept, IDLOC_IPV4, [signed(single('c'), 15)], { ...known, at: 100_000 }), ['taken']);
});

test('an inviter has sixteen times the room of another: it keeps a name for each of its tickets', (t) => {
  const kept = make({ maxPerWriter: 1, isInviter: (hit) => hit === HIT });
  const taken = Array.from({ length: 20 }, (_, i) =>
    store(kept, IDLOC_HOST, [signed(single('x'))], { resource: resourceIdOf(String(i)) }),
  ).flat();
  t.is(taken.filter((verdict) => verdict === 'taken').length, 16);
  t.is(taken.at(-1), 'quota');
});

test('what a revoked member has written is gone, and the room it took is free', (t) => {
  const kept = make({ maxPerWriter: 2 });
  store(kept, IDLOC_NAME, [signed(entry('01')), signed(entry('02'), 0, OTHER)]);
  store(kept, IDLOC_HOST, [signed(single('x'))], { resource: resourceIdOf('1') });
  kept.forgetWriters([HIT]);
  t.is(kept.size, 1);
  t.deepEqual(
    kept.values(R, IDLOC_NAME.id, 0).map((value) => value.signer.nodeId),
    [OTHER],
  );
  t.deepEqual(kept.nearest(IDLOC_HOST.id, R), []);
  t.deepEqual(store(kept, IDLOC_NAME, [signed(entry('01')), signed(entry('03'))]), ['taken', 'taken']);
});

test('what came after a revision is told apart from what was there', (t) => {
  const kept = make();
  store(kept, IDLOC_NAME, [signed(entry('01')), signed(entry('02'))]);
  const before = kept.find(R)?.revision ?? 0;
  store(kept, IDLOC_NAME, [signed(entry('02'), 1), signed(entry('03'))]);
  t.deepEqual(
    kept.values(R, IDLOC_NAME.id, 0, before).map(({ data }) => Buffer.from(data.value.value).toString()),
    ['02', '03'],
  );
});

test('the nearest resources with a Kind are the next ones on both sides, around the ring', (t) => {
  const kept = make();
  const at = (digit: string): string => '20010022'.padEnd(32, digit);
  for (const digit of ['2', '5', '9']) store(kept, IDLOC_HOST, [signed(single('x'))], { resource: at(digit) });
  store(kept, IDLOC_NAME, [signed(entry('01'))], { resource: at('6') });
  t.deepEqual(kept.nearest(IDLOC_HOST.id, at('6')), [at('9'), at('5')]);
  t.deepEqual(kept.nearest(IDLOC_HOST.id, at('5')), [at('5'), at('2')]);
  t.deepEqual(kept.nearest(IDLOC_HOST.id, at('a')), [at('2'), at('9')]);
  t.deepEqual(kept.nearest(IDLOC_NAME.id, at('1')), [at('6'), at('6')]);
  kept.remove(at('6'));
  t.deepEqual(kept.nearest(IDLOC_NAME.id, at('1')), []);
  t.deepEqual(kept.idsAfter(at('2'), 5), [at('5'), at('9')]);
  t.deepEqual(kept.idsAfter(at('3'), 1), [at('5')]);
});

test('a certificate that was read anew for each of its values is kept once; another one of the writer stands beside it', (t) => {
  const kept = make();
  const places = ['1', '2', '3', '4'].map((name) => resourceIdOf(name));
  const signerAt = (resource = ''): Signer | undefined => kept.values(resource, IDLOC_HOST.id, 0)[0]?.signer;
  for (const resource of places.slice(0, 3)) store(kept, IDLOC_HOST, [signed(single('x'))], { resource });
  t.deepEqual(
    places.slice(0, 3).map((resource) => signerAt(resource) === signerAt(places[0])),
    [true, true, true],
  );
  const renewed = { ...signed(single('x')), signer: { ...signer(HIT), hash: 'another' } };
  store(kept, IDLOC_HOST, [renewed], { resource: places[3] ?? '' });
  t.deepEqual([signerAt(places[3])?.hash, signerAt(places[2])?.hash], ['another', HIT]);
});

test('a stored value with its part of a certificate takes a kilobyte of the heap', (t) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const heap = (): number => {
    collectGarbage();
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const kept = make({ maxBytes: 1e9, maxPerWriter: 64 });
  const fill = (from: number, count: number): void => {
    for (let i = from; i < from + count; i++) {
      const writer = Math.floor(i / 4)
        .toString(16)
        .padStart(32, '0');
      const { data } = signed(single('x'.repeat(48)));
      const signature = {
        hashAlgorithm: 4,
        signatureAlgorithm: 3,
        identity: { type: 'cert_hash' as const, hashAlgorithm: 4, hash: new Uint8Array(32) },
        value: new Uint8Array(71),
      };
      const by = { ...signer(writer), chain: [new Uint8Array(500)] };
      store(kept, IDLOC_HOST, [{ data: { ...data, signature }, signer: by }], { resource: resourceIdOf(`${i}`) });
      kept.find(resourceIdOf(`${i}`))?.holders.set(OTHER, i);
    }
  };
  fill(0, 1_000);
  const before = heap();
  fill(1_000, 4_000);
  const each = (heap() - before) / 4_000;
  t.log(`${each.toFixed(0)} bytes each`);
  t.is(kept.size, 5_000);
  t.true(each < 1_200, `${each} bytes`);
});

test('sorted ids hold each id once', (t) => {
  const ids = new SortedIds();
  for (const id of ['b', 'a', 'c', 'b']) ids.add(id);
  t.is(ids.size, 3);
  ids.delete('x');
  ids.delete('b');
  t.deepEqual(ids.after(undefined, 9), ['a', 'c']);
});
