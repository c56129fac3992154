import test from 'ava';
import { expectRatio, spreadPercent } from '../../../scripts/testbed/bounds.ts';
import { Findings } from '../../../scripts/testbed/report.ts';

const bound = { name: 'tcp1.idloc.bbr', referenceName: 'raw', atLeast: 0.4 };

test('a ratio on its bound holds, one below it is missed', (t) => {
  const findings = new Findings();
  expectRatio(findings, { ...bound, value: 4, reference: 10 });
  t.true(findings.ok);
  expectRatio(findings, { ...bound, value: 3.99, reference: 10 });
  t.deepEqual(findings.report('').missed, ['tcp1.idloc.bbr']);
});

test('what was not measured, on either side, misses its bound and is named', (t) => {
  for (const [values, named] of [
    [{ value: undefined, reference: 1 }, /tcp1\.idloc\.bbr was not measured/],
    [{ value: 1, reference: undefined }, /raw was not measured/],
    [{ value: 1, reference: 0 }, /raw was not measured/],
    [{ value: 1, reference: NaN }, /raw was not measured/],
  ] as const) {
    const findings = new Findings();
    expectRatio(findings, { ...bound, ...values });
    t.false(findings.ok);
    t.regex(findings.report('').notes.join('\n'), named);
  }
});

test('a value that is no number misses its bound', (t) => {
  const findings = new Findings();
  expectRatio(findings, { ...bound, value: NaN, reference: 1 });
  t.false(findings.ok);
});

test('the spread is of all runs', (t) => {
  t.is(spreadPercent([9, 10, 12], 10), 30);
});
