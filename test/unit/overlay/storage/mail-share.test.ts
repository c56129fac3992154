import test from 'ava';
import { fromHex } from '../../../../src/base/bytes.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import { ORIGINAL, type Origin, type Verdict } from '../../../../src/overlay/storage/admission.ts';
import {
  IDLOC_HOST,
  IDLOC_MAIL,
  IDLOC_MAIL_PART,
  IDLOC_NAME,
  IDLOC_FILES,
  type Kind,
} from '../../../../src/overlay/storage/kinds.ts';
import { ResourceStore } from '../../../../src/overlay/storage/resource-store.ts';
import { EMPTY_SIGNATURE, type StoredDataValue } from '../../../../src/reload/index.ts';

const WALL = 1_700_000_000_000;
const MIB = 1024 * 1024;
const COPY: Origin = { isOriginal: false, knowsPlace: true, decides: false };
const DAY_MS = 86_400_000;

const nodeId = (i: number): string => `20010022${i.toString(16).padStart(24, '0')}`;
const single = (length: number): StoredDataValue => ({ model: 'single', exists: true, value: new Uint8Array(length) });
const GONE: StoredDataValue = { model: 'single', exists: false, value: new Uint8Array(12) };
const entry = (key: string, length: number): StoredDataValue => ({
  ...{ model: 'dictionary', key: fromHex(key), exists: true },
  value: new Uint8Array(length),
});

class Peer {
  readonly store: ResourceStore;
  private time = 0;

  constructor(maxBytes = 32 * MIB) {
    this.store = new ResourceStore({ maxBytes, maxPerWriter: 64 });
  }

  put(
    by: number,
    kind: Kind,
    place: string,
    value: StoredDataValue,
    over: { origin?: Origin; at?: number; writtenAt?: number } = {},
  ): Verdict {
    const { origin = ORIGINAL, at = 0, writtenAt } = over;
    this.time += 1;
    const signer: Signer = { nodeId: nodeId(by), user: null, spki: new Uint8Array(), chain: [], hash: nodeId(by) };
    const storageTime = BigInt(WALL + (writtenAt ?? at + this.time));
    const data = { storageTime, lifetime: 14 * 86_400, value, signature: EMPTY_SIGNATURE };
    const offered = [{ kind, generation: 0n, values: [{ data, signer }] }];
    const { verdicts } = this.store.offer(resourceIdOf(place), offered, origin, at, WALL + at + this.time);
    return verdicts[0]?.[0] ?? 'writer';
  }

  /** Parts until one is refused. @returns how many were taken, and why no more were. */
  fill(by: number, length = 2_048, origin = ORIGINAL): { taken: number; why: Verdict } {
    for (let taken = 0; ; taken++) {
      const why = this.put(by, IDLOC_MAIL_PART, `part ${by} ${taken}`, single(length), { origin });
      if (why !== 'taken') return { taken, why };
    }
  }
}

for (const origin of [ORIGINAL, COPY])
  test(`a writer has six of the longest recordings at one peer, or as many small values, and renews all else as ever (original: ${origin.isOriginal})`, (t) => {
    const peer = new Peer();
    t.is(peer.put(1, IDLOC_NAME, 'name', entry(nodeId(1), 20)), 'taken');
    const large = peer.fill(1, 2_048, origin);
    t.is(large.why, 'quota');
    t.true(large.taken >= 6 * 130 && large.taken < 7 * 130, `${large.taken} parts`);
    const small = peer.fill(2, 1, origin);
    t.deepEqual(small, { taken: 1_024, why: 'quota' });
    for (const by of [1, 2]) {
      t.is(peer.put(by, IDLOC_MAIL, 'mail', entry(nodeId(by), 2_048), { origin }), 'quota');
      t.is(peer.put(by, IDLOC_NAME, 'name', entry(nodeId(by), 20), { origin }), 'taken', 'its name');
      t.is(peer.put(by, IDLOC_HOST, `host ${by}`, single(40), { origin }), 'taken', 'and what is new');
    }
    t.is(peer.put(3, IDLOC_MAIL, 'mail', entry(nodeId(3), 500)), 'taken', 'another has room');
  });

