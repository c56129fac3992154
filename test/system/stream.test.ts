import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { twoHomes } from '../../scripts/testbed/topology.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'stream.example';

systemTest(
  'a host whose router drops UDP joins by ticket, and is reached by name both ways; it moves to a network with UDP and back, and is seen when UDP passes',
  async (t, lab) => {
    const { peer, a, b, natA, natC } = await twoHomes(lab);
    await natA.namespace.nft('insert rule ip filter forward meta l4proto udp drop');
    const carol = await Agent.start(lab, {
      namespace: peer.namespace,
      name: 'carol',
      overlay: { create: OVERLAY },
      tun: false,
      configuration: '[stream]\nlisten = ["0.0.0.0:443"]\n',
    });
    const join = async (name: string, { namespace }: typeof a): Promise<Agent> =>
      Agent.start(lab, { namespace, name, overlay: { join: await carol.invite() } });
    const bob = await join('bob', b);
    const before = performance.now();
    const alice = await join('alice', a);
    t.log(`joined after ${(performance.now() - before).toFixed(0)} ms`);
    const { hit: carols } = await carol.status();
    const { hit: alices } = await alice.status();
    const { hit: bobs } = await bob.status();

    // To the peer by TLS, to everybody else by the peer.
    const toPeer = await alice.ping(`carol.${OVERLAY}`, 3);
    t.like(toPeer.path, { type: 'relay', over: 'tls', remote: '203.0.113.10:443' });
    t.false(toPeer.direct);
    t.regex(toPeer.why, /^by TLS over TCP: /);
    t.regex(await alice.cli('status'), /relay by TLS any > 203\.0\.113\.10:443/);
    for (const [from, to] of [
      [alice, 'bob'],
      [bob, 'alice'],
    ] as const) {
      const ping = await from.ping(`${to}.${OVERLAY}`, 3);
      t.log(`to ${to}: ${ping.rttMs.join(', ')} ms`);
      t.is(ping.path?.via?.hit, carols);
      t.true(ping.rttMs.every((rtt) => rtt !== null));
    }
    for (const [from, to] of [
      [a, bobs],
      [b, alices],
    ] as const)
      for (const size of [56, 1_400])
        t.regex(
          await from.namespace.run('ping', ['-6', '-n', '-c', '5', '-i', '0.1', '-s', String(size), to]),
          / 0% packet loss/,
        );

    // Into a network where UDP passes: all goes by UDP, with the same associations.
    const typeOf = async (hit: string): Promise<string> => {
      const { path } = (await alice.link(hit)) ?? {};
      return path == null ? 'none' : (path.over ?? path.type);
    };
    const moved = performance.now();
    await a.unplug();
    await natC.plug(a);
    for (const hit of [carols, bobs])
      await eventually(`alice's link goes by UDP (${await typeOf(hit)})`, 60_000, async () =>
        ['host', 'srflx', 'prflx'].includes(await typeOf(hit)) ? true : undefined,
      );
    t.log(`all by UDP after ${(performance.now() - moved).toFixed(0)} ms`);
    t.true((await alice.ping(`bob.${OVERLAY}`, 3)).direct);
    t.is((await alice.link(carols))?.handshakes, 1);
    t.is((await alice.link(bobs))?.handshakes, 1);

    // And back.
    await a.unplug();
    await natA.plug(a);
    const since = performance.now();
    await eventually('alice is linked by TLS again', 60_000, async () =>
      (await typeOf(carols)) === 'tls' ? true : undefined,
    );
    t.log(`by TLS again after ${(performance.now() - since).toFixed(0)} ms`);
    await eventually('bob is reached through the peer', 60_000, async () =>
      (await alice.tryCli('ping', '--count', '1', `bob.${OVERLAY}`)).status === 0 ? true : undefined,
    );
    t.log(`bob answers again after ${(performance.now() - since).toFixed(0)} ms`);
    t.is((await bob.ping(`alice.${OVERLAY}`, 3)).path?.via?.hit, carols);
    t.is((await alice.link(carols))?.handshakes, 1);
    t.is((await alice.link(bobs))?.handshakes, 1);

    // Nothing tells that the router lets UDP through by now, as after somebody has logged in to a portal.
    await natA.letAllOut();
    const open = performance.now();
    for (const hit of [carols, bobs])
      await eventually(`alice's link goes by UDP (${await typeOf(hit)})`, 60_000, async () =>
        ['host', 'srflx', 'prflx'].includes(await typeOf(hit)) ? true : undefined,
      );
    t.log(`all by UDP after ${(performance.now() - open).toFixed(0)} ms`);
    t.is((await alice.link(carols))?.handshakes, 1);
    t.is((await alice.link(bobs))?.handshakes, 1);
    for (const agent of [alice, bob, carol]) await agent.stop();
  },
);
