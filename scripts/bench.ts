/** `scripts/bench NAME [--json]`: figures against something real in the same run. Exit status 1 when a bound was missed. */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { benchIdle, benchLatency, benchSetup, benchThroughput } from './testbed/benchmarks.ts';
import { Lab } from './testbed/lab.ts';
import { printFigures } from './testbed/report.ts';
import type { Findings } from './testbed/report.ts';

const benchmarks: Readonly<Record<string, (lab: Lab) => Promise<Findings>>> = {
  throughput: benchThroughput,
  latency: benchLatency,
  setup: benchSetup,
  idle: benchIdle,
};

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [name = ''] = positionals;
const benchmark = benchmarks[name];
if (benchmark === undefined || positionals.length !== 1) {
  process.stderr.write(`usage: scripts/bench ${Object.keys(benchmarks).join('|')} [--json]\n`);
  process.exit(2);
}

let lab: Lab | undefined;
try {
  lab = Lab.open();
  const findings = await benchmark(lab);
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
