import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, TUN_NAME } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { Kamailio } from '../../scripts/testbed/kamailio.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { Phone } from '../../scripts/testbed/phone.ts';
import { Rtpengine } from '../../scripts/testbed/rtpengine.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { PEER_ADDRESS, twoHomes } from '../../scripts/testbed/topology.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'trunk.example';
const PROVIDER = '203.0.113.50';
const WORLD = '203.0.113.60';
const NUMBER = '+4930111222';
const PASSWORD = 'a secret of the line';
const TALK_MS = 2_000;

const TRUNK = `
[sip]
country = "DE"
[sip.trunk]
domain = "${PROVIDER}"
user = "line7"
password = "${PASSWORD}"
numbers = { "${NUMBER}" = "alice" }
`;

interface Places {
  readonly alice: Phone;
  readonly world: Phone;
}

/** Alice behind a NAT, the gateway in the open, kamailio as its provider, and a phone of the world behind that. */
async function places(lab: Lab): Promise<Places> {
  const homes = await twoHomes(lab);
  const provider = await homes.internet.publicHost('provider', PROVIDER);
  const outside = await homes.internet.publicHost('world', WORLD);
  await Kamailio.provider(lab, provider.namespace, {
    ...{ name: 'provider', listen: `${PROVIDER}:5060`, domain: PROVIDER, user: 'line7', password: PASSWORD },
    ...{ number: NUMBER, world: `zoe@${WORLD}:5060` },
  });
  const gateway = await Agent.start(lab, {
    ...{ namespace: homes.peer.namespace, name: 'office', overlay: { create: OVERLAY }, configuration: TRUNK },
  });
  const agent = await Agent.start(lab, {
    ...{ namespace: homes.a.namespace, name: 'alice', overlay: { join: await gateway.invite() } },
    configuration: '[sip]\ngateways = ["office"]\ncountry = "DE"\n',
  });
  const written = join(lab.directory, 'rtpengine.conf');
  await eventually('the gateway tells rtpengine of both sides', 20_000, () => {
    const text = existsSync(written) ? readFileSync(written, 'utf8') : '';
    return Promise.resolve(text.includes(`outside/${PEER_ADDRESS}`) || undefined);
  });
  await Rtpengine.start(lab, homes.peer.namespace);
  const speech = join(lab.directory, 'speech.wav');
  writeWav(speech, speechLike(40, 6940));
  const nameserver = (await agent.status()).dns?.listen;
  const alice = await Phone.start({
    ...{ namespace: homes.a.namespace, directory: lab.folder('phone-alice'), addressOfRecord: `alice@${OVERLAY}` },
    ...{ interfaceName: TUN_NAME, speech, registers: 'any', family: 4 },
    ...(nameserver === undefined ? {} : { nameserver }),
  });
  await alice.registered(10_000);
  const world = await Phone.start({
    ...{ namespace: outside.namespace, directory: lab.folder('phone-world'), addressOfRecord: `zoe@${PROVIDER}` },
    ...{ interfaceName: outside.interfaceName, speech, family: 4 },
  });
  return { alice, world };
}

systemTest(
  'a phone calls a number by the gateway and its provider, is called by its own number, and both are heard',
  async (t, lab) => {
    const { alice, world } = await places(lab);
    let from = 0;
    await eventually('the gateway serves', 30_000, async () => {
      from = performance.now();
      await alice.dial(`sip:030987654@${OVERLAY}`);
      return alice.next('CALL_ESTABLISHED', 3_000).then(
        () => true,
        () => undefined,
      );
    });
    t.log(`out: established after ${(performance.now() - from).toFixed(0)} ms`);
    await world.next('CALL_ESTABLISHED', 5_000);
    t.regex(world.trace, new RegExp(`From: <sip:\\${NUMBER}@${PROVIDER}>`));
    t.false(world.trace.includes('2001:2'), 'the world is told nothing of the overlay');
    await delay(TALK_MS);
    await alice.hangUp();
    await world.next('CALL_CLOSED', 5_000);
    const heard = [alice.loudnessHeard(), world.loudnessHeard()];
    t.true(
      heard.every((loudness) => loudness > 0.02),
      heard.join(' '),
    );

    from = performance.now();
    await world.dial(`sip:${NUMBER}@${PROVIDER}`);
    await Promise.all([alice.next('CALL_ESTABLISHED', 5_000), world.next('CALL_ESTABLISHED', 5_000)]);
    t.log(`in: established after ${(performance.now() - from).toFixed(0)} ms`);
    t.regex(alice.trace, new RegExp(`From: .*<sip:zoe@${PROVIDER}>`));
    await delay(TALK_MS);
    await world.hangUp();
    await alice.next('CALL_CLOSED', 5_000);
    await Promise.all([alice.stop(), world.stop()]);
    const again = [alice.loudnessHeard(), world.loudnessHeard()];
    t.true(
      again.every((loudness) => loudness > 0.02),
      again.join(' '),
    );
  },
);
