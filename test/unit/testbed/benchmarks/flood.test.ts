import test from 'ava';
import { expectFlood } from '../../../../scripts/testbed/benchmarks/flood.ts';
import type { FloodFigures } from '../../../../scripts/testbed/benchmarks/flood.ts';
import { Findings } from '../../../../scripts/testbed/report.ts';

function missed(figures: FloodFigures): readonly string[] {
  const findings = new Findings();
  expectFlood(findings, figures);
  return findings.report('').missed;
}

test('a fall as large as the share of the CPU that the flood takes holds the bound, a larger one misses it', (t) => {
  const figures = { aloneGbps: 4, underGbps: 3, cpuPercent: 25, rate: 100_000 };
  t.deepEqual(missed(figures), []);
  t.deepEqual(missed({ ...figures, underGbps: 2.99 }), ['flood.under_gbps']);
  t.deepEqual(missed({ ...figures, underGbps: NaN }), ['flood.under_gbps']);
});

test('a generator that is too slow proves nothing', (t) => {
  t.deepEqual(missed({ aloneGbps: 4, underGbps: 4, cpuPercent: 25, rate: 94_999 }), ['flood.datagrams_per_s']);
});
