import { readFileSync } from 'node:fs';
import { testProp, fc } from '@fast-check/ava';
import test from 'ava';
import { fromHex } from '../../../../src/base/bytes.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { Ring, orchidRing, resourceIdOf } from '../../../../src/overlay/chord/ring.ts';

interface ChordVectors {
  readonly fingers_of_node: string;
  readonly fingers: readonly { readonly i: number; readonly 'attach_target_n_plus_2^(128-i)': string }[];
  readonly resources: readonly { readonly name: string; readonly resource_id: string }[];
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/chord/chord.json', import.meta.url), 'utf8'),
) as ChordVectors;
const plain = new Ring();
const position = fc
  .bigInt({ min: 0n, max: (1n << 96n) - 1n })
  .map((n) => `20010022${n.toString(16).padStart(24, '0')}`);

test('fingers start where the vectors say', (t) => {
  for (const finger of vectors.fingers)
    t.is(plain.fingerStart(vectors.fingers_of_node, finger.i), finger['attach_target_n_plus_2^(128-i)']);
});

test('Resource-IDs on the plain ring are the high 128 bits of SHA-1', (t) => {
  for (const { name, resource_id } of vectors.resources) t.is(plain.resourceIdOf(name), resource_id);
});

test('Resource-IDs on the ring of ORCHIDs have its prefix and the high 96 bits of SHA-1', (t) => {
  const id = resourceIdOf('resource-0');
  t.is(id, `20010022${plain.resourceIdOf('resource-0').slice(0, 24)}`);
  t.true(orchidRing.contains(id));
  t.is(resourceIdOf(Buffer.from('resource-0')), id);
});

test('arithmetic wraps within the prefix', (t) => {
  const last = `20010022${'f'.repeat(24)}`;
  t.is(orchidRing.add(last, 1n), `20010022${'0'.repeat(24)}`);
  t.is(orchidRing.add(`20010022${'0'.repeat(24)}`, -1n), last);
  t.is(orchidRing.distance(last, orchidRing.add(last, 5n)), 5n);
  t.is(orchidRing.bits, 96);
});

test('an id of another prefix or length is not on the ring', (t) => {
  t.false(orchidRing.contains('20010021'.padEnd(32, '0')));
  t.false(orchidRing.contains('20010022'));
  t.throws(() => new Ring('XY'), { instanceOf: TypeError });
});

test('the whole ring is the part from an id to itself', (t) => {
  const id = orchidRing.resourceIdOf(fromHex('00'));
  t.is(orchidRing.fraction(id, id), 1);
  t.is(orchidRing.fraction(id, orchidRing.fingerStart(id, 1)), 0.5);
});

test('a random id of a range lies in it', (t) => {
  const start = resourceIdOf('start');
  const random = seededRandom(1);
  for (let i = 0; i < 50; i++) t.true(orchidRing.distance(start, orchidRing.randomFrom(start, 20, random)) < 1n << 20n);
});

testProp('intervals agree with distances', [position, position, position], (t, k, a, b) => {
  const whole = a === b ? 1n << 96n : orchidRing.distance(a, b);
  const steps = orchidRing.distance(a, k);
  t.is(orchidRing.insideOpen(k, a, b), steps > 0n && steps < whole);
  const upTo = steps === 0n ? 1n << 96n : steps;
  t.is(orchidRing.insideUpTo(k, a, b), upTo <= whole);
});
