import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { Coturn } from '../../scripts/testbed/coturn.ts';
import { twoHomes } from '../../scripts/testbed/topology.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'turn.example';
const TURN_ADDRESS = '203.0.113.10';

systemTest(
  'a host that moves into a network without UDP goes on by coturn over TLS, where no member accepts streams, and by UDP again when it moves on',
  async (t, lab) => {
    const { peer, a, b, natA, natC } = await twoHomes(lab);
    await natC.namespace.nft('insert rule ip filter forward meta l4proto udp udp dport != 53 drop');
    const coturn = await Coturn.start(lab, peer.namespace, TURN_ADDRESS, { certificateFor: `IP:${TURN_ADDRESS}` });
    const configuration = '[relay]\nenable = false\n';
    const carol = await Agent.start(lab, {
      ...{ namespace: peer.namespace, name: 'carol', overlay: { create: OVERLAY }, tun: false, configuration },
    });
    const join = async (name: string, { namespace }: typeof a, more = ''): Promise<Agent> =>
      Agent.start(lab, {
        ...{ namespace, name, overlay: { join: await carol.invite() }, configuration: configuration + more },
      });
    const bob = await join('bob', b);
    const alice = await join('alice', a, coturn.configurationOver('tls'));
    const [{ hit: carols }, { hit: bobs }] = [await carol.status(), await bob.status()];
    t.true((await alice.ping(`bob.${OVERLAY}`, 3)).direct);
    t.regex(alice.process.stderr, /turn\.allocated.*udp/);

    const back = async (what: string): Promise<void> => {
      const since = performance.now();
      await eventually('packets pass again', 60_000, async () => {
        const sent = await a.namespace.tryRun('ping', ['-6', '-n', '-c', '1', '-W', '1', bobs]);
        return sent.status === 0 ? true : undefined;
      });
      t.log(`${what}: packets pass again after ${(performance.now() - since).toFixed(0)} ms`);
    };
    await a.unplug();
    await natC.plug(a);
    await back('without UDP');
    for (const hit of [carols, bobs])
      await eventually('all goes by coturn', 60_000, async () =>
        (await alice.link(hit))?.path?.over === 'turn' ? true : undefined,
      );
    t.regex(alice.process.stderr, /turn\.allocated.*tls/);
    t.regex(
      await a.namespace.run('ping', ['-6', '-n', '-c', '20', '-i', '0.05', '-s', '1150', bobs]),
      / 0% packet loss/,
    );

    // Nor does it need UDP for the way back into the overlay.
    await alice.stop();
    const since = performance.now();
    const again = await alice.startAgain();
    t.log(`joined again by coturn after ${(performance.now() - since).toFixed(0)} ms`);
    t.is((await again.link(carols))?.path?.over, 'turn');
    await back('started anew');

    await a.unplug();
    await natA.plug(a);
    await back('with UDP');
    await eventually('alice and bob reach each other directly', 60_000, async () =>
      (await again.ping(`bob.${OVERLAY}`, 1)).direct ? true : undefined,
    );
    t.is((await again.link(bobs))?.handshakes, 1);
    t.is((await again.link(carols))?.handshakes, 1);
    for (const agent of [again, bob, carol]) await agent.stop();
    await coturn.stop();
  },
);
