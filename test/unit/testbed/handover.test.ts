import test from 'ava';
import { conclude, type Outcome } from '../../../scripts/testbed/handover/handover.ts';
import { MOVES, type Move } from '../../../scripts/testbed/handover/moves.ts';
import { Findings } from '../../../scripts/testbed/report.ts';

const SMOOTH: Outcome = { gapMs: 40, lost: 2, reordered: 0, handshakes: 0, streamGapMs: 40, isUp: true };
const TERMS = { roundTripMs: 0, repetitions: 3, isBound: true };

function move(name: string): Move {
  const found = MOVES[name];
  if (found === undefined) throw new Error(`no move is called ${name}`);
  return found;
}

function missedOf(
  name: string,
  changes: readonly Partial<Outcome>[],
  terms: Partial<typeof TERMS> = {},
): readonly string[] {
  const findings = new Findings();
  const outcomes = changes.map((change) => ({ ...SMOOTH, ...change }));
  conclude(findings, 'it', move(name), outcomes, { ...TERMS, ...terms });
  return findings.report('').missed;
}

test('the median of the repetitions is the figure, beside it the worst', (t) => {
  const findings = new Findings();
  const outcomes = [30, 500, 40].map((gapMs) => ({ ...SMOOTH, gapMs }));
  conclude(findings, 'hard.both_send.idloc', move('hard'), outcomes, TERMS);
  const { figures, missed } = findings.report('');
  t.is(figures['hard.both_send.idloc.gap_ms'], 40);
  t.is(figures['hard.both_send.idloc.gap_ms_worst'], 500);
  t.deepEqual(missed, []);
});

test('the bound of a silence grows with the round trip', (t) => {
  const slow = [{ gapMs: 170 }, { gapMs: 170 }, { gapMs: 170 }];
  t.deepEqual(missedOf('hard', slow, { roundTripMs: 120 }), []);
  t.deepEqual(missedOf('hard', slow, { roundTripMs: 60 }), ['it.gap_ms']);
  t.deepEqual(missedOf('hard_nat', slow, { roundTripMs: 60 }), []);
});

test('one call that does not come back, one repetition that failed, one handshake: each misses', (t) => {
  t.deepEqual(missedOf('twenty', [{}, {}, { isUp: false }]), ['it.gap_ms', 'it.handshakes']);
  t.deepEqual(missedOf('twenty', [{}, {}]), ['it.gap_ms', 'it.handshakes']);
  t.deepEqual(missedOf('twenty', [{}, {}, { handshakes: 1 }]), ['it.handshakes']);
});

test('where nothing is to be lost a single packet misses, lost or out of order', (t) => {
  const none = { lost: 0 };
  t.deepEqual(missedOf('overlap', [none, none, none]), []);
  t.deepEqual(missedOf('overlap', [none, none, {}]), ['it.lost']);
  t.deepEqual(missedOf('overlap', [none, none, { lost: 0, reordered: 1 }]), ['it.reordered']);
});

test('a turn of the event loop that is too long misses in the median, and what is not measured does not', (t) => {
  t.deepEqual(missedOf('many', [{ turnMs: 9 }, { turnMs: 30 }, { turnMs: 8 }]), []);
  t.deepEqual(missedOf('many', [{ turnMs: 11 }, { turnMs: 30 }, { turnMs: 8 }]), ['it.turn_ms']);
  t.deepEqual(missedOf('many', [{}, {}, {}]), []);
});

test('where the second way is known already a far NAT is granted no more', (t) => {
  const slow = [{ gapMs: 181 }, { gapMs: 181 }, { gapMs: 181 }];
  for (const name of ['dead_path', 'dead_path_nat'])
    t.deepEqual(missedOf(name, slow, { roundTripMs: 60 }), ['it.gap_ms']);
});

test('others are shown, and held to nothing', (t) => {
  t.deepEqual(missedOf('hard', [{ gapMs: 30_000, isUp: false }], { isBound: false }), []);
});
