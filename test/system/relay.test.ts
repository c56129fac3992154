import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { NAT_WAN_INTERFACE, twoHomes } from '../../scripts/testbed/topology.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'relay.example';

systemTest(
  'two homes behind NATs that give every destination another port reach each other through the public peer, until one has a direct way',
  async (t, lab) => {
    const { peer, a, b, natC } = await twoHomes(lab, 'address-and-port-dependent');
    const carol = await Agent.start(lab, {
      namespace: peer.namespace,
      name: 'carol',
      overlay: { create: OVERLAY },
      tun: false,
    });
    const join = async (name: string, { namespace }: typeof a): Promise<Agent> =>
      Agent.start(lab, { namespace, name, overlay: { join: await carol.invite() } });
    const alice = await join('alice', a);
    const bob = await join('bob', b);

    const ping = await alice.ping(`bob.${OVERLAY}`, 3);
    t.log(`set-up ${JSON.stringify(ping.setup)}, RTT ${ping.rttMs.join(', ')} ms`);
    t.false(ping.direct);
    t.is(ping.path?.type, 'relay');
    const { hit } = await carol.status();
    t.deepEqual(ping.path?.via, { hit, name: `carol.${OVERLAY}` });
    t.regex(ping.why, /^relayed by carol\.relay\.example: /);
    t.true(ping.rttMs.every((rtt) => rtt !== null));
    t.regex(await alice.cli('ping', `bob.${OVERLAY}`), /^path: relay by carol\.relay\.example, relayed: /m);
    t.regex(await bob.cli('status'), /relay by carol\.relay\.example/);

    // Packets of programs, also those that the path carries in pieces only.
    const { hit: bobsHit } = await bob.status();
    for (const size of [56, 1_150, 1_400]) {
      const sent = await a.namespace.run('ping', ['-6', '-n', '-c', '5', '-i', '0.1', '-s', String(size), bobsHit]);
      t.regex(sent, / 0% packet loss/);
    }
    const link = await alice.link(bobsHit);
    t.is(link?.handshakes, 1);

    // Into a network whose router sends on what comes to any port: the way by the relay is left, the association stays.
    await natC.namespace.nft(`table ip open {
  chain inwards {
    type nat hook prerouting priority dstnat
    iifname "${NAT_WAN_INTERFACE}" udp dport 1024-65535 dnat to 192.168.3.10
  }
}
flush chain ip nat postrouting
add rule ip nat postrouting oifname "${NAT_WAN_INTERFACE}" masquerade
flush chain ip filter forward
add rule ip filter forward accept
`);
    await a.unplug();
    await natC.plug(a);
    await eventually('alice has a direct path', 60_000, async () => {
      const { path } = (await alice.link(bobsHit)) ?? {};
      return path != null && path.type !== 'relay' ? true : undefined;
    });
    t.true((await alice.ping(`bob.${OVERLAY}`, 3)).direct);
    t.is((await alice.link(bobsHit))?.handshakes, 1);
    for (const agent of [alice, bob, carol]) await agent.stop();
  },
);
