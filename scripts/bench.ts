/** `scripts/bench NAME [--json]`: figures against something real in the same run. Exit status 1 when a bound was missed. */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import type { Benchmark } from './testbed/benchmarks/benchmark.ts';
import { benchBusy } from './testbed/benchmarks/busy.ts';
import { benchFlood } from './testbed/benchmarks/flood.ts';
import { benchFloods } from './testbed/benchmarks/floods.ts';
import { benchIdle } from './testbed/benchmarks/idle.ts';
import { benchJoin } from './testbed/benchmarks/join.ts';
import { benchLatency } from './testbed/benchmarks/latency.ts';
import { benchLinks } from './testbed/benchmarks/links.ts';
import { benchSetup } from './testbed/benchmarks/setup.ts';
import { benchSip } from './testbed/benchmarks/sip.ts';
import { benchThroughput } from './testbed/benchmarks/throughput.ts';
import { benchUdp } from './testbed/benchmarks/udp.ts';
import { benchVoice } from './testbed/benchmarks/voice.ts';
import { chosenContenders, knownContenders } from './testbed/contenders.ts';
import { Lab } from './testbed/lab.ts';
import { Findings, printFigures } from './testbed/report.ts';

const benchmarks: Readonly<Record<string, Benchmark>> = {
  throughput: benchThroughput,
  udp: benchUdp,
  voice: benchVoice,
  latency: benchLatency,
  busy: benchBusy,
  flood: benchFlood,
  floods: benchFloods,
  setup: benchSetup,
  join: benchJoin,
  sip: benchSip,
  idle: benchIdle,
  links: benchLinks,
};
const RUNS = 3;
const LINKS = 10_000;

function usage(why: string): never {
  process.stderr.write(
    `bench: ${why}; scripts/bench ${Object.keys(benchmarks).join('|')} [--who A,B] [--runs N] [--seconds N] [--links N] [--only A,B] [--json]\n`,
  );
  process.exit(2);
}

/** A whole number from 1 on. */
function count(option: string, text: string): number {
  return /^[1-9]\d{0,4}$/.test(text) ? Number(text) : usage(`${option} takes a whole number from 1 on`);
}

function parsed() {
  try {
    return parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        who: { type: 'string' },
        runs: { type: 'string', default: String(RUNS) },
        seconds: { type: 'string' },
        only: { type: 'string' },
        links: { type: 'string', default: String(LINKS) },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return usage(messageOf(error));
  }
}

const { values, positionals } = parsed();
const [name = ''] = positionals;
const benchmark = benchmarks[name];
if (benchmark === undefined || positionals.length !== 1) usage('which benchmark?');
const options = {
  runs: count('--runs', values.runs),
  seconds: values.seconds === undefined ? undefined : count('--seconds', values.seconds),
  links: count('--links', values.links),
  only: values.only?.split(','),
};

function chosen(): string[] {
  try {
    return chosenContenders(values.who, knownContenders());
  } catch (error) {
    return usage(messageOf(error));
  }
}

const who = chosen();
let lab: Lab | undefined;
try {
  lab = Lab.open();
  const findings = new Findings();
  await benchmark(lab, findings, { ...options, who });
  const report = findings.report(`bench ${name}`);
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else printFigures(report);
  process.exitCode = findings.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exitCode = 1;
} finally {
  lab?.close();
}
