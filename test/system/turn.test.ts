import type { ExecutionContext } from 'ava';
import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { Coturn } from '../../scripts/testbed/coturn.ts';
import type { Namespace } from '../../scripts/testbed/lab.ts';
import { twoHomes } from '../../scripts/testbed/topology.ts';
import { packetsPass, reachByTurn } from './support/both-ways.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'turn.example';
const TURN_ADDRESS = '203.0.113.10';

/** coturn is started anew, and packets pass again. */
async function passAgain(
  t: ExecutionContext,
  coturn: Coturn,
  { namespace }: { readonly namespace: Namespace },
  address: string,
): Promise<number> {
  await coturn.restart();
  const restarted = performance.now();
  await eventually('packets pass again', 60_000, async () => {
    const sent = await namespace.tryRun('ping', ['-6', '-n', '-c', '1', '-W', '1', address]);
    return sent.status === 0 ? true : undefined;
  });
  const tookMs = Math.round(performance.now() - restarted);
  t.log(`after a restart of coturn packets pass again after ${tookMs} ms`);
  return tookMs;
}

systemTest(
  'two homes behind NATs that give every destination another port reach each other by coturn, where no member hands on, and after it was started anew',
  async (t, lab) => {
    const { peer, a, b } = await twoHomes(lab, 'address-and-port-dependent');
    const coturn = await Coturn.start(lab, peer.namespace, TURN_ADDRESS);
    const carol = await Agent.start(lab, {
      namespace: peer.namespace,
      name: 'carol',
      overlay: { create: OVERLAY },
      tun: false,
      configuration: '[relay]\nenable = false\n',
    });
    const { configuration } = coturn;
    const join = async (name: string, { namespace }: typeof a): Promise<Agent> =>
      Agent.start(lab, { namespace, name, overlay: { join: await carol.invite() }, configuration });
    const alice = await join('alice', a);
    const bob = await join('bob', b);

    const ping = await alice.ping(`bob.${OVERLAY}`, 3);
    t.log(`set-up ${JSON.stringify(ping.setup)}, RTT ${ping.rttMs.join(', ')} ms`);
    t.false(ping.direct);
    t.is(ping.path?.type, 'relay');
    t.true(ping.rttMs.every((rtt) => rtt !== null));
    t.log(ping.why, JSON.stringify(ping.path));
    // One of the two relayed addresses is enough.
    t.regex((await alice.cli('status')) + (await bob.cli('status')), new RegExp(`TURN ${TURN_ADDRESS}:\\d+ > `));

    const { hit } = await bob.status();
    // It is started anew, and knows of nothing: other allocations, the same association.
    await passAgain(t, coturn, a, hit);

    // Packets of programs, also those that the path carries in pieces only.
    for (const size of [56, 1_150, 1_400]) {
      const sent = await a.namespace.run('ping', ['-6', '-n', '-c', '20', '-i', '0.05', '-s', String(size), hit]);
      t.regex(sent, / 0% packet loss/);
    }
    t.is((await alice.link(hit))?.handshakes, 1);

    for (const agent of [alice, bob, carol]) await agent.stop();
    // Sixty packets and their answers, each of them taken from one end and given to the other. It tells when the agents have given
    // their allocations back.
    const { received, sent } = await eventually('coturn tells of a hundred and twenty packets', 10_000, () => {
      const { carried } = coturn;
      return carried.received >= 120 && carried.sent >= 120 ? carried : undefined;
    });
    t.log(`coturn took ${received} packets of its clients, and sent ${sent} to them`);
    await coturn.stop();
  },
);

systemTest('one end with a TURN server is enough, and each of the two can call', async (t, lab) => {
  const { peer, a, b } = await twoHomes(lab, 'address-and-port-dependent');
  const coturn = await Coturn.start(lab, peer.namespace, TURN_ADDRESS);
  const configuration = '[relay]\nenable = false\n';
  const carol = await Agent.start(lab, {
    namespace: peer.namespace,
    name: 'carol',
    overlay: { create: OVERLAY },
    tun: false,
    configuration,
  });
  for (const [caller, called] of [
    ['alice', 'bob'],
    ['dave', 'erin'],
  ] as const) {
    const start = async (name: string, { namespace }: typeof a, hasTurn: boolean): Promise<Agent> =>
      Agent.start(lab, {
        ...{ namespace, name, overlay: { join: await carol.invite() } },
        configuration: hasTurn ? coturn.configuration : configuration,
      });
    const first = await start(caller, a, caller === 'alice');
    const second = await start(called, b, called === 'erin');
    const ping = await first.ping(`${called}.${OVERLAY}`, 3);
    t.log(
      `${caller} to ${called}: ${JSON.stringify(ping.setup)}, RTT ${ping.rttMs.join(', ')} ms, ${JSON.stringify(ping.path)}`,
    );
    t.is(ping.path?.type, 'relay');
    t.is(ping.path?.via, undefined);
    t.true(ping.rttMs.every((rtt) => rtt !== null));
    const { hit } = await second.status();
    const sent = await a.namespace.run('ping', ['-6', '-n', '-c', '20', '-i', '0.05', hit]);
    t.regex(sent, / 0% packet loss/);
    for (const agent of [first, second]) await agent.stop();
  }
  await carol.stop();
  await coturn.stop();
});

