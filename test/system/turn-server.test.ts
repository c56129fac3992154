import { Agent } from '../../scripts/testbed/agent.ts';
import { makeCertificate } from '../../scripts/testbed/coturn.ts';
import { twoHomes } from '../../scripts/testbed/topology.ts';
import { packetsPass, reachByTurn } from './support/both-ways.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'turn.example';
const ADDRESS = '203.0.113.10';
const PORT = '6084';
const PASSWORD = 'only in the laboratory';
const SERVER = `[relay]\nenable = false\n[turn_server]\nenable = true\nusers = { alice = "${PASSWORD}" }\n`;
const CLIENT = `[relay]\nenable = false\n[turn]\nservers = ["turn:${ADDRESS}:${PORT}"]\nuser = "alice"\npassword = "${PASSWORD}"\n`;

systemTest(
  'a member with a public address is a TURN server for foreign clients, and for members whose NATs let no direct way be',
  async (t, lab) => {
    const { peer, a, b } = await twoHomes(lab, 'address-and-port-dependent');
    const carol = await Agent.start(lab, {
      namespace: peer.namespace,
      name: 'carol',
      overlay: { create: OVERLAY },
      tun: false,
      configuration: SERVER,
    });
    // Both ends of coturn's client have an allocation, and reach each other by the relayed addresses.
    const uclient = ['-y', '-s', '-c', '-n', '50', '-m', '2', '-u', 'alice', '-p', PORT];
    // By indications: its channel numbers are those of RFC 5766, most of which RFC 8656 (s12) refuses.
    const told = await b.namespace.run('turnutils_uclient', [...uclient, '-w', PASSWORD, ADDRESS]);
    t.log(told.split('\n').slice(-6).join('\n'));
    t.regex(told, /Total lost packets 0 \(0\.0+%\)/);
    const wrong = await b.namespace.tryRun('turnutils_uclient', [...uclient, '-w', 'guess', ADDRESS]);
    t.not(wrong.status, 0);

    const join = async (name: string, { namespace }: typeof a): Promise<Agent> =>
      Agent.start(lab, { namespace, name, overlay: { join: await carol.invite() }, configuration: CLIENT });
    const alice = await join('alice', a);
    const bob = await join('bob', b);
    const ping = await alice.ping(`bob.${OVERLAY}`, 3);
    t.log(`set-up ${JSON.stringify(ping.setup)}, RTT ${ping.rttMs.join(', ')} ms, ${JSON.stringify(ping.path)}`);
    t.is(ping.path?.type, 'relay');
    t.true(ping.rttMs.every((rtt) => rtt !== null));
    const { hit } = await bob.status();
    for (const size of [56, 1_150, 1_400]) {
      const sent = await a.namespace.run('ping', ['-6', '-n', '-c', '20', '-i', '0.05', '-s', String(size), hit]);
      t.regex(sent, / 0% packet loss/);
    }
    for (const agent of [alice, bob, carol]) await agent.stop();
  },
);

for (const over of ['tcp', 'tls'] as const)
  systemTest(
    `a member that accepts streams is a TURN server over ${over.toUpperCase()} too, where a router drops UDP: for coturn's client, and for a member that has no other way to another`,
    async (t, lab) => {
      const { peer, a, b, natA } = await twoHomes(lab, 'address-and-port-dependent');
      await natA.namespace.nft('insert rule ip filter forward meta l4proto udp udp dport != 53 drop');
      const { certificate, key } = await makeCertificate(lab, `IP:${ADDRESS}`);
      const shown = over === 'tls' ? `certificate_file = "${certificate}"\nkey_file = "${key}"\n` : '';
      const carol = await Agent.start(lab, {
        namespace: peer.namespace,
        name: 'carol',
        overlay: { create: OVERLAY },
        tun: false,
        configuration: `${SERVER}[stream]\nlisten = ["0.0.0.0:443"]\n${shown}`,
      });
      const client = [
        ...['-t', '-y', '-s', '-c', '-n', '50', '-m', '2', '-u', 'alice', '-p', '443'],
        ...(over === 'tls' ? ['-S', '-E', certificate] : []),
      ];
      const told = await a.namespace.run('turnutils_uclient', [...client, '-w', PASSWORD, ADDRESS]);
      t.log(told.split('\n').slice(-6).join('\n'));
      t.regex(told, /Total lost packets 0 \(0\.0+%\)/);
      const wrong = await a.namespace.tryRun('turnutils_uclient', [...client, '-w', 'guess', ADDRESS]);
      t.not(wrong.status, 0);

      const stream = `${over === 'tls' ? 'turns' : 'turn'}:${ADDRESS}:443?transport=tcp`;
      const own = CLIENT.replace(']\nuser', `, "${stream}"]\nca_file = "${certificate}"\nuser`);
      const join = async (name: string, { namespace }: typeof a, configuration: string): Promise<Agent> =>
        Agent.start(lab, { namespace, name, overlay: { join: await carol.invite() }, configuration });
      const bob = await join('bob', b, '[relay]\nenable = false\n');
      const alice = await join('alice', a, own);
      const { hit: bobs } = await bob.status();
      const { hit: alices } = await alice.status();
      await reachByTurn(t, OVERLAY, [
        [alice, 'bob'],
        [bob, 'alice'],
      ]);
      t.is((await alice.link(bobs))?.path?.over, 'turn');
      t.regex(alice.process.stderr, new RegExp(`turn.allocated.*${over}`));
      t.regex(carol.process.stderr, /turn\.served.*stream/);
      await packetsPass(t, [
        [a, bobs],
        [b, alices],
      ]);
      for (const agent of [alice, bob, carol]) await agent.stop();
    },
  );
