import test from 'ava';
import { Findings, median, percentile, table } from '../../../scripts/testbed/report.ts';

test('a figure that misses its bound is named once, with the bound', (t) => {
  const findings = new Findings();
  findings.figure('move.gap_ms', 1234.5678, 1);
  findings.expect('move.gap_ms', false, 'at most 1000');
  findings.expect('move.gap_ms', false, 'in either direction');
  findings.expect('path.direct', true, 'direct');
  const report = findings.report('demo');
  t.false(findings.ok);
  t.deepEqual(report.figures, { 'move.gap_ms': 1234.6 });
  t.deepEqual(report.missed, ['move.gap_ms']);
  t.is(report.notes.length, 2);
});

test('the median of an even number of values lies between the middle two', (t) => {
  t.is(median([4, 1, 3, 2]), 2.5);
  t.is(median([9, 1, 5]), 5);
});

test('a percentile is a value that was measured, the hundredth the largest', (t) => {
  const values = Array.from({ length: 200 }, (_, i) => 200 - i);
  t.is(percentile(values, 50), 100);
  t.is(percentile(values, 99), 198);
  t.is(percentile(values, 100), 200);
  t.is(percentile([7], 99), 7);
  t.is(percentile([], 50), NaN);
});

test('numbers stand to the right, words to the left', (t) => {
  t.is(
    table([
      ['name', '7', 'x'],
      ['n', '1234', 'y'],
    ]),
    '  name     7  x\n  n     1234  y',
  );
});
