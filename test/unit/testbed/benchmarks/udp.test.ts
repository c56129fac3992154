import test from 'ava';
import { expectUdp } from '../../../../scripts/testbed/benchmarks/udp.ts';
import { Findings } from '../../../../scripts/testbed/report.ts';

function isMissed(figures: Readonly<Record<string, number>>): boolean {
  const findings = new Findings();
  expectUdp(findings, new Map(Object.entries(figures)), ['raw', 'idloc', 'tinc', 'nebula']);
  return !findings.ok;
}

test('above every tunnel, though below the cable, holds the bound', (t) => {
  t.false(isMissed({ raw: 4, idloc: 1.5, tinc: 0.5, nebula: 1.49 }));
});

test('as much as one of them, or one of them not measured, misses it', (t) => {
  t.true(isMissed({ raw: 4, idloc: 1.5, tinc: 0.5, nebula: 1.5 }));
  t.true(isMissed({ raw: 4, idloc: 1.5, tinc: 0.5 }));
  t.true(isMissed({ raw: 4, tinc: 0.5, nebula: 0.1 }));
});
