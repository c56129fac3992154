import test from 'ava';
import { expectLatency } from '../../../../scripts/testbed/benchmarks/latency.ts';
import { Findings } from '../../../../scripts/testbed/report.ts';

function isMissed(means: Readonly<Record<string, number>>, who: readonly string[]): boolean {
  const findings = new Findings();
  expectLatency(findings, new Map(Object.entries(means)), who);
  return !findings.ok;
}

test('a ping no slower than both wireguard-gos holds its bound, one slower than either misses it', (t) => {
  const who = ['idloc', 'wireguard-go', 'wireguard-go-new'];
  t.false(isMissed({ idloc: 80, 'wireguard-go': 170, 'wireguard-go-new': 80 }, who));
  t.true(isMissed({ idloc: 80, 'wireguard-go': 79, 'wireguard-go-new': 170 }, who));
  t.true(isMissed({ idloc: 80, 'wireguard-go': 170, 'wireguard-go-new': 79 }, who));
});

test('a rival that was asked for and not measured misses the bound', (t) => {
  t.true(isMissed({ idloc: 80, 'wireguard-go': 170 }, ['idloc', 'wireguard-go', 'wireguard-go-new']));
  t.false(isMissed({ idloc: 80, 'wireguard-go': 170 }, ['idloc', 'wireguard-go']));
  t.true(isMissed({ 'wireguard-go': 170 }, ['idloc', 'wireguard-go']));
});
