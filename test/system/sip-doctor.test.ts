import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { useResolver } from '../../scripts/testbed/nat64.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { methods } from '../../src/control/schemas.ts';
import { Phone } from '../../scripts/testbed/phone.ts';
import { phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

// Settings of a real phone that are wrong, each as people get them wrong, and what `idloc doctor sip` says.

const SIPP_CALL = join(import.meta.dirname, '../../scripts/testbed/sipp/call.xml');
/** The agent's DNS stub. */
const STUB = '127.0.60.84';

async function findings(agent: Agent): Promise<Map<string, string>> {
  const { findings: found } = methods.doctor.result.parse(JSON.parse(await agent.cli('doctor', 'sip', '--json')));
  return new Map(found.map(({ id, what }) => [id, what]));
}

systemTest(
  'idloc doctor sip tells a wrong account, interface, Contact and address in SDP, and who has left; all right, it tells nothing but what was, and when',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const places = placesOf(hosts);

    // Nobody has told the machine's resolver of the overlay, and no phone is there.
    const before = await findings(hosts.alice);
    t.deepEqual([...before.keys()], ['no-phone', 'resolver']);
    const { namespace } = places.alice;
    await hosts.alice.crash();
    useResolver(lab, namespace, STUB);
    hosts.alice = await hosts.alice.startAgain();
    places.alice = { agent: hosts.alice, namespace };
    t.deepEqual([...(await findings(hosts.alice)).keys()], ['no-phone']);

    // The account of somebody else.
    const speech = join(lab.directory, 'speech.wav');
    const bob = await phoneAt(lab, places.bob, { family: 6 });
    const wrongUser = await Phone.start({
      ...{ namespace, directory: lab.folder('wrong-user'), addressOfRecord: `carol@${OVERLAY}`, speech },
      ...{ family: 6, interfaceName: 'idloc0', registers: 'any', nameserver: `${STUB}:53` },
    });
    const refused = await eventually('the phone is refused', 10_000, async () =>
      (await findings(hosts.alice)).get('wrong-user'),
    );
    t.true(refused.includes(`carol@${OVERLAY}: From Must Be alice@${OVERLAY}`), refused);
    await wrongUser.stop();

    // The interface of the LAN instead of the overlay's.
    const onLan = await Phone.start({
      ...{ namespace, directory: lab.folder('on-lan'), addressOfRecord: `alice@${OVERLAY}`, speech },
      ...{ family: 4, interfaceName: 'eth0', registers: 'any', nameserver: `${STUB}:53` },
    });
    const unheard = await eventually('the phone is not heard', 10_000, async () =>
      (await findings(hosts.alice)).get('wrong-source'),
    );
    const address =
      /\d+\.\d+\.\d+\.\d+/.exec(await namespace.ip('-4', '-o', 'address', 'show', 'dev', 'eth0'))?.[0] ?? '';
    t.true(unheard.includes(`sends from ${address},`), unheard);
    await onLan.stop();

    // The same over TCP, whose source the kernel takes, unlike the phone, by where it leads: it is heard, and writes the other address.
    const overTcp = await Phone.start({
      ...{ namespace, directory: lab.folder('over-tcp'), addressOfRecord: `alice@${OVERLAY}`, speech },
      ...{ family: 4, interfaceName: 'eth0', registers: 'tcp', nameserver: `${STUB}:53` },
    });
    await overTcp.registered(10_000);
    const heard = (await findings(hosts.alice)).get('wrong-interface') ?? '';
    t.true(heard.includes(`nowhere in the overlay: ${address};`), heard);
    await overTcp.stop();

    // The right interface for SIP, and the other one for media; whether the called phone likes its codec is no matter.
    const { hit } = await hosts.alice.status();
    await namespace.tryRun('sipp', [
      ...[
        '-sf',
        SIPP_CALL,
        '-i',
        hit,
        '-p',
        '5070',
        '-mi',
        address,
        '-m',
        '1',
        '-d',
        '200',
        '-nostdin',
        '-timeout',
        '20',
      ],
      ...['-s', 'bob', '-key', 'domain', OVERLAY, '-key', 'caller', 'alice', '-key', 'expires', '300', `[${hit}]:5062`],
    ]);
    const wrong = await findings(hosts.alice);
    t.true(wrong.get('wrong-sdp')?.includes(address), [...wrong].join('\n'));

    // A phone that registered has said goodbye.
    await (await phoneAt(lab, places.alice, { family: 6 })).stop();
    t.true(
      (await eventually('it is gone', 10_000, async () => (await findings(hosts.alice)).get('unregistered'))).includes(
        'took its registration back',
      ),
    );

    // All as it should be: what was wrong with the former phone is told for an hour, at its place.
    const right = await phoneAt(lab, places.alice, { family: 6 });
    await delay(200);
    const { sip } = await hosts.alice.status();
    t.like(sip, { port: 5062, listening: true });
    t.like(sip?.phones[0], { user: `alice@${OVERLAY}`, transport: 'udp' });
    t.is(sip?.phones.length, 1);
    const [phone] = sip?.phones ?? [];
    t.true(phone !== undefined && phone.until > Date.now() && phone.since <= Date.now());
    const errors = methods.doctor.result
      .parse(JSON.parse(await hosts.alice.cli('doctor', 'sip', '--json')))
      .findings.filter(({ agoMs }) => agoMs === undefined);
    t.deepEqual(errors, []);
    await Promise.all([right.stop(), bob.stop()]);
  },
);

systemTest('idloc doctor sip tells that another program has the port, until it is ours', async (t, lab) => {
  const hosts = await threeHosts(lab);
  const { namespace } = placesOf(hosts).alice;
  await hosts.alice.crash();
  const taking = namespace.start(process.execPath, [
    '-e',
    "const s = require('dgram').createSocket('udp4'); s.bind(5062, '127.0.0.1', () => console.log('bound'))",
  ]);
  await taking.waitFor(/bound/, 5_000);
  hosts.alice = await hosts.alice.startAgain();
  const taken = await findings(hosts.alice);
  t.true(taken.get('port-taken')?.includes('udp 127.0.0.1:5062'), [...taken].join('\n'));
  await taking.stop('SIGKILL');
  await eventually('the port is ours', 10_000, async () =>
    (await findings(hosts.alice)).has('port-taken') ? undefined : true,
  );
});
