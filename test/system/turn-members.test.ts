import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { twoHomes } from '../../scripts/testbed/topology.ts';
import { addressToHit } from '../../src/base/node-id.ts';
import type { Result } from '../../src/control/schemas.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'turn.example';
const ADDRESS = '203.0.113.10';
const PORT = '6084';
/** Nothing is handed on as a hop: only a TURN server is left. */
const SERVER = '[relay]\nenable = false\n[turn_server]\nenable = true\n';

const FOUND_MS = 10_000;

systemTest(
  'two members whose NATs let no direct way be call each other by a member that is a TURN server, with none configured',
  async (t, lab) => {
    const { peer, a, b } = await twoHomes(lab, 'address-and-port-dependent');
    const carol = await Agent.start(lab, {
      namespace: peer.namespace,
      name: 'carol',
      overlay: { create: OVERLAY },
      tun: false,
      configuration: SERVER,
    });
    const join = async (name: string, { namespace }: typeof a): Promise<Agent> =>
      Agent.start(lab, { namespace, name, overlay: { join: await carol.invite() } });
    const alice = await join('alice', a);
    const bob = await join('bob', b);
    // She offers it when others have told her that they see her at her own address.
    const turnServers = await eventually('the TURN server is found', FOUND_MS, async () => {
      const found = JSON.parse(await alice.cli('netcheck', '--json')) as Result<'netcheck'>;
      return found.turnServers.length > 0 ? found.turnServers : undefined;
    });
    t.deepEqual(turnServers, [
      { hit: (await carol.status()).hit, name: `carol.${OVERLAY}`, address: `${ADDRESS}:${PORT}` },
    ]);
    // A stranger may know the user, which is a HIT, and nothing more.
    const stranger = [
      '-y',
      '-c',
      '-n',
      '1',
      '-m',
      '1',
      '-u',
      addressToHit((await alice.status()).hit),
      '-w',
      'guess',
      '-p',
      PORT,
    ];
    t.not((await b.namespace.tryRun('turnutils_uclient', [...stranger, ADDRESS])).status, 0);

    const ping = await alice.ping(`bob.${OVERLAY}`, 3);
    t.log(`set-up ${JSON.stringify(ping.setup)}, RTT ${ping.rttMs.join(', ')} ms, ${JSON.stringify(ping.path)}`);
    t.is(ping.path?.type, 'relay');
    t.true(ping.rttMs.every((rtt) => rtt !== null));
    const { hit } = await bob.status();
    const sent = await a.namespace.run('ping', ['-6', '-n', '-c', '20', '-i', '0.05', '-s', '1150', hit]);
    t.regex(sent, / 0% packet loss/);
    for (const agent of [alice, bob, carol]) await agent.stop();
  },
);
