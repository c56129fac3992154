import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { Coturn } from '../../scripts/testbed/coturn.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { useResolver } from '../../scripts/testbed/nat64.ts';
import { Internet, type Host, type NatRouter } from '../../scripts/testbed/topology.ts';
import { decodeTicket } from '../../src/identity/ticket.ts';
import { systemTest } from './support/system-test.ts';

const SCRIPTS = join(import.meta.dirname, '../../scripts/testbed');
const PORT = 6084;
const NOTICED_MS = 15_000;
/** The only ways in are those that a test is about. */
const NO_OTHER_WAY = 'mdns = false\nport_mapping = false\n';

/**
 *     outside 203.0.113.20      nat a 203.0.113.1, which lets in whoever sends to its port 6084
 *           |                        |
 *     ------+-------- internet ------+
 *                                    |
 *                             192.168.1.0/24
 *                              founder a .10
 */
interface OpenHome {
  readonly internet: Internet;
  readonly router: NatRouter;
  readonly home: Host;
  readonly outside: Host;
}

async function openHome(lab: Lab): Promise<OpenHome> {
  const internet = await Internet.create(lab);
  const outside = await internet.publicHost('outside', '203.0.113.20');
  const router = await internet.natRouter('nat-a', '203.0.113.1', '192.168.1');
  const home = await internet.mobileHost('a');
  await router.plug(home);
  await router.forwardPort(PORT, home);
  return { internet, router, home, outside };
}

/** The newcomer's agent, a member now, and where it sends what it has for the founder. */
async function joins(lab: Lab, { namespace }: Host, ticket: string): Promise<{ bob: Agent; remote?: string }> {
  const bob = await Agent.start(lab, {
    ...{ namespace, name: 'bob', overlay: { join: ticket }, tun: false },
    configuration: NO_OTHER_WAY,
  });
  const [link] = (await bob.status()).links;
  return link?.path === undefined || link.path === null ? { bob } : { bob, remote: link.path.remote };
}

systemTest(
  'a founder behind a router that forwards its port: the address that it advertises leads a newcomer from outside in',
  async (t, lab) => {
    const { router, home, outside } = await openHome(lab);
    const advertised = `${router.address}:${PORT}`;
    const founder = (configuration: string): Parameters<typeof Agent.launch>[1] => ({
      ...{ namespace: home.namespace, name: 'alice', overlay: { create: 'advertised.example' }, tun: false },
      configuration,
    });
    const alice = await Agent.start(lab, founder(`${NO_OTHER_WAY}advertise = ["${advertised}"]\n`));
    const ticket = await alice.invite();
    t.deepEqual(decodeTicket(ticket, Date.now()).addresses, [
      { address: router.address, port: PORT },
      { address: home.address, port: PORT },
    ]);
    const { bob, remote } = await joins(lab, outside, ticket);
    t.is(remote, advertised);
    t.true((await bob.ping('alice.advertised.example')).direct);
    await bob.stop();
    await alice.stop();
  },
);

systemTest(
  'a founder behind a NAT that lets everybody in at its port: a STUN server of its configuration tells where, and a newcomer from outside comes in by that',
  async (t, lab) => {
    const { internet, router, home, outside } = await openHome(lab);
    const server = await internet.publicHost('stun', '203.0.113.30');
    const coturn = await Coturn.start(lab, server.namespace, server.address);
    const alice = await Agent.start(lab, {
      ...{ namespace: home.namespace, name: 'alice', overlay: { create: 'reflexive.example' }, tun: false },
      configuration: `${NO_OTHER_WAY}stun = ["${coturn.endpoint}"]\n`,
    });
    const seenAt = `${router.address}:${PORT}`;
    await eventually('the founder knows where it is seen', NOTICED_MS, async () =>
      (await alice.status()).nat.mapped.includes(seenAt) ? true : undefined,
    );
    const ticket = await alice.invite();
    t.deepEqual(decodeTicket(ticket, Date.now()).addresses, [
      { address: router.address, port: PORT },
      { address: home.address, port: PORT },
    ]);
    const { bob, remote } = await joins(lab, outside, ticket);
    t.is(remote, seenAt);
    t.true((await bob.ping('alice.reflexive.example')).direct);
    await bob.stop();
    await alice.stop();
    await coturn.stop();
  },
);

systemTest(
  'where everybody has moved, SRV records of the domain lead a newcomer with an old ticket in, and a member that was switched off back, also when the resolver is another one meanwhile',
  async (t, lab) => {
    const overlay = 'corp.example.net';
    const internet = await Internet.create(lab);
    const hq = await internet.publicHost('hq', '203.0.113.40');
    const desk = await internet.publicHost('desk', '203.0.113.50');
    const late = await internet.publicHost('late', '203.0.113.60');
    const resolver = await internet.publicHost('resolver', '203.0.113.53');
    const records = join(lab.directory, 'records.json');
    const publish = (address: string): void => {
      const data = { priority: 0, weight: 0, port: PORT, target: 'hq.corp.example.net' };
      writeFileSync(
        records,
        JSON.stringify([
          { type: 'SRV', name: `_idloc._udp.${overlay}`, ttl: 60, data },
          { type: 'A', name: 'hq.corp.example.net', ttl: 60, data: address },
        ]),
      );
    };
    const move = async (host: Host, address: string): Promise<void> => {
      const { namespace, interfaceName } = host;
      await namespace.ip('address', 'delete', `${host.address}/24`, 'dev', interfaceName);
      await namespace.ip('address', 'add', `${address}/24`, 'dev', interfaceName);
      host.address = address;
    };
    publish(hq.address);
    await resolver.namespace
      .start(process.execPath, [join(SCRIPTS, 'name-server.ts'), resolver.address, records])
      .waitFor(/ready/, NOTICED_MS);

    const settings = { tun: false, configuration: NO_OTHER_WAY };
    const alice = await Agent.start(lab, {
      ...{ namespace: hq.namespace, name: 'alice', overlay: { create: overlay }, ...settings },
    });
    const [first, second] = [await alice.invite(), await alice.invite()];
    // Nobody answers there.
    useResolver(lab, desk.namespace, '203.0.113.99');
    const bob = await Agent.start(lab, {
      ...{ namespace: desk.namespace, name: 'bob', overlay: { join: first }, ...settings },
    });
    await bob.crash();
    await move(hq, '203.0.113.41');
    await move(desk, '203.0.113.51');
    publish(hq.address);

    const again = bob.launchAgain();
    useResolver(lab, late.namespace, resolver.address);
    const carol = await Agent.start(lab, {
      ...{ namespace: late.namespace, name: 'carol', overlay: { join: second }, ...settings },
    });
    t.is((await carol.status()).links[0]?.path?.remote, `${hq.address}:${PORT}`);

    t.not((await again.status()).state, 'joined');
    // In another network, with a resolver of its own.
    useResolver(lab, desk.namespace, resolver.address);
    await move(desk, '203.0.113.52');
    const begun = performance.now();
    await again.ready();
    t.log(`back after ${((performance.now() - begun) / 1_000).toFixed(1)} s in the other network`);
    const { hit } = await alice.status();
    t.is((await again.link(hit))?.path?.remote, `${hq.address}:${PORT}`);
    for (const agent of [carol, again, alice]) await agent.stop();
  },
);
