import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from '../../scripts/testbed/agent.ts';
import { AnsweringMachine } from '../../scripts/testbed/answering-machine.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { Kamailio } from '../../scripts/testbed/kamailio.ts';
import { Phone } from '../../scripts/testbed/phone.ts';
import { Rtpengine } from '../../scripts/testbed/rtpengine.ts';
import { PEER_ADDRESS, twoHomes } from '../../scripts/testbed/topology.ts';
import { methods, type VoiceMessage } from '../../src/control/schemas.ts';
import { systemTest } from './support/system-test.ts';
import { decoded, heardIn, toneFile, toneOgg } from './support/tones.ts';

const OVERLAY = 'trunk.example';
const PROVIDER = '203.0.113.50';
const WORLD = '203.0.113.60';
const NUMBER = '+4930111222';
const PASSWORD = 'a secret of the line';
const [GREETING_HZ, SPEECH_HZ] = [440, 700];
const GREETING_SECONDS = 2;
const SPOKEN_MS = 4_000;
/** The gateway is registered, and what alice says of her mailbox is in the overlay. */
const SERVES_MS = 60_000;
const STORED_MS = 100_000;

systemTest(
  'a phone of the world calls a number of alice, who has no phone: it hears her greeting through the gateway’s rtpengine, and she has its words',
  async (t, lab) => {
    const homes = await twoHomes(lab);
    const provider = await homes.internet.publicHost('provider', PROVIDER);
    const outside = await homes.internet.publicHost('world', WORLD);
    await Kamailio.provider(lab, provider.namespace, {
      ...{ name: 'provider', listen: `${PROVIDER}:5060`, domain: PROVIDER, user: 'line7', password: PASSWORD },
      ...{ numbers: [NUMBER], world: `zoe@${WORLD}:5060` },
    });
    const { namespace } = homes.peer;
    const machine = await AnsweringMachine.start(lab, namespace, 'office');
    const gateway = await Agent.start(lab, {
      ...{ namespace, name: 'office', overlay: { create: OVERLAY } },
      configuration: [
        '[sip]',
        'country = "DE"',
        `answering_machine = "${machine.socket}"`,
        '[sip.trunk]',
        `domain = "${PROVIDER}"`,
        'user = "line7"',
        `password = "${PASSWORD}"`,
        `numbers = { "${NUMBER}" = "alice" }`,
        '',
      ].join('\n'),
    });
    const greeting = join(lab.directory, 'greeting.ogg');
    writeFileSync(greeting, await toneOgg(lab.directory, GREETING_HZ, GREETING_SECONDS));
    const alice = await Agent.start(lab, {
      ...{ namespace: homes.a.namespace, name: 'alice', overlay: { join: await gateway.invite() } },
      configuration: [
        '[sip]',
        'gateways = ["office"]',
        '[voicemail]',
        'enable = true',
        'ring_seconds = 5',
        `greeting = "${greeting}"`,
        '',
      ].join('\n'),
    });
    const written = join(lab.directory, 'rtpengine.conf');
    await eventually('the gateway tells rtpengine of both sides', 20_000, () => {
      const text = existsSync(written) ? readFileSync(written, 'utf8') : '';
      return Promise.resolve(text.includes(`outside/${PEER_ADDRESS}`) || undefined);
    });
    await Rtpengine.start(lab, namespace);
    const world = await Phone.start({
      ...{ namespace: outside.namespace, directory: lab.folder('phone-world'), addressOfRecord: `zoe@${PROVIDER}` },
      ...{ interfaceName: outside.interfaceName, family: 4, codecs: 'PCMU/8000/1' },
      speech: toneFile(join(lab.directory, 'tone.wav'), SPEECH_HZ, 60, 1),
    });
    await eventually('the machine answers', SERVES_MS, async () => {
      await world.dial(`sip:${NUMBER}@${PROVIDER}`);
      const answered = await world.next('CALL_ESTABLISHED', 15_000).catch(() => undefined);
      if (answered === undefined) await world.hangUp();
      return answered;
    });
    await delay(1_000 * (GREETING_SECONDS + 1) + SPOKEN_MS);
    await world.hangUp();
    const message = await eventually(
      'alice has the message',
      STORED_MS,
      async (): Promise<VoiceMessage | undefined> => {
        const listed: unknown = JSON.parse(await alice.cli('voicemail', 'list', '--json'));
        return methods.voicemail.result.parse(listed).messages[0];
      },
    );
    t.is(message.from, `zoe@${PROVIDER}`);
    const heard = heardIn(readFileSync(world.heardFile() ?? ''));
    t.true(heard.share(GREETING_HZ) > 0.4, `the greeting: ${heard.share(GREETING_HZ)}`);
    const file = join(lab.directory, 'message.ogg');
    await alice.cli('voicemail', 'save', message.id, file);
    const said = await decoded(file);
    t.log(`${said.seconds.toFixed(1)} s, ${said.share(SPEECH_HZ).toFixed(2)} of it the caller’s tone`);
    t.true(said.share(SPEECH_HZ) > 0.7, `the caller’s tone: ${said.share(SPEECH_HZ)}`);
    await world.stop();
  },
);