test('mail counts for nothing in the quota of other values, and they for nothing in that of mail', (t) => {
  const peer = new Peer();
  for (let i = 0; i < 64; i++) t.is(peer.put(1, IDLOC_HOST, `host ${i}`, single(40)), 'taken');
  t.is(peer.put(1, IDLOC_HOST, 'host 64', single(40)), 'quota');
  t.true(peer.fill(1).taken >= 6 * 130);
});

test('the files of a user count as mail does: both documents of a host fit beside five of the longest recordings, and nothing else suffers', (t) => {
  const peer = new Peer();
  for (let i = 0; i < 64; i++) t.is(peer.put(1, IDLOC_HOST, `host ${i}`, single(40)), 'taken');
  for (let i = 0; i < 5 * 130; i++) t.is(peer.put(1, IDLOC_MAIL_PART, `part 1 ${i}`, single(2_048)), 'taken');
  const parts = 2 * IDLOC_FILES.parts.maxParts;
  for (let i = 0; i < parts; i++) t.is(peer.put(1, IDLOC_FILES, `files ${i}`, entry(nodeId(1), 2_048)), 'taken');
  t.true(peer.store.bulkBytes > (5 * 130 + parts) * 2_048);
  while (peer.put(1, IDLOC_MAIL_PART, `more ${peer.store.bulkBytes}`, single(2_048)) === 'taken');
  t.is(peer.put(1, IDLOC_FILES, 'files more', entry(nodeId(1), 2_048)), 'quota');
  t.is(peer.put(1, IDLOC_FILES, 'files 0', entry(nodeId(1), 2_048)), 'taken', 'what is there is written anew');
  t.is(peer.put(1, IDLOC_HOST, 'host 0', single(40)), 'taken');
});

test('a thousand writers who leave all that they can fill half of the store, and names are taken as before', (t) => {
  const peer = new Peer();
  const taken = Array.from({ length: 1_000 }, (_, by) => peer.fill(by + 1));
  t.true(peer.store.bulkBytes <= 16 * MIB && peer.store.bulkBytes > 15 * MIB, `${peer.store.bulkBytes} bytes`);
  t.is(taken.at(-1)?.why, 'full');
  for (let by = 1; by <= 1_000; by++) t.is(peer.put(by, IDLOC_HOST, `host ${by}`, single(400)), 'taken');
});

test('one writer takes an eighth of what mail may take, however small the store is', (t) => {
  for (const maxBytes of [MIB, 4 * MIB, 32 * MIB, 1024 * MIB]) {
    const peer = new Peer(maxBytes);
    t.is(peer.fill(1).why, 'quota');
    t.true(peer.store.bulkBytes <= Math.min(2 * MIB, maxBytes / 16), `${peer.store.bulkBytes} of ${maxBytes}`);
  }
});

test('a recording is written anew where it was though the quota is used up, and what is taken away makes room', (t) => {
  const peer = new Peer();
  peer.fill(1);
  t.is(peer.put(1, IDLOC_MAIL_PART, 'part 1 0', single(2_048)), 'taken');
  t.is(peer.put(1, IDLOC_MAIL_PART, 'part 1 new', single(2_048)), 'quota');
  for (let i = 0; i < 130; i++) t.is(peer.put(1, IDLOC_MAIL_PART, `part 1 ${i}`, GONE), 'taken');
  for (let i = 0; i < 130; i++) t.is(peer.put(1, IDLOC_MAIL_PART, `part 1 ${i}`, single(2_048)), 'taken');
  t.is(peer.put(1, IDLOC_MAIL_PART, 'part 1 new', single(2_048)), 'quota');
});

