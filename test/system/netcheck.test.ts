import { Backbone, HOME_NAT, NO_NAT, type Behaviour } from '../../scripts/testbed/access-network.ts';
import { Agent } from '../../scripts/testbed/agent.ts';
import { Coturn } from '../../scripts/testbed/coturn.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Result } from '../../src/control/schemas.ts';
import { systemTest } from './support/system-test.ts';

const START_TIMEOUT_MS = 60_000;
const OVERLAY = 'netcheck.example';
const SYMMETRIC: Behaviour = { mapping: 'address-port', filtering: 'address-port' };

async function netcheck(agent: Agent): Promise<Result<'netcheck'>> {
  return JSON.parse(await agent.cli('netcheck', '--json')) as Result<'netcheck'>;
}

systemTest(
  'netcheck tells a home NAT, a symmetric one and none apart, and whom they let in, notices that UDP is blocked, and says in one line that no agent runs',
  async (t, lab) => {
    const backbone = await Backbone.create(lab);
    const server = await backbone.publicHost('server');
    const otherAddress = await backbone.anotherAddress(server);
    const { endpoint } = await Coturn.start(lab, server.namespace, server.address, { otherAddress });
    const configuration = `stun = ["${endpoint}"]\n`;
    let ticket: string | undefined;
    for (const name of ['one', 'two']) {
      const agent = await Agent.start(lab, {
        namespace: (await backbone.publicHost(name)).namespace,
        name,
        overlay: ticket === undefined ? { create: OVERLAY } : { join: ticket },
      });
      ticket ??= (await agent.cli('invite', '--uses', '9')).trim();
    }
    const inside = async (name: string, behaviour: Behaviour) => {
      const network = await backbone.access(`${name}-r`, behaviour);
      const host = await backbone.host(name);
      await network.plug(host, 2);
      const agent = await Agent.start(lab, {
        namespace: host.namespace,
        name,
        overlay: { join: ticket ?? '' },
        configuration,
      });
      return { agent, network };
    };
    const home = await inside('home', HOME_NAT);
    const symmetric = await inside('symmetric', SYMMETRIC);
    const open = await inside('open', NO_NAT);

    const [all, ports] = ['endpoint-independent', 'address-and-port-dependent'] as const;
    const expected = [
      [home, all, ports, 'private', /keeps one port for all peers/, /forward UDP port/],
      [symmetric, ports, ports, 'private', /another port \(symmetric\)/, /endpoint-independent mapping/],
      [open, 'none', all, 'global', /^no NAT/, /^IPv6$/],
    ] as const;
    for (const [{ agent }, mapping, filtering, ipv4, kind, ask] of expected) {
      const found = await eventually(`${mapping} is seen`, START_TIMEOUT_MS, async () => {
        const result = await netcheck(agent);
        return result.nat.mapping === mapping && result.relays.length === 2 ? result : undefined;
      });
      t.regex(found.nat.kind, kind);
      t.is(found.nat.filtering, filtering);
      t.deepEqual([found.udp, found.ipv4, found.ipv6, found.nat64], ['works', ipv4, 'none', []]);
      t.true(
        found.ask.some((line) => ask.test(line)),
        found.ask.join('\n'),
      );
      t.true(found.works.length > 0);
    }
    t.regex(await home.agent.cli('netcheck'), /^nat +a NAT that keeps one port[^]*\nWILL WORK\n- /);

    for (const [filtering, called] of [
      ['address', 'address-dependent'],
      ['independent', 'endpoint-independent'],
    ] as const) {
      await home.network.set({ filtering });
      t.is((await netcheck(home.agent)).nat.filtering, called);
    }

    await home.network.set({ udp: 'off' });
    const blocked = await netcheck(home.agent);
    t.is(blocked.udp, 'blocked');
    t.regex(blocked.ask[0] ?? '', /^let UDP out/);

    await open.agent.stop();
    const error = await t.throwsAsync(open.agent.cli('netcheck'));
    t.regex(error.message, /idloc up/);
  },
);
