import { setUpContenders } from '../contenders.ts';
import { anyAddress } from '../contenders/contender.ts';
import { ScriptError } from '../command.ts';
import { interleaved } from '../interleaved.ts';
import type { Lab } from '../lab.ts';
import { pingTimes } from '../load.ts';
import { median, percentile, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import type { BenchmarkOptions } from './benchmark.ts';

const PING_SECONDS = 3;
const INTERVAL_MS = 10;

/** The bound holds against each of them. */
const RIVALS = ['wireguard-go', 'wireguard-go-new'] as const;

/** Ping through the idle tunnel. */
export async function benchLatency(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const contenders = await setUpContenders(lab, findings, options.who);
  const pings = Math.ceil((1000 * (options.seconds ?? PING_SECONDS)) / INTERVAL_MS);
  const measured = await interleaved(findings, 'ping', contenders, options.runs, async (contender) => {
    const times = await pingTimes(contender.from, anyAddress(contender), pings, INTERVAL_MS);
    if (times.length < pings) throw new ScriptError(`${pings - times.length} of ${pings} pings were lost`);
    const meanUs = (1000 * times.reduce((sum, time) => sum + time, 0)) / times.length;
    return { meanUs, p99Us: 1000 * percentile(times, 99) };
  });
  const means = new Map<string, number>();
  for (const [who, runs] of measured) {
    const mean = median(runs.map(({ meanUs }) => meanUs));
    means.set(who, mean);
    findings.figure(`latency.${who}.mean_us`, mean, 1);
    findings.figure(`latency.${who}.p99_us`, median(runs.map(({ p99Us }) => p99Us)), 1);
    progress(`ping: ${who} ${mean.toFixed(0)} us`);
  }
  expectLatency(findings, means, options.who);
}

export function expectLatency(findings: Findings, means: ReadonlyMap<string, number>, who: readonly string[]): void {
  if (!who.includes('idloc')) return;
  for (const rival of RIVALS)
    if (who.includes(rival))
      findings.expect(
        'latency.idloc.mean_us',
        (means.get('idloc') ?? NaN) <= (means.get(rival) ?? NaN),
        means.has(rival) ? `at most ${rival}'s` : `at most ${rival}'s, but that was not measured`,
      );
    else findings.note(`latency.idloc.mean_us is not held against ${rival}, who was not asked for`);
}
