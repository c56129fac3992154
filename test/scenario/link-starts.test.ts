import test from 'ava';
import { seededRandom } from '../../src/base/random.ts';
import type { Random } from '../../src/base/random.ts';
import { TwoStarters } from '../sim/network/two-starters.ts';
import type { Starts, Who } from '../sim/network/two-starters.ts';
import type { SegmentQuality } from '../sim/network/segment.ts';

/** From the last start, dial or Attach on; a handshake that times out takes ten. */
const LINKED_MS = 2_000;
const LINKED_IN_LOSS_MS = 3_000;
/** No handshake is given up after that, and nothing else may end the link. */
const SETTLED_MS = 3_000;
const ORDERS = 150;
const SEEDS = [1, 2, 3, 4];

interface Situation {
  readonly starts: Starts;
  readonly quality: SegmentQuality;
  readonly lagMs: number;
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.uint32() % items.length] as T;
}

/** Every mix of who dials and who sends an Attach, and when: some of it before the other one is there. */
function anySituation(random: Random, loss: number): Situation {
  const bUp = pick(random, [0, 0, 50, 300, 700, 1_500]);
  const soon = (): number => bUp + Math.floor(random.float() * pick(random, [5, 60, 400, 1_200]));
  const actions = 1 + (random.uint32() % 11);
  const dials: { who: Who; at: number }[] = [];
  if ((actions & 1) !== 0) dials.push({ who: 'a', at: pick(random, [Math.floor(random.float() * bUp), soon()]) });
  if ((actions & 2) !== 0) dials.push({ who: 'b', at: soon() });
  const attach = actions >> 2;
  const offers: { who: Who; at: number; wayMs: number }[] = [];
  if (attach > 0) offers.push({ who: attach === 1 ? 'a' : 'b', at: soon(), wayMs: pick(random, [1, 10, 50, 120]) });
  const latencyMs = pick(random, [0.2, 1, 10, 40, 100]);
  const jitterMs = pick(random, [0, 0, latencyMs, 30]);
  return {
    starts: { bUp, dials, offers },
    quality: { latencyMs, jitterMs, loss },
    lagMs: pick(random, [0, 0, 3, 30]),
  };
}

/** When everybody has done what they do. */
function lastStart({ bUp, dials, offers }: Starts): number {
  return Math.max(bUp, ...dials.map(({ at }) => at), ...offers.map(({ at }) => at));
}

// Of real agents after a power cut, 50 ms after the second one's start: A has dialed before B was there, and B takes the
// repeated ClientHello. Then A's Attach comes, of which B is the client's end: it left the address to A's handshake, while A
// had taken it from the dial, for the end that was to wait for B's. Both timed out.
for (const who of ['a', 'b'] as const)
  test(`an Attach while the dial of ${who === 'a' ? 'its sender' : 'whom it is for'} is being answered does not end both handshakes`, (t) => {
    // At 850 ms a ClientHello arrives from either: A repeats what it has sent since 400 ms.
    const dials: Starts['dials'] = [{ who, at: who === 'a' ? 400 : 850 }];
    for (let at = 780; at <= 920; at += 5) {
      const starts: Starts = { bUp: 700, dials, offers: [{ who: 'a', at, wayMs: 1 }] };
      const pair = new TwoStarters(1, { latencyMs: 10 }, starts);
      pair.network.loop.run(lastStart(starts));
      const linked = pair.network.loop.runUntil(() => pair.linked, 500);
      t.true(linked, `Attach at ${at} ms`);
    }
  });

test('a dial that is not heard holds up the handshake of an Attach for a second', (t) => {
  const starts: Starts = {
    bUp: 0,
    dials: [{ who: 'b', at: 0 }],
    offers: [{ who: 'a', at: 100, wayMs: 10 }],
  };
  const pair = new TwoStarters(1, { latencyMs: 10 }, starts);
  const { network } = pair;
  // ICE finds the way, and B's dial, which goes out of another door, does not.
  let lost = 0;
  network.internet.isCut = ({ data }) => network.loop.now < 1_100 && data[0] === 22 && ++lost > 0;
  network.loop.run(100);
  t.true(network.loop.runUntil(() => pair.linked, 1_500));
  t.true(lost > 0);
});

for (const loss of [0, 0.05])
  for (const seed of SEEDS)
    test(`two hosts that dial and call each other in any order are linked soon, and stay so (seed ${seed}, loss ${loss})`, (t) => {
      const random = seededRandom(seed);
      const limit = loss === 0 ? LINKED_MS : LINKED_IN_LOSS_MS;
      for (let i = 0; i < ORDERS; i++) {
        const situation = anySituation(random, loss);
        const { starts, quality, lagMs } = situation;
        const pair = new TwoStarters(random.uint32(), quality, starts, { lagMs });
        const { loop } = pair.network;
        loop.run(lastStart(starts));
        const linked = loop.runUntil(() => pair.linked, limit);
        loop.run(SETTLED_MS);
        if (linked && pair.linked && pair.talks()) continue;
        t.fail(`${i}: linked ${linked}, still ${pair.linked}: ${JSON.stringify(situation)}`);
        t.log(pair.network.flow.join('\n'));
        return;
      }
      t.pass();
    });
