import test from 'ava';
import { Absentees } from '../../../src/agent/absentees.ts';

function world(known: readonly string[]): {
  absentees: Absentees;
  there: Set<string>;
  calls: { readonly hit: string; readonly at: number }[];
  run: (from: number, to: number) => void;
} {
  const there = new Set<string>();
  const calls: { hit: string; at: number }[] = [];
  const absentees = new Absentees({
    ports: { known: () => known, isThere: (hit) => there.has(hit), call: (hit, at) => calls.push({ hit, at }) },
  });
  const run = (from: number, to: number): void => {
    for (let now = absentees.nextTimeout(); now !== undefined && now <= to; now = absentees.nextTimeout())
      absentees.handleTimeout(Math.max(now, from));
  };
  return { absentees, there, calls, run };
}

test('who has followed the move is not called, the others at growing pauses until they are linked', (t) => {
  const { absentees, there, calls, run } = world(['a', 'b']);
  there.add('a');
  absentees.moved(1_000);
  run(1_000, 60_000);
  t.deepEqual(calls, [
    { hit: 'b', at: 6_000 },
    { hit: 'b', at: 16_000 },
    { hit: 'b', at: 36_000 },
  ]);
  absentees.linkUp('b');
  t.is(absentees.nextTimeout(), undefined);
});

test('whoever stays away is called every ten minutes at least, and given up after three days', (t) => {
  const { absentees, calls, run } = world(['a']);
  absentees.moved(0);
  run(0, 86_400_000);
  const pauses = calls.map(({ at }, i) => at - (calls[i - 1]?.at ?? 0));
  t.true(Math.max(...pauses) <= 600_000);
  run(86_400_000, 30 * 86_400_000);
  t.is(absentees.nextTimeout(), undefined);
  t.true((calls.at(-1)?.at ?? 0) <= 3 * 86_400_000);
});

test('of very many, 32 are called in a round, by turns', (t) => {
  const { absentees, calls, run } = world(Array.from({ length: 1_000 }, (_, i) => `host ${i}`));
  absentees.moved(0);
  run(0, 5_000);
  t.is(calls.length, 32);
  t.is(calls[0]?.hit, 'host 0');
  run(5_000, 15_000);
  t.is(calls.length, 64);
  t.is(new Set(calls.map(({ hit }) => hit)).size, 64);
});
