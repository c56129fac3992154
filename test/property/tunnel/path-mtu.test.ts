import test from 'ava';
import fc from 'fast-check';
import { seededRandom } from '../../../src/base/random.ts';
import { ERROR_PATH_MTU } from '../../../src/tunnel/path-mtu.ts';
import { PathUnderTest, carries } from '../../unit/tunnel/path-under-test.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const BASE = 1280;
/** Of the search, below Ethernet's size. */
const STEP = 8;

const MTU = fc.oneof(fc.integer({ min: 500, max: 9500 }), fc.constantFrom(1280, 1400, 1492, 1500, 1519, 1520, 9000));
const SEED = fc.integer();

/** Within one step of what the path carries. */
function fits(found: number, mtu: number): boolean {
  if (mtu < BASE) return found === ERROR_PATH_MTU;
  const step = mtu < 1500 ? STEP : 64;
  return found <= mtu && found > Math.min(mtu, 9000) - step;
}

test('whatever is lost, delayed or changes, no size is used that was not confirmed', (t) => {
  fc.assert(
    fc.property(
      fc.array(MTU, { minLength: 1, maxLength: 5 }),
      fc.double({ min: 0, max: 0.9, noNaN: true }),
      fc.integer({ min: 1, max: 4000 }),
      SEED,
      (mtus, loss, delay, seed) => {
        const random = seededRandom(seed);
        const path = new PathUnderTest((size, at) =>
          size <= (mtus[Math.floor(at / MINUTE) % mtus.length] ?? 0) && random.float() >= loss
            ? 1 + random.float() * delay
            : undefined,
        );
        path.sendLarge(SECOND);
        for (let second = 1; second < 5 * 60; second++) {
          path.run(second * SECOND);
          const { pathMtu } = path.discovery;
          if (pathMtu > BASE && !path.acknowledged.includes(pathMtu)) return false;
          if (path.told.length > 0 && path.told.at(-1)?.size !== pathMtu) return false;
        }
        return true;
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

test('without loss the size of the path is found, whatever it is', (t) => {
  fc.assert(
    fc.property(MTU, fc.integer({ min: 1, max: 900 }), (mtu, rtt) => {
      const path = new PathUnderTest(carries(mtu, rtt));
      path.run(MINUTE);
      return fits(path.discovery.pathMtu, mtu);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('a path that changes while it is used never has a black hole for more than four seconds', (t) => {
  fc.assert(
    fc.property(
      MTU,
      MTU,
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 100_000 }),
      (before, after, rtt, at) => {
        const path = new PathUnderTest(carries((now) => (now < at ? before : after), rtt));
        path.sendLarge(SECOND);
        path.run(at + 4 * SECOND);
        // Below the base it takes another three to learn that not even that passes.
        if (after >= BASE && path.discovery.pathMtu > after) return false;
        // That a path narrows from just the base to less shows only when the raise timer ends. A search may end there.
        if (before < BASE + STEP) return true;
        path.run(at + 2 * MINUTE);
        return path.discovery.pathMtu <= Math.max(after, ERROR_PATH_MTU);
      },
    ),
    // The answer to the last probe of a path that narrowed behind it says nothing of what it carries now.
    {
      numRuns: 300,
      examples: [
        [1520, 1280, 334, 3669],
        [1281, 500, 1, 15_001],
      ],
    },
  );
  t.pass();
});

test('one datagram in five lost does not keep a path small', (t) => {
  fc.assert(
    fc.property(SEED, (seed) => {
      const random = seededRandom(seed);
      const path = new PathUnderTest((size) => (size <= 1500 && random.float() > 0.2 ? 30 : undefined));
      path.sendLarge(SECOND);
      path.run(2 * MINUTE);
      // Seldom three in a row are lost just now: then it is searched again.
      for (let i = 0; i < 10 && path.discovery.pathMtu !== 1500; i++) path.run(path.now + 10 * SECOND);
      return path.discovery.pathMtu === 1500;
    }),
    { numRuns: 100, examples: [[-194717405]] },
  );
  t.pass();
});
