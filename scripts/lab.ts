/** `scripts/lab up [--agents]`: the test network of the demo, to try things in by hand, until Ctrl-C. */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { Lab } from './testbed/lab.ts';
import { progress } from './testbed/report.ts';
import { threeHosts } from './testbed/three-hosts.ts';
import { twoHomes } from './testbed/topology.ts';

const { values, positionals } = parseArgs({
  options: { agents: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (positionals.length !== 1 || positionals[0] !== 'up') {
  process.stderr.write('usage: scripts/lab up [--agents]\n');
  process.exit(2);
}

try {
  const lab = Lab.open();
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
} catch (error) {
  process.stderr.write(`lab: ${messageOf(error)}\n`);
  process.exit(1);
}
