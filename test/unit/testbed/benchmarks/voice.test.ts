import test from 'ava';
import { expectVoice } from '../../../../scripts/testbed/benchmarks/voice.ts';
import type { VoiceFigures } from '../../../../scripts/testbed/benchmarks/voice.ts';
import { Findings } from '../../../../scripts/testbed/report.ts';

const GOOD: VoiceFigures = { p50: 1, p99: 5, lost: 0, bulkGbps: 3.2, bulkAloneGbps: 4 };

function missed(figures: VoiceFigures | undefined): readonly string[] {
  const findings = new Findings();
  expectVoice(findings, 'idloc', figures);
  return findings.report('').missed;
}

test('figures on their bounds hold, each beyond it is missed', (t) => {
  t.deepEqual(missed(GOOD), []);
  t.deepEqual(missed({ ...GOOD, p50: 1.001 }), ['voice.idloc.p50_ms']);
  t.deepEqual(missed({ ...GOOD, p99: 5.001 }), ['voice.idloc.p99_ms']);
  t.deepEqual(missed({ ...GOOD, lost: 1 }), ['voice.idloc.lost']);
  t.deepEqual(missed({ ...GOOD, bulkGbps: 3.19 }), ['voice.idloc.bulk_gbps']);
});

test('what was not measured misses all of them', (t) => {
  t.is(missed(undefined).length, 4);
});
