import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BackgroundProcess } from '../command.ts';
import { anyAddress, cabledPair } from '../contenders/contender.ts';
import { idlocPair } from '../contenders/idloc.ts';
import { interleaved } from '../interleaved.ts';
import type { Lab } from '../lab.ts';
import { congestionControls, tcpThroughput } from '../load.ts';
import { mainThreadSeconds } from '../processes.ts';
import { median, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import type { BenchmarkOptions } from './benchmark.ts';

const LOAD_SECONDS = 5;
const MOST_COST_PERCENT = 10;
const SWITCH = 'SIGUSR2';
const PRELOAD = pathToFileURL(join(import.meta.dirname, '../busy-javascript.ts')).href;
const START_TIMEOUT_MS = 10_000;

/**
 * One TCP stream while the JavaScript of both agents is kept busy, against the same while it is idle; and while two other
 * programs are as busy, which says how much of the cost is that everybody, iperf3 too, has less CPU.
 */
export async function benchBusy(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  progress('setting up idloc');
  const pair = await cabledPair(lab, 'idloc');
  const { contender, one, two } = await idlocPair(lab, pair, { NODE_OPTIONS: `--import=${PRELOAD}` });
  const agents = [one.process.pid, two.process.pid];
  const outside = [await bystander(), await bystander()];
  const rows = [
    { who: 'idle', busy: [] },
    { who: 'busy', busy: agents },
    { who: 'outside', busy: outside.map(({ pid }) => pid) },
  ];
  const { from, to } = contender;
  for (const congestionControl of await congestionControls()) {
    const load = { from, to, address: anyAddress(contender), streams: 1, congestionControl };
    const what = `busy ${congestionControl}`;
    const measured = await interleaved(findings, what, rows, options.runs, async ({ who, busy }) => {
      for (const pid of busy) process.kill(pid, SWITCH);
      try {
        const before = await javascriptSeconds(agents);
        const since = performance.now();
        const { gbps } = await tcpThroughput({ ...load, seconds: options.seconds ?? LOAD_SECONDS });
        const seconds = (performance.now() - since) / 1000;
        const corePercent = (100 * ((await javascriptSeconds(agents)) - before)) / seconds / agents.length;
        const javascript = `JavaScript of an agent gets ${corePercent.toFixed(0)} % of a core`;
        progress(`${what}: ${who}: ${gbps.toFixed(2)} Gb/s, ${javascript}`);
        return { gbps, corePercent };
      } finally {
        for (const pid of busy) process.kill(pid, SWITCH);
      }
    });
    const gbps = (who: string): number => median((measured.get(who) ?? []).map((run) => run.gbps));
    const figure = (name: string): string => `busy.${congestionControl}.${name}`;
    const costPercent = 100 * (1 - gbps('busy') / gbps('idle'));
    findings.figure(figure('idle_gbps'), gbps('idle'));
    findings.figure(figure('busy_gbps'), gbps('busy'));
    findings.figure(figure('outside_gbps'), gbps('outside'));
    findings.figure(figure('cost_percent'), costPercent, 1);
    const corePercents = (measured.get('busy') ?? []).map((run) => run.corePercent);
    findings.figure(figure('javascript_percent'), median(corePercents), 1);
    findings.expect(figure('cost_percent'), costPercent <= MOST_COST_PERCENT, `at most ${MOST_COST_PERCENT}`);
  }
  await Promise.all(outside.map(async (program) => program.stop()));
  findings.note('busy: the JavaScript of both agents; outside: two other programs instead');
}

/** A program that has nothing to do with the tunnel. */
async function bystander(): Promise<BackgroundProcess> {
  const wait = 'process.stdout.write("ready\\n"); setInterval(() => undefined, 3_600_000)';
  const program = new BackgroundProcess(process.execPath, ['--import', PRELOAD, '-e', wait]);
  await program.waitFor(/ready/, START_TIMEOUT_MS);
  return program;
}

async function javascriptSeconds(pids: readonly number[]): Promise<number> {
  let sum = 0;
  for (const pid of pids) sum += await mainThreadSeconds(pid);
  return sum;
}
