/**
 * `scripts/sim halves [--nodes N] [--seed N] [--json]`, `scripts/sim churn [--agents N] [--minutes N] [--seed N] [--json]`: figures
 * of the simulated overlay, in virtual time. Exit status 1: a bound was missed.
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { halves } from './testbed/halves.ts';
import { Findings, printFigures, progress } from './testbed/report.ts';
import { simChurn } from './testbed/sim-churn.ts';

const NODES = 300;
const AGENTS = 30;
const MINUTES = 5;
const SEED = 20261129;

function usage(why: string): never {
  process.stderr.write(
    `sim: ${why}; scripts/sim halves [--nodes N] | churn [--agents N] [--minutes N], [--seed N] [--json]\n`,
  );
  process.exit(2);
}

function parsed() {
  try {
    return parseArgs({
      options: {
        nodes: { type: 'string', default: String(NODES) },
        agents: { type: 'string', default: String(AGENTS) },
        minutes: { type: 'string', default: String(MINUTES) },
        seed: { type: 'string', default: String(SEED) },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return usage(messageOf(error));
  }
}

function number(option: string, text: string, least: number): number {
  return /^\d{1,9}$/.test(text) && Number(text) >= least
    ? Number(text)
    : usage(`${option} takes a whole number from ${least} on`);
}

const { values, positionals } = parsed();
const [what] = positionals;
if (positionals.length !== 1 || (what !== 'halves' && what !== 'churn')) usage('what?');
const seed = number('--seed', values.seed, 0);
const findings = new Findings();
findings.note(`seed ${seed}`);
if (what === 'halves') halves(findings, { nodes: number('--nodes', values.nodes, 4), seed }, progress);
else {
  const options = {
    agents: number('--agents', values.agents, 6),
    minutes: number('--minutes', values.minutes, 1),
    seed,
  };
  simChurn(findings, options, progress);
}
const report = findings.report(`sim ${what}`);
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else printFigures(report);
process.exitCode = findings.ok ? 0 : 1;
