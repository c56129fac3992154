import { Agent } from '../../scripts/testbed/agent.ts';
import { Coturn } from '../../scripts/testbed/coturn.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { type Host, Internet, twoHomes } from '../../scripts/testbed/topology.ts';
import { packetsPass, reachByTurn } from './support/both-ways.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'turn.example';
const PEER = { v4: '203.0.113.10', v6: '2001:db8::10' };
/** Nothing is handed on as a hop. */
const NO_HOPS = '[relay]\nenable = false\n';
const SERVER = `${NO_HOPS}[turn_server]\nenable = true\n`;

async function addIpv6({ namespace, interfaceName }: Host, address: string): Promise<void> {
  await namespace.ip('address', 'add', `${address}/64`, 'dev', interfaceName, 'nodad');
}

/** One with an IPv6 address and no other. */
async function ipv6Host(internet: Internet, name: string, address: string): Promise<Host> {
  const host = await internet.publicHost(name, '203.0.113.200');
  await host.namespace.ip('-4', 'address', 'flush', 'dev', host.interfaceName);
  await addIpv6(host, address);
  return host;
}

function start(lab: Lab, { namespace }: Host, name: string, ticket: string, configuration = NO_HOPS): Promise<Agent> {
  // As peers of a ring they would need to reach each other before they do.
  return Agent.start(lab, {
    namespace,
    name,
    overlay: { join: ticket },
    configuration: `role = "client"\n${configuration}`,
  });
}

for (const by of ['coturn', 'a member'] as const)
  systemTest(
    `a host with IPv4 alone and one with IPv6 alone reach each other by an address of the other's family that ${by} gives`,
    async (t, lab) => {
      const internet = await Internet.create(lab);
      const peer = await internet.publicHost('peer', PEER.v4);
      await addIpv6(peer, PEER.v6);
      const a = await internet.publicHost('a', '203.0.113.20');
      const b = await ipv6Host(internet, 'b', '2001:db8::30');
      const coturn = by === 'coturn' ? await Coturn.start(lab, peer.namespace, PEER.v4, { ipv6: PEER.v6 }) : undefined;
      const carol = await Agent.start(lab, {
        ...{ namespace: peer.namespace, name: 'carol', overlay: { create: OVERLAY }, tun: false },
        configuration: by === 'coturn' ? NO_HOPS : SERVER,
      });
      const alice = await start(lab, a, 'alice', await carol.invite(), NO_HOPS + (coturn?.configuration ?? ''));
      const bob = await start(lab, b, 'bob', await carol.invite());
      await reachByTurn(t, OVERLAY, [
        [alice, 'bob'],
        [bob, 'alice'],
      ]);
      t.regex(alice.process.stderr + bob.process.stderr, /turn\.allocated.*203\.0\.113\.10:\d+ \[2001:db8::10\]:\d+/);
      await packetsPass(t, [
        [a, (await bob.status()).hit],
        [b, (await alice.status()).hit],
      ]);
      for (const agent of [alice, bob, carol]) await agent.stop();
      await coturn?.stop();
    },
  );

systemTest(
  'two hosts with IPv6 alone, between which everything is dropped, reach each other by a member with IPv6 alone that is a TURN server',
  async (t, lab) => {
    const internet = await Internet.create(lab);
    const peer = await ipv6Host(internet, 'peer', PEER.v6);
    const a = await ipv6Host(internet, 'a', '2001:db8::20');
    const b = await ipv6Host(internet, 'b', '2001:db8::30');
    await a.namespace.nft(
      'table ip6 apart { chain in { type filter hook input priority 0; ip6 saddr 2001:db8::30 udp sport 6084 drop; }; }',
    );
    await b.namespace.nft(
      'table ip6 apart { chain in { type filter hook input priority 0; ip6 saddr 2001:db8::20 udp sport 6084 drop; }; }',
    );
    const carol = await Agent.start(lab, {
      ...{ namespace: peer.namespace, name: 'carol', overlay: { create: OVERLAY }, tun: false },
      configuration: SERVER,
    });
    const alice = await start(lab, a, 'alice', await carol.invite());
    const bob = await start(lab, b, 'bob', await carol.invite());
    await reachByTurn(t, OVERLAY, [[alice, 'bob']]);
    t.regex(alice.process.stderr + bob.process.stderr, /turn\.allocated.*\[2001:db8::10\]:\d+/);
    await packetsPass(t, [[a, (await bob.status()).hit]]);
    for (const agent of [alice, bob, carol]) await agent.stop();
  },
);

systemTest(
  'a host whose router drops UDP reaches another by a member that is a TURN server and accepts streams, with none configured',
  async (t, lab) => {
    const { peer, a, b, natA } = await twoHomes(lab, 'address-and-port-dependent');
    await natA.namespace.nft('insert rule ip filter forward meta l4proto udp udp dport != 53 drop');
    const carol = await Agent.start(lab, {
      ...{ namespace: peer.namespace, name: 'carol', overlay: { create: OVERLAY }, tun: false },
      configuration: `${SERVER}[stream]\nlisten = ["0.0.0.0:443"]\n`,
    });
    const alice = await start(lab, a, 'alice', await carol.invite());
    const bob = await start(lab, b, 'bob', await carol.invite());
    const { hit: bobs } = await bob.status();
    await reachByTurn(t, OVERLAY, [
      [alice, 'bob'],
      [bob, 'alice'],
    ]);
    t.is((await alice.link(bobs))?.path?.over, 'turn');
    t.regex(alice.process.stderr, /turn\.allocated.*203\.0\.113\.10:443.*tls/);
    t.regex(carol.process.stderr, /turn\.served.*stream/);
    await packetsPass(t, [
      [a, bobs],
      [b, (await alice.status()).hit],
    ]);
    for (const agent of [alice, bob, carol]) await agent.stop();
  },
);
