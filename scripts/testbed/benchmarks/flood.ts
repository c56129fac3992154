import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../src/base/errors.ts';
import { ScriptError } from '../command.ts';
import { anyAddress, cabledPair } from '../contenders/contender.ts';
import { idlocPair } from '../contenders/idloc.ts';
import { Stranger } from '../garbage-flood.ts';
import type { Lab } from '../lab.ts';
import { tcpThroughput } from '../load.ts';
import { cpuSeconds, interruptSeconds } from '../processes.ts';
import { median, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import type { BenchmarkOptions } from './benchmark.ts';

const RATE = 100_000;
/** Less is not the flood that the bound is about. */
const LEAST_RATE = 0.95 * RATE;
const LOAD_SECONDS = 5;
const CPU_SECONDS = 3;
const SETTLE_MS = 500;

export interface FloodFigures {
  readonly aloneGbps: number;
  readonly underGbps: number;
  /** Of all cores. */
  readonly cpuPercent: number;
  /** Datagrams a second, the least of all runs. */
  readonly rate: number;
}

/** One TCP stream through the tunnel while a stranger throws garbage at the port of the receiving agent. */
export async function benchFlood(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const pair = await cabledPair(lab, 'idloc');
  const stranger = await Stranger.beside(lab, pair.b);
  progress('setting up idloc');
  const { contender, two } = await idlocPair(lab, pair);
  const port = Number(/:(\d+)$/.exec((await two.status()).listen[0] ?? '')?.[1]);
  if (!(port > 0)) throw new ScriptError('the agent does not say on which port it listens');
  const { from, to } = contender;
  const load = { from, to, address: anyAddress(contender), streams: 1, congestionControl: 'cubic' as const };
  const throughput = async (): Promise<number> =>
    (await tcpThroughput({ ...load, seconds: options.seconds ?? LOAD_SECONDS })).gbps;

  const runs: FloodFigures[] = [];
  for (let run = 0; run < options.runs; run++) {
    const aloneGbps = await throughput();
    const [underGbps, rateUnder] = await stranger.flood(port, RATE, 2 * run, async () => {
      await delay(SETTLE_MS);
      try {
        return await throughput();
      } catch (error) {
        findings.note(`under the flood nothing gets through: ${messageOf(error)}`);
        return 0;
      }
    });
    await delay(SETTLE_MS);
    const agent = two.process.pid;
    const idle = await shareOf([agent]);
    const [flooded, rateAlone] = await stranger.flood(port, RATE, 2 * run + 1, async (generator) => {
      await delay(SETTLE_MS);
      return shareOf([agent, generator.pid]);
    });
    const figures = { aloneGbps, underGbps, cpuPercent: 100 * (flooded - idle), rate: Math.min(rateUnder, rateAlone) };
    progress(
      `flood of ${Math.round(figures.rate)}/s: ${aloneGbps.toFixed(2)} Gb/s alone, ${underGbps.toFixed(2)} under it; ` +
        `it takes ${figures.cpuPercent.toFixed(1)} % of the CPU`,
    );
    runs.push(figures);
  }
  const figures = {
    aloneGbps: median(runs.map(({ aloneGbps }) => aloneGbps)),
    underGbps: median(runs.map(({ underGbps }) => underGbps)),
    cpuPercent: median(runs.map(({ cpuPercent }) => cpuPercent)),
    rate: Math.min(...runs.map(({ rate }) => rate)),
  };
  findings.figure('flood.alone_gbps', figures.aloneGbps);
  findings.figure('flood.under_gbps', figures.underGbps);
  findings.figure('flood.cpu_percent', figures.cpuPercent, 1);
  findings.figure('flood.datagrams_per_s', figures.rate, 0);
  findings.note(
    'flood.cpu_percent: of all cores, the generator, the interrupts and the agent together, with the tunnel idle; cubic',
  );
  expectFlood(findings, figures);
}

export function expectFlood(findings: Findings, { aloneGbps, underGbps, cpuPercent, rate }: FloodFigures): void {
  findings.expect(
    'flood.under_gbps',
    underGbps >= (1 - cpuPercent / 100) * aloneGbps,
    'falls by no more than the CPU that the flood takes',
  );
  findings.expect('flood.datagrams_per_s', rate >= LEAST_RATE, `at least ${LEAST_RATE}, or it is no such flood`);
}

/** How much of all cores some processes and the kernel's interrupts use, from 0 to 1. */
async function shareOf(pids: readonly number[]): Promise<number> {
  const used = async (): Promise<number> => (await cpuSeconds(pids)) + (await interruptSeconds());
  const before = await used();
  const from = performance.now();
  await delay(1000 * CPU_SECONDS);
  const seconds = (performance.now() - from) / 1000;
  return ((await used()) - before) / seconds / cpus().length;
}
