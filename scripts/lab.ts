/** `scripts/lab up [--agents]`: the test network of the demo, to try things in by hand, until Ctrl-C; the others measure. */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { churn } from './testbed/churn.ts';
import { FLOWS, handover } from './testbed/handover/handover.ts';
import { MOVES } from './testbed/handover/moves.ts';
import { knownTunnels } from './testbed/handover/tunnels.ts';
import { natMatrix } from './testbed/nat-matrix/nat-matrix.ts';
import { KINDS, QUICK, SHARED } from './testbed/nat-matrix/kinds.ts';
import { Lab } from './testbed/lab.ts';
import { knownPhones } from './testbed/phones/known-phones.ts';
import { phonePairs } from './testbed/phones/pairs.ts';
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
  'nat-matrix [--quick | --only KINDS] [--json]',
  'handover [--only MOVES] [--who NAMES] [--flow NAMES] [--rtt MS,MS] [--repeat N] [--links N] [--json]',
  'phones [--only CALLERS[:CALLEES]] [--json]',
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
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        who: { type: 'string' },
        flow: { type: 'string' },
        rtt: { type: 'string', default: '0,60' },
        links: { type: 'string', default: '1000' },
        repeat: { type: 'string', default: '5' },
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

/** Some of what there is, in its order: `--only hard,rebind`. */
function chosen<T extends string>(option: string, text: string | undefined, known: readonly T[]): readonly T[] {
  if (text === undefined) return known;
  const names = text.split(',');
  const unknown = names.find((name) => !known.some((one) => one === name));
  if (unknown !== undefined) return usage(`${option} takes some of ${known.join(',')}, not ${unknown}`);
  return known.filter((name) => names.includes(name));
}

function minutes(): number {
  return number('--minutes', values.minutes, 0.1);
}

/** Makes what networks it needs; all are taken down when the command ends, however it does. */
type Measure = (findings: Findings) => Promise<void>;

const MEASURES: Readonly<Record<string, Measure>> = {
  churn: async (findings) => {
    // With fewer there are not two copies of everything.
    const agents = Math.floor(number('--hosts', values.hosts, 4));
    await churn(Lab.open(), findings, { agents, minutes: minutes(), killEveryMs: KILL_EVERY_MS }, progress);
  },
  renewal: async (findings) => {
    const lifetimeS = Math.floor(number('--certificate-lifetime', values['certificate-lifetime'], 60));
    await renewal(Lab.open(), findings, { lifetimeS, minutes: minutes() }, progress);
  },
  'nat-matrix': async (findings) => {
    const known = [...KINDS.map(({ name }) => name), ...SHARED];
    const names = chosen('--only', values.quick ? QUICK.join(',') : values.only, known);
    const options = {
      kinds: KINDS.filter(({ name }) => names.includes(name)),
      places: SHARED.filter((name) => names.includes(name)),
    };
    await natMatrix(Lab.open(), findings, options, progress);
  },
  handover: async (findings) => {
    const options = {
      moves: chosen('--only', values.only, Object.keys(MOVES)),
      who: chosen('--who', values.who, [...knownTunnels().keys()]),
      flows: chosen('--flow', values.flow, FLOWS),
      roundTripsMs: values.rtt.split(',').map((text) => number('--rtt', text, 0)),
      links: Math.floor(number('--links', values.links, 1)),
      repetitions: Math.floor(number('--repeat', values.repeat, 1)),
    };
    await handover(findings, options, progress);
  },
  phones: async (findings) => {
    const known = [...knownPhones(0).keys()];
    const [callers = '', callees = callers] = (values.only ?? known.join(',')).split(':');
    await phonePairs(
      findings,
      { callers: chosen('--only', callers, known), callees: chosen('--only', callees, known) },
      progress,
    );
  },
};

async function figuresOf(what: string, measure: Measure): Promise<void> {
  const findings = new Findings();
  await measure(findings);
  const report = findings.report(`lab ${what}`);
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else printFigures(report);
  // The handler of the end takes the networks down.
  process.exit(findings.ok ? 0 : 1);
}

const [what = ''] = positionals;
const measure = Object.hasOwn(MEASURES, what) ? MEASURES[what] : undefined;
if (positionals.length !== 1 || (what !== 'up' && measure === undefined)) usage('which?');
try {
  await (measure === undefined ? up(Lab.open()) : figuresOf(what, measure));
} catch (error) {
  process.stderr.write(`lab: ${messageOf(error)}\n`);
  process.exit(1);
}
