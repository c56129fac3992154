import { fc, testProp } from '@fast-check/ava';
import { seededRandom } from '../../../src/base/random.ts';
import { MAX_WINDOW } from '../../../src/link/constants.ts';
import { Framing } from '../../../src/link/framing.ts';
import { decodeFrame } from '../../../src/reload/frame.ts';

const MESSAGES = 60;
/** Of the queue's 256 none is dropped, and five losses of one frame are not to be expected. */
const LIMIT_MS = 120_000;

const quality = fc.record({
  seed: fc.nat(0xffffffff),
  latencyMs: fc.integer({ min: 0, max: 150 }),
  jitterMs: fc.integer({ min: 0, max: 40 }),
  loss: fc.double({ min: 0, max: 0.1, noNaN: true }),
  duplicate: fc.double({ min: 0, max: 0.2, noNaN: true }),
});

interface Event {
  readonly at: number;
  readonly to: Framing;
  readonly record: Uint8Array;
}

testProp(
  'whatever is lost, repeated or overtaken: every message arrives or is counted as failed, and no more than the window is under way',
  [quality],
  (t, { seed, latencyMs, jitterMs, loss, duplicate }) => {
    const random = seededRandom(seed);
    const [alice, bob] = [new Framing(), new Framing()];
    let events: Event[] = [];
    const arrived = new Set<number>();
    const underWay = new Set<number>();
    const carry = (from: Framing, to: Framing, now: number): void => {
      for (let record = from.pollTransmit(); record !== undefined; record = from.pollTransmit()) {
        const frame = decodeFrame(record);
        if (from === alice && frame.type === 'data') underWay.add(frame.message[0] ?? 0);
        const copies = random.float() < loss ? 0 : random.float() < duplicate ? 2 : 1;
        for (let i = 0; i < copies; i++) events.push({ at: now + latencyMs + random.float() * jitterMs, to, record });
      }
    };
    let now = 0;
    let most = 0;
    for (let i = 0; i < MESSAGES; i++) alice.send(Uint8Array.of(i), now);
    carry(alice, bob, now);
    while (!alice.idle && now < LIMIT_MS) {
      events.sort((a, b) => a.at - b.at);
      const [next] = events;
      now = Math.min(next?.at ?? Infinity, alice.nextTimeout() ?? Infinity);
      alice.handleTimeout(now);
      if (next !== undefined && next.at <= now) {
        events = events.slice(1);
        const acknowledged = decodeFrame(next.record);
        const message = next.to.receive(next.record, now);
        if (message !== undefined) arrived.add(message[0] ?? 0);
        if (acknowledged.type === 'ack') for (const id of arrived) underWay.delete(id);
      }
      carry(alice, bob, now);
      carry(bob, alice, now);
      most = Math.max(most, underWay.size);
    }
    t.true(alice.idle);
    t.true(arrived.size >= MESSAGES - alice.counters.failed);
    t.true(most <= MAX_WINDOW + 1, `${most} under way`);
    t.is(alice.counters.dropped, 0);
  },
  { numRuns: 300 },
);