test('the owner of a mailbox takes a message away though he has used up his own quota and mail has used up its share', (t) => {
  const peer = new Peer();
  t.is(peer.put(2, IDLOC_MAIL, 'mail', entry(nodeId(2), 500)), 'taken');
  t.is(peer.fill(1).why, 'quota');
  for (let by = 3; by < 20; by++) peer.fill(by);
  const gone: StoredDataValue = { ...entry(nodeId(2), 30), exists: false };
  t.is(peer.put(1, IDLOC_MAIL, 'mail', gone), 'taken');
  t.deepEqual(
    peer.store.values(resourceIdOf('mail'), IDLOC_MAIL.id, 0).map(({ data }) => data.value.exists),
    [false],
  );
});

test('what was taken away by another than its writer does not come back by a replay, as an original or as a copy, as long as it could live', (t) => {
  const peer = new Peer();
  const replay = (origin: Origin, at: number): Verdict =>
    peer.put(2, IDLOC_MAIL, 'mail', entry(nodeId(2), 500), { origin, at, writtenAt: 0 });
  t.is(replay(ORIGINAL, 0), 'taken');
  t.is(peer.put(1, IDLOC_MAIL, 'mail', { ...entry(nodeId(2), 30), exists: false }), 'taken');
  for (const at of [0, 3_600_000, 13 * DAY_MS])
    for (const origin of [ORIGINAL, COPY]) t.is(replay(origin, at), 'older', `${at}`);
  for (const origin of [ORIGINAL, COPY]) t.is(replay(origin, 14 * DAY_MS + 1_000), 'expired');
  t.is(peer.put(2, IDLOC_MAIL, 'mail', entry(nodeId(2), 500), { at: DAY_MS }), 'taken', 'the next message is taken');
});

test('a full store takes the next value of a place in place of the one before', (t) => {
  const peer = new Peer(MIB);
  let by = 0;
  while (peer.put(by, IDLOC_HOST, `host ${by}`, single(500)) === 'taken') by += 1;
  t.is(peer.put(0, IDLOC_HOST, 'host 0', single(500)), 'taken');
});

test('a place of a mailbox holds the messages of 32 hosts', (t) => {
  const peer = new Peer();
  for (let by = 1; by <= 32; by++) t.is(peer.put(by, IDLOC_MAIL, 'mail', entry(nodeId(by), 500)), 'taken');
  t.is(peer.put(33, IDLOC_MAIL, 'mail', entry(nodeId(33), 500)), 'full');
});

test('mail ends after 14 days, whatever its lifetime says, and the room is free', (t) => {
  const peer = new Peer();
  const { taken } = peer.fill(1);
  for (let i = 0; i < taken; i++) peer.store.sweep(resourceIdOf(`part 1 ${i}`), 14 * DAY_MS + 10_000);
  t.deepEqual([peer.store.size, peer.store.bytes, peer.store.bulkBytes], [0, 0, 0]);
  t.is(peer.put(1, IDLOC_MAIL_PART, 'part', single(2_048), { at: 15 * DAY_MS }), 'taken');
});

test('whatever comes and goes, what is counted is what is there', (t) => {
  const seed = 20261130;
  t.log(`seed ${seed}`);
  const random = seededRandom(seed);
  const peer = new Peer(MIB);
  const pick = (n: number): number => Math.floor(random.float() * n);
  for (let i = 0; i < 5_000; i++) {
    const [by, place] = [pick(12), `place ${pick(200)}`];
    if (random.float() < 0.01) peer.store.forgetWriters([nodeId(by)]);
    else if (random.float() < 0.05) peer.store.remove(resourceIdOf(place));
    else if (random.float() < 0.3) peer.put(by, IDLOC_MAIL_PART, place, GONE, { origin: COPY });
    else if (random.float() < 0.5) peer.put(by, IDLOC_HOST, place, single(pick(500)));
    else peer.put(by, IDLOC_MAIL_PART, place, single(1 + pick(2_000)), { origin: COPY });
    t.true(peer.store.bulkBytes >= 0 && peer.store.bulkBytes <= peer.store.bytes && peer.store.bytes <= MIB);
  }
  peer.store.forgetWriters(Array.from({ length: 12 }, (_, by) => nodeId(by)));
  t.deepEqual([peer.store.size, peer.store.bytes, peer.store.bulkBytes], [0, 0, 0]);
});