for (const [who, sends] of [
  ['that sends', 'alice'],
  ['that is sent to', 'bob'],
] as const)
  systemTest(
    `coturn is started anew, and the link by the allocation of the end ${who} alone carries packets again within 10 s`,
    async (t, lab) => {
      const { peer, a, b } = await twoHomes(lab, 'address-and-port-dependent');
      const coturn = await Coturn.start(lab, peer.namespace, TURN_ADDRESS);
      const configuration = '[relay]\nenable = false\n';
      const overlay = { create: OVERLAY };
      const carol = await Agent.start(lab, {
        namespace: peer.namespace,
        name: 'carol',
        overlay,
        tun: false,
        configuration,
      });
      const join = async (name: string, { namespace }: typeof a): Promise<Agent> =>
        Agent.start(lab, {
          ...{ namespace, name, overlay: { join: await carol.invite() } },
          configuration: name === sends ? coturn.configuration : configuration,
        });
      const alice = await join('alice', a);
      const bob = await join('bob', b);
      const ping = await alice.ping(`bob.${OVERLAY}`, 3);
      t.is(ping.path?.type, 'relay');
      const { hit } = await bob.status();
      await a.namespace.run('ping', ['-6', '-n', '-c', '10', '-i', '0.1', hit]);
      const tookMs = await passAgain(t, coturn, a, hit);
      t.true(tookMs <= 10_000);
      t.is((await alice.link(hit))?.handshakes, 1);
      for (const agent of [alice, bob, carol]) await agent.stop();
      await coturn.stop();
    },
  );

for (const over of ['tcp', 'tls'] as const)
  systemTest(
    `a host whose router drops UDP joins by coturn over ${over.toUpperCase()}, reaches another and is reached, also after coturn was started anew`,
    async (t, lab) => {
      const { peer, a, b, natA } = await twoHomes(lab, 'address-and-port-dependent');
      await natA.namespace.nft('insert rule ip filter forward meta l4proto udp udp dport != 53 drop');
      const coturn = await Coturn.start(lab, peer.namespace, TURN_ADDRESS, { certificateFor: `IP:${TURN_ADDRESS}` });
      // It hands nothing on, and accepts no streams: who joins does so by coturn.
      const carol = await Agent.start(lab, {
        namespace: peer.namespace,
        name: 'carol',
        overlay: { create: OVERLAY },
        tun: false,
        configuration: '[relay]\nenable = false\n',
      });
      const bob = await Agent.start(lab, {
        namespace: b.namespace,
        name: 'bob',
        overlay: { join: await carol.invite() },
        configuration: '[relay]\nenable = false\n',
      });
      const alice = await Agent.start(lab, {
        namespace: a.namespace,
        name: 'alice',
        overlay: { join: await carol.invite() },
        configuration: `[relay]\nenable = false\n${coturn.configurationOver(over)}`,
      });
      const { hit: bobs } = await bob.status();
      const { hit: alices } = await alice.status();
      const ends = [
        [a, bobs],
        [b, alices],
      ] as const;
      await reachByTurn(t, OVERLAY, [
        [alice, 'bob'],
        [bob, 'alice'],
      ]);
      t.is((await alice.link(bobs))?.path?.over, 'turn');
      t.regex(alice.process.stderr, new RegExp(`turn.allocated.*${over}`));
      await packetsPass(t, ends);

      // Its streams end with it.
      await passAgain(t, coturn, a, bobs);
      await packetsPass(t, ends);
      t.is((await alice.link(bobs))?.handshakes, 1);
      for (const agent of [alice, bob, carol]) await agent.stop();
      await coturn.stop();
    },
  );

systemTest('a TURN server with a certificate for another address is not used, and the log says why', async (t, lab) => {
  const { peer, a, natA } = await twoHomes(lab);
  await natA.namespace.nft('insert rule ip filter forward meta l4proto udp udp dport != 53 drop');
  const coturn = await Coturn.start(lab, peer.namespace, TURN_ADDRESS, { certificateFor: 'IP:203.0.113.99' });
  const alice = await Agent.start(lab, {
    namespace: a.namespace,
    name: 'alice',
    overlay: { create: OVERLAY },
    tun: false,
    configuration: coturn.configurationOver('tls'),
  });
  await eventually('the log says that it is refused', 10_000, () =>
    /turn\.failed.*its certificate is refused: IP address mismatch/.test(alice.process.stderr) ? true : undefined,
  );
  t.notRegex(alice.process.stderr, /turn\.allocated/);
  await alice.stop();
  await coturn.stop();
});
