import { setTimeout as delay } from 'node:timers/promises';
import { ScriptError } from '../command.ts';
import { setUpContenders } from '../contenders.ts';
import { anyAddress } from '../contenders/contender.ts';
import { DSCP_DEFAULT, DSCP_EF, echoFlow } from '../echo-flow.ts';
import { interleaved } from '../interleaved.ts';
import type { Lab } from '../lab.ts';
import { WARM_UP_SECONDS, tcpThroughput } from '../load.ts';
import { median, percentile, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import type { BenchmarkOptions } from './benchmark.ts';

const FLOW_SECONDS = 20;
const BULK_ALONE_SECONDS = 5;
const BULK_STREAMS = 4;
/** The bulk goes on until the last echo is back. */
const BULK_AFTER_SECONDS = 2;

const MOST_P50_MS = 1;
const MOST_P99_MS = 5;
const LEAST_BULK_SHARE = 0.8;

export interface VoiceFigures {
  readonly p50: number;
  readonly p99: number;
  /** Of all runs together. */
  readonly lost: number;
  readonly bulkGbps: number;
  readonly bulkAloneGbps: number;
}

/** A flow like a call while four cubic streams fill the tunnel; idloc once more with the flow unmarked. */
export async function benchVoice(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const contenders = await setUpContenders(lab, findings, options.who);
  const rows = contenders.flatMap((contender) => {
    const marked = { ...contender, dscp: DSCP_EF };
    return contender.who === 'idloc' ? [marked, { ...contender, who: 'idloc-unmarked', dscp: DSCP_DEFAULT }] : [marked];
  });
  const seconds = options.seconds ?? FLOW_SECONDS;
  const measured = await interleaved(findings, 'voice', rows, options.runs, async (row) => {
    const { who, from, to, dscp } = row;
    const address = anyAddress(row);
    const bulk = { from, to, address, streams: BULK_STREAMS, congestionControl: 'cubic' as const };
    const alone = await tcpThroughput({ ...bulk, seconds: Math.min(seconds, BULK_ALONE_SECONDS) });
    const [under, { sent, rttMs }] = await Promise.all([
      tcpThroughput({ ...bulk, seconds: seconds + BULK_AFTER_SECONDS }),
      delay(1000 * WARM_UP_SECONDS).then(async () => echoFlow({ from, to, address, dscp, seconds })),
    ]);
    if (rttMs.length === 0) throw new ScriptError('nothing of the flow came back');
    const [p50, p99] = [percentile(rttMs, 50), percentile(rttMs, 99)];
    const lost = sent - rttMs.length;
    progress(
      `voice: ${who} p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${lost} lost, ${under.gbps.toFixed(2)} Gb/s`,
    );
    return { p50, p99, lost, bulkGbps: under.gbps, bulkAloneGbps: alone.gbps };
  });
  const medians = new Map<string, VoiceFigures>();
  for (const [who, runs] of measured) {
    const figures = {
      p50: median(runs.map(({ p50 }) => p50)),
      p99: median(runs.map(({ p99 }) => p99)),
      lost: runs.reduce((sum, { lost }) => sum + lost, 0),
      bulkGbps: median(runs.map(({ bulkGbps }) => bulkGbps)),
      bulkAloneGbps: median(runs.map(({ bulkAloneGbps }) => bulkAloneGbps)),
    };
    medians.set(who, figures);
    findings.figure(`voice.${who}.p50_ms`, figures.p50);
    findings.figure(`voice.${who}.p99_ms`, figures.p99);
    findings.figure(`voice.${who}.lost`, figures.lost);
    findings.figure(`voice.${who}.bulk_gbps`, figures.bulkGbps);
    findings.figure(`voice.${who}.bulk_alone_gbps`, figures.bulkAloneGbps);
  }
  findings.note(`voice: ${seconds} s of 50 datagrams a second in each run; lost ones of all runs together`);
  for (const who of ['idloc', 'idloc-unmarked'])
    if (options.who.includes('idloc')) expectVoice(findings, who, medians.get(who));
}

/** @param figures undefined: not measured */
export function expectVoice(findings: Findings, who: string, figures: VoiceFigures | undefined): void {
  const { p50 = NaN, p99 = NaN, lost = NaN, bulkGbps = NaN, bulkAloneGbps = NaN } = figures ?? {};
  findings.expect(`voice.${who}.p50_ms`, p50 <= MOST_P50_MS, `at most ${MOST_P50_MS}`);
  findings.expect(`voice.${who}.p99_ms`, p99 <= MOST_P99_MS, `at most ${MOST_P99_MS}`);
  findings.expect(`voice.${who}.lost`, lost === 0, 'none');
  findings.expect(
    `voice.${who}.bulk_gbps`,
    bulkGbps >= LEAST_BULK_SHARE * bulkAloneGbps,
    `at least ${LEAST_BULK_SHARE} x its rate alone`,
  );
}
