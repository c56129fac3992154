import test from 'ava';
import { resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import { OverlayBusyError } from '../../../../src/overlay/errors.ts';
import type { RequestDone, Requester } from '../../../../src/overlay/requester.ts';
import { AbsenceCheck } from '../../../../src/overlay/storage/absence-check.ts';
import type { SignedValue } from '../../../../src/overlay/storage/admission.ts';
import { IDLOC_HOST, IDLOC_NAME, type Kind } from '../../../../src/overlay/storage/kinds.ts';
import { EMPTY_SIGNATURE, type StoredData } from '../../../../src/reload/index.ts';

const PLACE = resourceIdOf('alice@example.net');
const [SELF, A, B, C, D, READER] = ['0', 'a', 'b', 'c', 'd', 'e'].map((digit) => `20010022${digit.repeat(24)}`) as [
  string,
  string,
  string,
  string,
  string,
  string,
];

const signer = (nodeId: string): SignedValue['signer'] => ({
  nodeId,
  user: null,
  spki: new Uint8Array(),
  chain: [],
  hash: nodeId,
});

const entry = (key: number, storageTime: bigint, exists = true): StoredData => ({
  storageTime,
  lifetime: 10,
  value: { model: 'dictionary', key: Uint8Array.of(key), exists, value: new Uint8Array() },
  signature: EMPTY_SIGNATURE,
});

const record = (storageTime: bigint, exists = true): StoredData => ({
  storageTime,
  lifetime: 10,
  value: { model: 'single', exists, value: new Uint8Array() },
  signature: EMPTY_SIGNATURE,
});

class Bench {
  readonly asked: { done: RequestDone; way: string[] }[] = [];
  readonly cancelled = new Set<bigint>();
  neighbors = { predecessors: [A, B, READER], replicaSet: [C, D] };
  isInMotion = true;
  isResponsible = true;
  readonly check: AbsenceCheck;

  constructor() {
    const requester: Requester = {
      request: ({ destination }, _, done) =>
        BigInt(this.asked.push({ done, way: destination.map((to) => (to.type === 'node' ? to.nodeId : to.type)) })),
      cancel: (transaction) => void this.cancelled.add(transaction),
    };
    const neighbors = (): { predecessors: string[]; replicaSet: string[] } => this.neighbors;
    this.check = new AbsenceCheck({
      self: SELF,
      place: { isResponsibleFor: () => this.isResponsible, isInMotion: () => this.isInMotion },
      neighbors: {
        get predecessors() {
          return neighbors().predecessors;
        },
        get replicaSet() {
          return neighbors().replicaSet;
        },
      },
      requester,
      verifier: { verify: (_, __, data) => ({ data, signer: signer(A) }) },
      clock: { monotonic: () => 0, wall: () => 1 },
    });
  }

  isDoubtful(from: string, isAdjacent = false, isForNode = false): boolean {
    return this.check.isDoubtful(PLACE, { signer: { nodeId: from }, isAdjacent, isForNode, now: 0 });
  }

  ask(kind: Kind = IDLOC_NAME): { found: bigint[] | undefined; isComplete: boolean | undefined } {
    const result: ReturnType<Bench['ask']> = { found: undefined, isComplete: undefined };
    this.check.ask(PLACE, kind, 0, (values, _, isComplete) => {
      result.found = values.map(({ data }) => data.storageTime);
      result.isComplete = isComplete;
    });
    return result;
  }

  /** Those that have not been given up. */
  get waitedFor(): string[] {
    return this.asked.filter((_, i) => !this.cancelled.has(BigInt(i + 1))).map(({ way }) => way.join());
  }

  answer(index: number, values: readonly StoredData[], kind: Kind = IDLOC_NAME): void {
    const body = { type: 'fetch_ans' as const, kindResponses: [{ kind: kind.id, generation: 1n, values }] };
    this.asked[index]?.done({ ok: true, body, signer: signer(A), certificates: [], hops: 1 }, 5);
  }
}

test('those that keep copies are asked, and through the two before whoever they take for responsible', (t) => {
  const bench = new Bench();
  bench.ask();
  t.deepEqual(
    bench.asked.map(({ way }) => way),
    [[C], [D], [A, 'resource'], [B, 'resource']],
  );
});

test('only what this peer is responsible for is doubtful, and only while its range is new', (t) => {
  const bench = new Bench();
  t.true(bench.isDoubtful(READER));
  bench.isResponsible = false;
  t.false(bench.isDoubtful(READER));
  bench.isResponsible = true;
  bench.isInMotion = false;
  t.false(bench.isDoubtful(READER));
});

test('the own question that comes back, and whoever asks for the copy that is here, are answered at once', (t) => {
  const bench = new Bench();
  t.true(bench.isDoubtful(SELF, true));
  t.false(bench.isDoubtful(SELF, false));
  t.true(bench.isDoubtful(A));
  t.false(bench.isDoubtful(A, true, true));
});

test('one that is asked may ask for itself meanwhile, and waits as all others do', (t) => {
  const bench = new Bench();
  bench.ask();
  t.true(bench.isDoubtful(C));
});

test('requests for one place share one question, and so many wait at once and no more', (t) => {
  const bench = new Bench();
  const results = Array.from({ length: 256 }, () => bench.ask());
  t.is(bench.asked.length, 4);
  t.false(bench.isDoubtful(READER));
  for (const i of [0, 1]) bench.answer(i, []);
  bench.check.handleTimeout(2_000);
  t.true(results.every(({ found, isComplete }) => found?.length === 0 && isComplete === true));
  t.true(bench.isDoubtful(READER));
});

test('those before are waited for two seconds, those that keep copies twelve, and then it is not known', (t) => {
  const bench = new Bench();
  const result = bench.ask();
  bench.answer(0, []);
  bench.check.handleTimeout(2_000);
  t.deepEqual(bench.waitedFor, [C, D]);
  t.is(result.found, undefined);
  t.is(bench.check.nextTimeout(), 12_000);
  bench.check.handleTimeout(12_000);
  t.deepEqual(result, { found: [], isComplete: false });
});

test('one that keeps copies and refuses to say is as one that is silent', (t) => {
  const bench = new Bench();
  const result = bench.ask();
  for (const i of [0, 2, 3]) bench.answer(i, []);
  bench.asked[1]?.done({ ok: false, error: new OverlayBusyError('requests') }, 5);
  t.deepEqual(result, { found: [], isComplete: false });
});

test('one that kept copies and is no neighbour any more is not waited for, and the one in its place is asked', (t) => {
  const bench = new Bench();
  const result = bench.ask();
  for (const i of [0, 2, 3]) bench.answer(i, []);
  bench.neighbors = { predecessors: [A, B], replicaSet: [C, READER] };
  bench.check.neighborsChanged(500);
  t.deepEqual(bench.asked[4]?.way, [READER]);
  t.true(bench.cancelled.has(2n));
  t.is(result.found, undefined);
  bench.answer(4, [entry(1, 3n)]);
  t.deepEqual(result, { found: [3n], isComplete: true });
});

test('however often the neighbours change, one question asks sixteen times at most', (t) => {
  const bench = new Bench();
  bench.ask();
  for (let i = 0; i < 100; i++) {
    bench.neighbors = { predecessors: [A, B], replicaSet: [`20010022${i.toString(16).padStart(24, '0')}`] };
    bench.check.neighborsChanged(i);
  }
  t.is(bench.asked.length, 16);
});

test('with a value from one the others are waited for a moment, and each entry is taken as it was written last', (t) => {
  const bench = new Bench();
  const result = bench.ask();
  bench.answer(0, [entry(1, 3n), entry(2, 4n)]);
  bench.answer(1, [entry(1, 5n, false)]);
  bench.check.handleTimeout(204);
  t.is(result.found, undefined);
  bench.check.handleTimeout(205);
  t.deepEqual(result.found, [5n, 4n]);
});

test('of a single value the latest is taken', (t) => {
  const bench = new Bench();
  const result = bench.ask(IDLOC_HOST);
  bench.answer(0, [record(3n)], IDLOC_HOST);
  bench.answer(1, [record(5n)], IDLOC_HOST);
  bench.answer(2, [record(4n)], IDLOC_HOST);
  bench.answer(3, [], IDLOC_HOST);
  t.deepEqual(result.found, [5n]);
});
