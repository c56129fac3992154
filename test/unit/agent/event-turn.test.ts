import test from 'ava';
import { TURN_MS, takeTurn } from '../../../src/agent/event-turn.ts';
import type { DataPlaneEvent } from '../../../src/native/data-plane.ts';

/** A data plane that always has something to say, each piece of which takes so long to look at. */
function turnOf(costMs: number, available = Infinity): { readonly handled: number; readonly tookMs: number } {
  let time = 1_000;
  let handled = 0;
  const drain = (max = 1): DataPlaneEvent[] =>
    Array.from({ length: Math.min(max, available - handled) }, () => ({ type: 'network' }));
  takeTurn({ drain }, { monotonic: () => time }, time, (_, now) => {
    if (now !== time) throw new Error('an event is given the time of another');
    handled += 1;
    time += costMs;
  });
  return { handled, tookMs: time - 1_000 };
}

test('a turn ends when its time is over, whatever one event costs', (t) => {
  for (const costMs of [0.1, 0.3, 1, 3]) {
    const { handled, tookMs } = turnOf(costMs);
    t.true(tookMs < TURN_MS + costMs, `${tookMs} ms`);
    t.true(handled >= TURN_MS / costMs, `${handled} events`);
  }
});

test('one event has its turn, however long it takes', (t) => {
  t.is(turnOf(50).handled, 1);
});

test('cheap events end a turn by their number, and an empty data plane at once', (t) => {
  t.is(turnOf(0).handled, 64);
  t.is(turnOf(0, 3).handled, 3);
});
