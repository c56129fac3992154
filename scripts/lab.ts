/** `scripts/lab up [--agents]`: the test network of the demo, to try things in by hand, until Ctrl-C; the others measure. */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { churn } from './testbed/churn.ts';
import { Lab } from './testbed/lab.ts';
import { Findings, printFigures, progress } from './testbed/report.ts';
import { renewal } from './testbed/renewal.ts';
import { threeHosts } from './testbed/three-hosts.ts';
import { twoHomes } from './testbed/topology.ts';

/** Two cores bear it: a start costs half a second of one. */
const KILL_EVERY_MS = 8_000;

const USES = [
  'up [--agents]',
  'churn [--hosts N] [--minutes N] [--json]',
  'renewal [--certificate-lifetime SECONDS] [--minutes N] [--json]',
];

function usage(why: string): never {
  process.stderr.write(`lab: ${why}; scripts/lab ${USES.join(' | ')}\n`);
  process.exit(2);
}

function parsed() {
  try {
    return parseArgs({
      options: {
        agents: { type: 'boolean', default: false },
        hosts: { type: 'string', default: '30' },
        minutes: { type: 'string', default: '10' },
        'certificate-lifetime': { type: 'string', default: '120' },
        json: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return usage(messageOf(error));
  }
}

const { values, positionals } = parsed();

function number(option: string, text: string, least: number): number {
  const value = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  return value >= least ? value : usage(`${option} takes a number from ${least} on`);
}

async function up(lab: Lab): Promise<void> {
  const agents = values.agents ? await threeHosts(lab, progress) : undefined;
  const homes = agents?.homes ?? (await twoHomes(lab));
  for (const { name, namespace, address } of [homes.peer, homes.a, homes.b])
    process.stdout.write(`${name} ${address}: ip netns exec ${namespace.name} bash\n`);
  for (const { namespace, address } of [homes.natA, homes.natB, homes.natC])
    process.stdout.write(`router ${address}: ip netns exec ${namespace.name} bash\n`);
  if (agents !== undefined)
    for (const { name, socket } of [agents.peer, agents.alice, agents.bob])
      process.stdout.write(`agent ${name}: npx idloc status --socket ${socket}\n`);
  process.stderr.write('Ctrl-C takes it down.\n');
  setInterval(() => undefined, 3_600_000);
}

type Measure = (lab: Lab, findings: Findings, minutes: number) => Promise<void>;

const MEASURES: Readonly<Record<string, Measure>> = {
  churn: (lab, findings, minutes) => {
    // With fewer there are not two copies of everything.
    const agents = Math.floor(number('--hosts', values.hosts, 4));
    return churn(lab, findings, { agents, minutes, killEveryMs: KILL_EVERY_MS }, progress);
  },
  renewal: (lab, findings, minutes) => {
    const lifetimeS = Math.floor(number('--certificate-lifetime', values['certificate-lifetime'], 60));
    return renewal(lab, findings, { lifetimeS, minutes }, progress);
  },
};

async function figuresOf(what: string, measure: Measure): Promise<void> {
  const minutes = number('--minutes', values.minutes, 0.1);
  const findings = new Findings();
  const lab = Lab.open();
  await measure(lab, findings, minutes);
  const report = findings.report(`lab ${what}`);
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else printFigures(report);
  process.exitCode = findings.ok ? 0 : 1;
  lab.close();
}

const [what = ''] = positionals;
const measure = Object.hasOwn(MEASURES, what) ? MEASURES[what] : undefined;
if (positionals.length !== 1 || (what !== 'up' && measure === undefined)) usage('up, churn or renewal?');
try {
  await (measure === undefined ? up(Lab.open()) : figuresOf(what, measure));
} catch (error) {
  process.stderr.write(`lab: ${messageOf(error)}\n`);
  process.exit(1);
}
