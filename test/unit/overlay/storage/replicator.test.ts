import test from 'ava';
import { silentLogger } from '../../../../src/base/logger.ts';
import type { NodeId, ResourceId } from '../../../../src/base/node-id.ts';
import { orchidRing, resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import { OverlayError } from '../../../../src/overlay/errors.ts';
import type { OutgoingRequest, RequestDone, Requester } from '../../../../src/overlay/requester.ts';
import { CertificateCache, type Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import { Signing } from '../../../../src/overlay/security/signing.ts';
import { ORIGINAL, type PlaceView } from '../../../../src/overlay/storage/admission.ts';
import { CopySender } from '../../../../src/overlay/storage/copy-sender.ts';
import { IDLOC_HOST } from '../../../../src/overlay/storage/kinds.ts';
import { Replicator } from '../../../../src/overlay/storage/replicator.ts';
import { ResourceStore } from '../../../../src/overlay/storage/resource-store.ts';
import { ValueVerifier } from '../../../../src/overlay/storage/value-verifier.ts';
import { parseIpv4Prefix } from '../../../../src/base/ipv4-prefix.ts';
import { EMPTY_SIGNATURE, ERROR_CODES } from '../../../../src/reload/index.ts';

const WALL = 1_700_000_000_000;
const SELF = '20010022'.padEnd(32, '8');
const A = '20010022'.padEnd(32, 'a');
const B = '20010022'.padEnd(32, 'b');
const NEWCOMER = '20010022'.padEnd(32, '7');

type Reply = 'taken' | 'refused' | 'silent' | 'misplaced';

interface Sent {
  readonly to: NodeId | undefined;
  readonly resource: ResourceId;
  readonly answer: (reply: Reply, now: number) => void;
}

const signer = (nodeId: string): Signer => ({ nodeId, user: null, spki: new Uint8Array(), chain: [], hash: nodeId });

/** A replicator, and what it sends. */
class Bench {
  readonly sent: Sent[] = [];
  readonly store = new ResourceStore({ maxBytes: 1e9, maxPerWriter: 1e6 });
  readonly replicator: Replicator;
  replicaSet: NodeId[] = [A, B];
  /** Of everything; otherwise A is. */
  isResponsible = true;
  looks = 0;

  constructor() {
    const requester: Requester = {
      request: (request, _, done) => {
        this.sent.push(sentOf(request, done));
        return 0n;
      },
      cancel: () => undefined,
    };
    const place: PlaceView = {
      isMember: true,
      isJoining: false,
      isResponsibleFor: () => {
        this.looks += 1;
        return this.isResponsible;
      },
      isInReplicaRange: () => true,
      isPeer: () => true,
      likelyResponsible: () => A,
      successor: A,
      isCloser: () => false,
      isSettled: () => true,
    };
    const key = { hit: SELF, spki: new Uint8Array(), sign: () => new Uint8Array() };
    const cache = new CertificateCache({
      verifyMember: () => ({ nodeId: SELF, user: null, spki: key.spki, der: key.spki }),
    });
    const signing = new Signing({ key, chain: [new Uint8Array(1)], user: null, overlay: 1, cache });
    const places = { ring: orchidRing, ipv4Prefix: parseIpv4Prefix('198.18.0.0/15'), mayInvite: () => false };
    const replicaSet = (): NodeId[] => this.replicaSet;
    this.replicator = new Replicator({
      host: {
        place,
        get replicaSet() {
          return replicaSet();
        },
      },
      store: this.store,
      sender: new CopySender({
        store: this.store,
        place,
        verifier: new ValueVerifier({ places, signing, kinds: [IDLOC_HOST] }),
        requester,
        clock: { monotonic: () => 0, wall: () => WALL },
        logger: silentLogger,
        maxMessageBytes: 5_000,
      }),
      holdDownMs: 30_000,
    });
  }

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.put(resourceIdOf(`${i}`), 0);
  }

  put(resource: ResourceId, time: number): void {
    const value = { model: 'single' as const, exists: true, value: new Uint8Array(1) };
    const data = { storageTime: BigInt(WALL + time), lifetime: 100_000, value, signature: EMPTY_SIGNATURE };
    this.store.offer(
      resource,
      [{ kind: IDLOC_HOST, generation: 0n, values: [{ data, signer: signer(SELF) }] }],
      ORIGINAL,
      0,
      WALL,
    );
  }

  /** Answers what was sent and not yet answered, to `to` or to anyone. */
  answerAll(reply: Reply, now: number, to?: NodeId): number {
    const open = this.sent.splice(0).filter((sent) => {
      const mine = to === undefined || sent.to === to;
      if (!mine) this.sent.push(sent);
      return mine;
    });
    for (const { answer } of open) answer(reply, now);
    return open.length;
  }
}

function sentOf({ destination, body }: OutgoingRequest, done: RequestDone): Sent {
  const [target] = destination;
  const to = target?.type === 'node' ? target.nodeId : undefined;
  const resource = body.type === 'store_req' || body.type === 'fetch_req' ? body.resource : '';
  const answer: Sent['answer'] = (reply, now) => {
    if (reply === 'taken') {
      const ok = { ok: true as const, signer: signer(to ?? A), certificates: [], hops: 1 };
      done({ ...ok, body: { type: 'store_ans', kindResponses: [] } }, now);
    } else if (reply === 'silent')
      done({ ok: false, error: new OverlayError(ERROR_CODES.request_timeout, 'no answer') }, now);
    else {
      const word = reply === 'misplaced' ? 'sender' : 'quota';
      done({ ok: false, error: new OverlayError(ERROR_CODES.forbidden, 'no', Buffer.from(word)) }, now);
    }
  };
  return { to, resource, answer };
}

test('a pass over 10,000 resources is done in turns that each look at a few and send a few', (t) => {
  const bench = new Bench();
  bench.fill(10_000);
  bench.replicator.neighborsChanged(false, 0);
  let turns = 0;
  while ((bench.replicator.nextTimeout() ?? Infinity) <= 0) {
    bench.looks = 0;
    bench.sent.length = 0;
    bench.replicator.handleTimeout(0);
    turns += 1;
    t.true(bench.looks <= 300 && bench.sent.length <= 16);
  }
  t.true(turns >= 40);
  t.is(bench.replicator.queued + bench.replicator.inFlight, 20_000);
});

test('a resource that changes often waits for a peer once', (t) => {
  const bench = new Bench();
  bench.fill(50);
  bench.replicator.neighborsChanged(false, 0);
  for (let i = 1; i <= 20; i++) {
    for (let r = 0; r < 50; r++) {
      bench.put(resourceIdOf(`${r}`), i);
      bench.replicator.stored(resourceIdOf(`${r}`), 0);
    }
    bench.replicator.handleTimeout(0);
  }
  t.true(bench.replicator.queued <= 100);
});

test('a silent peer is asked less and less, while the other one gets everything', (t) => {
  const bench = new Bench();
  bench.fill(200);
  bench.replicator.neighborsChanged(false, 0);
  let toSilent = 0;
  let toGood = 0;
  for (let now = 0; now <= 600_000; now += 15_000) {
    for (let i = 0; i < 50; i++) {
      bench.replicator.handleTimeout(now);
      toGood += bench.answerAll('taken', now, B);
    }
    if (now === 0) t.is(toGood, 200);
    toSilent += bench.answerAll('silent', now + 14_999);
  }
  t.is(toGood, 200);
  t.true(toSilent > 4 && toSilent < 40, `${toSilent}`);
});

test('a peer that refuses everything draws a bounded number of stores, and what it refused is offered again', (t) => {
  const bench = new Bench();
  bench.replicaSet = [A];
  bench.fill(300);
  bench.replicator.neighborsChanged(false, 0);
  let sent = 0;
  for (let now = 0; now <= 600_000; now += 100) {
    if ((bench.replicator.nextTimeout() ?? Infinity) <= now) bench.replicator.handleTimeout(now);
    sent += bench.answerAll('refused', now);
  }
  t.true(sent > 5 && sent < 60, `${sent}`);
  let taken = 0;
  for (let now = 600_000; now <= 5_000_000; now += 100) {
    if ((bench.replicator.nextTimeout() ?? Infinity) <= now) bench.replicator.handleTimeout(now);
    taken += bench.answerAll('taken', now);
  }
  t.is(taken, 300);
});

test('a newcomer gets its part of the ring once, and asking again while it comes starts nothing new', (t) => {
  const bench = new Bench();
  bench.fill(400);
  bench.replicaSet = [];
  let done = 0;
  for (let i = 0; i < 500; i++)
    bench.replicator.handOver(NEWCOMER, SELF, 0, () => {
      done += 1;
    });
  const got = new Set<ResourceId>();
  let sent = 0;
  for (let now = 0; done === 0 && now < 10_000; now += 10) {
    for (const { resource } of bench.sent) got.add(resource);
    sent += bench.answerAll('taken', now);
    if ((bench.replicator.nextTimeout() ?? Infinity) <= now) bench.replicator.handleTimeout(now);
  }
  const inRange = bench.store.idsAfter(undefined, 1_000).filter((id) => orchidRing.insideUpTo(id, SELF, NEWCOMER));
  t.true(inRange.length > 100);
  t.deepEqual([...got].sort(), inRange);
  t.is(sent, inRange.length);
  t.is(done, 1);
  bench.replicator.handOver(NEWCOMER, SELF, 0, () => {
    done += 1;
  });
  for (let i = 0; i < 10; i++) bench.replicator.handleTimeout(0);
  t.deepEqual([bench.sent.length, done], [0, 2]);
});

test('a newcomer that does not answer, or refuses, is let in all the same', (t) => {
  for (const reply of ['silent', 'refused'] as const) {
    const bench = new Bench();
    bench.fill(400);
    let done = 0;
    bench.replicator.handOver(NEWCOMER, SELF, 0, () => {
      done += 1;
    });
    for (let now = 0; done === 0 && now < 600_000; now += 1_000) {
      if ((bench.replicator.nextTimeout() ?? Infinity) <= now) bench.replicator.handleTimeout(now);
      bench.answerAll(reply, now);
    }
    t.is(done, 1);
  }
});

test('what a newcomer refused before it was in the ring is offered as soon as it is', (t) => {
  const bench = new Bench();
  bench.fill(4);
  bench.replicaSet = [];
  bench.replicator.handOver(NEWCOMER, SELF, 0, () => undefined);
  const offered = bench.answerAll('refused', 0);
  t.true(offered > 0);
  bench.replicaSet = [NEWCOMER];
  bench.replicator.neighborsChanged(false, 300);
  bench.replicator.handleTimeout(300);
  let taken = 0;
  for (let now = 300; now < 2_000; now += 10) {
    taken += bench.answerAll('taken', now);
    if ((bench.replicator.nextTimeout() ?? Infinity) <= now) bench.replicator.handleTimeout(now);
  }
  t.is(taken, 4);
});

test('a drain is over when everything is held, or when its time is, and tells which', (t) => {
  const bench = new Bench();
  bench.fill(40);
  let done: { complete: boolean; at: number } | undefined;
  bench.replicator.drain(3_000, 0, (complete, at) => {
    done = { complete, at };
  });
  for (let now = 0; now < 1_000; now += 10) {
    if ((bench.replicator.nextTimeout() ?? Infinity) <= now) bench.replicator.handleTimeout(now);
    bench.answerAll('taken', now);
  }
  t.true(done?.complete === true && done.at < 1_000);
  const stuck = new Bench();
  stuck.fill(40);
  let over: { complete: boolean; at: number } | undefined;
  stuck.replicator.drain(3_000, 0, (complete, at) => {
    over = { complete, at };
  });
  for (let now = 0; now < 5_000 && over === undefined; now += 10)
    if ((stuck.replicator.nextTimeout() ?? Infinity) <= now) stuck.replicator.handleTimeout(now);
  t.deepEqual(over, { complete: false, at: 3_000 });
});

test('a copy of one that is not responsible is handed on to the peer that is, and that of the responsible one is not', (t) => {
  const bench = new Bench();
  bench.isResponsible = false;
  const [ours, theirs] = [resourceIdOf('1'), resourceIdOf('2')];
  bench.put(ours, 0);
  bench.put(theirs, 0);
  bench.replicator.received(theirs, A, true, 0);
  bench.replicator.handleTimeout(0);
  t.is(bench.sent.length, 0);
  bench.replicator.received(ours, B, true, 0);
  bench.replicator.handleTimeout(0);
  t.deepEqual(
    bench.sent.map(({ to, resource }) => [to, resource]),
    [[undefined, ours]],
  );
  bench.answerAll('taken', 10);
  bench.replicator.handleTimeout(10);
  t.is(bench.sent.length, 0);
});

test('a copy that came to the responsible peer is handed on when another one is responsible at the next look', (t) => {
  const bench = new Bench();
  const resource = resourceIdOf('1');
  bench.put(resource, 0);
  // Of A, which stands next to the resource when the newcomers before it are not counted.
  bench.replicator.received(resource, A, false, 0);
  bench.isResponsible = false;
  bench.replicator.handleTimeout(0);
  t.deepEqual(
    bench.sent.map(({ to }) => to),
    [undefined],
  );
});

test('a copy that was refused since the replica sees another ring is offered again after a second, then after two', (t) => {
  const bench = new Bench();
  bench.replicaSet = [A];
  bench.put(resourceIdOf('1'), 0);
  bench.replicator.stored(resourceIdOf('1'), 0);
  bench.replicator.handleTimeout(0);
  const tries: number[] = [];
  for (let now = 0; now < 8_000; now += 100) {
    bench.replicator.handleTimeout(now);
    if (bench.answerAll('misplaced', now) > 0) tries.push(now);
  }
  t.deepEqual(tries, [0, 1_000, 3_000, 7_000]);
});
