import { z } from 'zod';
import { Agent, TUN_NAME } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { pingTimes } from '../../scripts/testbed/load.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'own.example';
/** For what takes some milliseconds. */
const PATIENCE_MS = 5_000;
const PUT_BACK = /put back what someone else took away.*/g;

const addressesSchema = z.array(
  z.object({
    flags: z.array(z.string()),
    mtu: z.number(),
    addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number(), scope: z.string() })),
  }),
);
const routesSchema = z.array(z.object({ type: z.string().optional(), dst: z.string(), metric: z.number().optional() }));

/** What the kernel has of the agent's, in one text. */
async function whatIsThere(machine: Namespace): Promise<string> {
  const [tun] = addressesSchema.parse(JSON.parse(await machine.ip('-json', 'address', 'show', 'dev', TUN_NAME)));
  const there = (tun?.addr_info ?? [])
    .filter(({ scope }) => scope === 'global')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
  for (const family of ['-4', '-6']) {
    const routes = routesSchema.parse(JSON.parse(await machine.ip(family, '-json', 'route', 'show', 'table', 'main')));
    for (const { type = 'unicast', dst, metric = 0 } of routes)
      if (dst === '198.18.0.0/15' || dst === '2001:20::/28') there.push(`${type} ${dst} ${metric}`);
  }
  return [...there.sort(), tun?.flags.includes('UP') ? 'up' : 'down', String(tun?.mtu)].join('\n');
}

async function twoAgents(lab: Lab): Promise<{ machine: Namespace; agent: Agent; other: Namespace }> {
  const [machine, other] = [await lab.namespace('a'), await lab.namespace('b')];
  await lab.cable(machine, 'eth0', other, 'eth0');
  await machine.ipBatch(['address add 192.168.7.1/24 dev eth0', 'link set eth0 up']);
  await other.ipBatch(['address add 192.168.7.2/24 dev eth0', 'link set eth0 up']);
  const agent = await Agent.start(lab, { namespace: machine, name: 'alice', overlay: { create: OVERLAY } });
  const guest = await Agent.start(lab, {
    namespace: other,
    name: 'bob',
    overlay: { join: await agent.invite() },
  });
  await guest.ping(`alice.${OVERLAY}`);
  return { machine, agent, other };
}

systemTest(
  'what another program takes from the interface, its addresses and the guard is there again at once, and the log says so',
  async (t, lab) => {
    const { machine, agent, other } = await twoAgents(lab);
    const { hit, ipv4 } = await agent.status();
    const before = await whatIsThere(machine);
    for (const part of [`${hit}/28`, `${ipv4 ?? ''}/15`, 'unreachable 2001:20::/28', 'unreachable 198.18.0.0/15', 'up'])
      t.true(before.includes(part), before);
    const lines = (): string[] => agent.process.stderr.match(PUT_BACK) ?? [];
    t.deepEqual(lines(), [], 'what the agent sets itself is not missing');
    const isBack = (what: string): Promise<true> =>
      eventually(`all is there again after ${what}`, PATIENCE_MS, async () =>
        (await whatIsThere(machine)) === before ? true : undefined,
      );

    for (const [what, missing] of [
      [['link set idloc0 down', 'link set idloc0 up'], [hit]],
      [['link set idloc0 down'], ['idloc0 up', hit]],
      [['address flush dev idloc0'], [hit, ipv4 ?? '']],
      [['link set idloc0 mtu 1000'], ['MTU', hit]],
      [
        ['-4 route flush proto static', '-6 route flush proto static'],
        ['unreachable 198.18.0.0/15', 'unreachable 2001:20::/28'],
      ],
      [
        ['-4 route flush dev idloc0', '-6 route flush dev idloc0'],
        ['route 198.18.0.0/15', 'route 2001:20::/28'],
      ],
    ] as const) {
      const said = lines().length;
      for (const line of what) await machine.ip(...line.split(' '));
      await isBack(what.join('; '));
      for (const part of missing)
        await eventually(`the log says that ${part} was missing`, PATIENCE_MS, () =>
          lines().slice(said).join('\n').includes(part) ? true : undefined,
        );
    }
    for (const address of [hit, ipv4 ?? '']) t.true((await pingTimes(other, address, 2, 200)).length > 0, address);
    t.is((await agent.status()).unexpectedErrors, 0);
  },
);

systemTest(
  'IPv6 that is switched off on the interface is missing in the status, and is back when it is on again',
  async (t, lab) => {
    const { machine, agent, other } = await twoAgents(lab);
    const { hit, ipv4 } = await agent.status();
    const before = await whatIsThere(machine);
    for (const which of [TUN_NAME, 'all']) {
      const turn = (value: number): Promise<void> => machine.sysctl(`net.ipv6.conf.${which}.disable_ipv6`, value);
      await turn(1);
      await eventually('the agent says that IPv6 is off', PATIENCE_MS, async () => {
        const { tun } = await agent.status();
        return tun?.addresses.join() === ipv4 ? true : undefined;
      });
      t.regex(await agent.cli('status'), new RegExp(`^tun +idloc0, MTU \\d+, without ${hit}$`, 'm'));
      await turn(0);
      await eventually(`all is there again after ${which}`, PATIENCE_MS, async () =>
        (await whatIsThere(machine)) === before ? true : undefined,
      );
      t.deepEqual((await agent.status()).tun?.addresses.toSorted(), [ipv4 ?? '', hit]);
      t.true((await pingTimes(other, hit, 2, 200)).length > 0);
    }
  },
);

systemTest(
  'against a program that takes the addresses again and again the agent keeps a moderate pace, and has the last word',
  async (t, lab) => {
    const { machine, agent } = await twoAgents(lab);
    const before = await whatIsThere(machine);
    const rounds = 100;
    await machine.run('bash', [
      '-c',
      `for i in $(seq ${rounds}); do ip address flush dev ${TUN_NAME}; sleep 0.01; done`,
    ]);
    await eventually('all is there again', PATIENCE_MS, async () =>
      (await whatIsThere(machine)) === before ? true : undefined,
    );
    const lines = agent.process.stderr.match(PUT_BACK) ?? [];
    t.true(lines.length > 0 && lines.length <= 13, `${lines.length} lines`);
    // What it writes itself makes it write no more.
    const { stdout } = await machine.tryRun('timeout', ['1.5', 'ip', 'monitor', 'link', 'address', 'route']);
    t.notRegex(stdout, new RegExp(TUN_NAME));
  },
);
