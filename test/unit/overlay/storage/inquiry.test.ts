import test from 'ava';
import { resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import { type RequestDone, type Requester, toNode } from '../../../../src/overlay/requester.ts';
import { OverlayTimeoutError } from '../../../../src/overlay/errors.ts';
import { claimOf } from '../../../../src/overlay/storage/access.ts';
import type { SignedValue } from '../../../../src/overlay/storage/admission.ts';
import { Inquiry } from '../../../../src/overlay/storage/inquiry.ts';
import { IDLOC_IPV4 } from '../../../../src/overlay/storage/kinds.ts';
import { encodeIpv4Value } from '../../../../src/overlay/storage/values.ts';
import { EMPTY_SIGNATURE, type StoredData } from '../../../../src/reload/index.ts';

const PLACE = resourceIdOf('ipv4:198.18.0.1');
const [A, B] = ['20010022'.padEnd(32, 'a'), '20010022'.padEnd(32, 'b')] as const;

const signer = (nodeId: string): SignedValue['signer'] => ({
  nodeId,
  user: null,
  spki: new Uint8Array(),
  chain: [],
  hash: nodeId,
});

function claim(hit: string, choice: number): StoredData {
  const value = encodeIpv4Value({ ipv4: '198.18.0.1', hit, choice, user: null });
  return { storageTime: 1n, lifetime: 10, value: { model: 'single', exists: true, value }, signature: EMPTY_SIGNATURE };
}

class Bench {
  readonly open: { done: RequestDone; to: string }[] = [];
  cancelled = 0;
  readonly revoked = new Set<string>();
  readonly inquiry: Inquiry;

  constructor(replicas: readonly string[]) {
    const requester: Requester = {
      request: ({ destination: [to] }, _, done) =>
        BigInt(this.open.push({ done, to: to?.type === 'node' ? to.nodeId : '' })),
      cancel: () => {
        this.cancelled += 1;
      },
    };
    this.inquiry = new Inquiry({
      requester,
      // Whoever signed it: the claim says.
      verifier: {
        verify: (_, __, data) => {
          const { hit = '' } = claimOf(data.value) ?? {};
          return this.revoked.has(hit) ? undefined : { data, signer: signer(hit) };
        },
      },
      clock: { monotonic: () => 0, wall: () => 1 },
      ways: () => replicas.map((replica) => [toNode(replica)]),
    });
  }

  /** Claims that were found, by their choice. */
  ask(): { found: number[] | undefined } {
    const result: { found: number[] | undefined } = { found: undefined };
    this.inquiry.ask(PLACE, IDLOC_IPV4, 0, (values) => {
      result.found = values.map(({ data }) => (data.value.exists ? (data.value.value[21] ?? -1) : -1));
    });
    return result;
  }

  answer(index: number, values: readonly StoredData[]): void {
    const kindResponses = [{ kind: IDLOC_IPV4.id, generation: 1n, values }];
    const body = { type: 'fetch_ans' as const, kindResponses };
    this.open[index]?.done({ ok: true, body, signer: signer(A), certificates: [], hops: 1 }, 5);
  }
}

test('without ways there is nobody to ask', (t) => {
  t.deepEqual(new Bench([]).ask().found, []);
});

test('all replicas are asked, and of two claims the better one comes first', (t) => {
  const bench = new Bench([A, B]);
  const result = bench.ask();
  t.deepEqual(
    bench.open.map(({ to }) => to),
    [A, B],
  );
  bench.answer(0, [claim(A, 9)]);
  t.is(result.found, undefined);
  bench.answer(1, [claim(B, 2)]);
  t.deepEqual(result.found, [2, 9]);
  t.is(bench.inquiry.nextTimeout(), undefined);
});

test('a silent replica is waited for two seconds, one that fails not at all', (t) => {
  const bench = new Bench([A, B]);
  const result = bench.ask();
  bench.open[0]?.done({ ok: false, error: new OverlayTimeoutError('fetch_req') }, 5);
  t.is(bench.inquiry.nextTimeout(), 2_000);
  bench.inquiry.handleTimeout(1_999);
  t.is(result.found, undefined);
  bench.inquiry.handleTimeout(2_000);
  t.deepEqual(result.found, []);
  t.is(bench.cancelled, 1);
});

test('a claim of one who is revoked while the other replicas are waited for counts for nothing', (t) => {
  const bench = new Bench([A, B]);
  const result = bench.ask();
  bench.answer(0, [claim(A, 1)]);
  bench.revoked.add(A);
  bench.answer(1, [claim(B, 2)]);
  t.deepEqual(result.found, [2]);
});

test('so many questions are open at once and no more', (t) => {
  const bench = new Bench([A]);
  for (let i = 0; i < 128; i++) {
    t.false(bench.inquiry.isFull);
    bench.ask();
  }
  t.true(bench.inquiry.isFull);
  bench.inquiry.handleTimeout(2_000);
  t.false(bench.inquiry.isFull);
});
