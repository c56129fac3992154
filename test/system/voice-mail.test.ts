import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from '../../scripts/testbed/agent.ts';
import { AnsweringMachine } from '../../scripts/testbed/answering-machine.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { Linphone } from '../../scripts/testbed/linphone.ts';
import { useResolver } from '../../scripts/testbed/nat64.ts';
import type { Phone } from '../../scripts/testbed/phone.ts';
import { OVERLAY, type ThreeHosts, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { methods, type VoiceMessage } from '../../src/control/schemas.ts';
import { phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';
import { decoded, heardIn, toneFile, toneOgg } from './support/tones.ts';

/** The agent's DNS stub. */
const STUB = '127.0.60.84';
const [GREETING_HZ, SPEECH_HZ] = [440, 700];
const GREETING_SECONDS = 2;
const RING_SECONDS = 5;
const SPOKEN_MS = 4_000;
/** What a host says of its user's mailbox is said once it has joined; who asks before remembers for a moment that there was none. */
const ANNOUNCED_MS = 10_000;
/** What bob's host says of its mailbox, or a message, is in the overlay, and read there. */
const STORED_MS = 100_000;
/** Beside the time that it rings: a host that is off is known to be so, and a machine starts. */
const ANSWERED_MS = 25_000;

async function machineSetting(lab: Lab, namespace: Namespace, name: string): Promise<string> {
  const machine = await AnsweringMachine.start(lab, namespace, name);
  return `[sip]\nanswering_machine = "${machine.socket}"\n`;
}

/** Alice and bob each with answering machines; bob takes messages. */
async function hosts(lab: Lab): Promise<ThreeHosts> {
  const greeting = join(lab.directory, 'greeting.ogg');
  writeFileSync(greeting, await toneOgg(lab.directory, GREETING_HZ, GREETING_SECONDS));
  return threeHosts(lab, undefined, {
    alice: ({ a }) => machineSetting(lab, a.namespace, 'alice'),
    bob: async ({ b }) =>
      [
        await machineSetting(lab, b.namespace, 'bob'),
        '[voicemail]',
        'enable = true',
        `ring_seconds = ${RING_SECONDS}`,
        `greeting = "${greeting}"`,
        '',
      ].join('\n'),
  });
}

/** None, too, where the mailbox cannot be seen in a moment: on a busy machine the overlay takes longer. */
async function messagesOf(agent: Agent): Promise<VoiceMessage[]> {
  const listed = await agent.cli('voicemail', 'list', '--json').catch(() => undefined);
  return listed === undefined ? [] : methods.voicemail.result.parse(JSON.parse(listed)).messages;
}

/** Alice calls bob, hears his greeting, speaks and hangs up. */
async function leaveMessage(calling: Phone): Promise<void> {
  await calling.dial(`sip:bob@${OVERLAY}`);
  await calling.next('CALL_ESTABLISHED', ANSWERED_MS);
  await delay(1_000 * (GREETING_SECONDS + 1) + SPOKEN_MS);
  await calling.hangUp();
}

systemTest(
  'bob does not answer, then is off: alice hears his greeting and leaves a message each time, which he hears by voicemail@ and by file',
  async (t, lab) => {
    const at = await hosts(lab);
    const places = placesOf(at);
    const alice = await phoneAt(lab, places.alice, {
      family: 4,
      codecs: 'PCMU/8000/1',
      speech: toneFile(join(lab.directory, 'tone.wav'), SPEECH_HZ, 60, 1),
    });
    const bob = await phoneAt(lab, places.bob, { family: 4, codecs: 'PCMU/8000/1', rings: true });
    await delay(ANNOUNCED_MS);
    // Until bob's mailbox is known in the overlay his phone rings on.
    await eventually('bob’s mailbox is in the overlay', STORED_MS, async () => {
      await alice.dial(`sip:bob@${OVERLAY}`);
      const closed = await alice.next('CALL_ESTABLISHED', 1_000 * RING_SECONDS + 5_000).catch(() => undefined);
      await alice.hangUp();
      await alice.next('CALL_CLOSED', 5_000);
      return closed === undefined ? undefined : true;
    });
    await leaveMessage(alice);
    t.is(bob.count('CALL_ESTABLISHED'), 0);
    const heard = heardIn(readFileSync(alice.heardFile() ?? ''));
    t.true(heard.share(GREETING_HZ) > 0.5, `the greeting: ${heard.share(GREETING_HZ)}`);
    await eventually('bob has the message', STORED_MS, async () =>
      (await messagesOf(at.bob)).length > 0 ? true : undefined,
    );
    await bob.stop();
    await at.bob.stop();
    await leaveMessage(alice);

    at.bob = await at.bob.startAgain();
    const messages = await eventually('bob has both messages', STORED_MS, async () => {
      const found = await messagesOf(at.bob);
      return found.length >= 2 ? found : undefined;
    });
    t.deepEqual(
      messages.map(({ from, isNew }) => ({ from, isNew })),
      messages.map(() => ({ from: `alice@${OVERLAY}`, isNew: true })),
    );
    // Whoever calls the mailbox of another is nobody's.
    const hearing = await phoneAt(
      lab,
      { ...places.bob, agent: at.bob },
      {
        family: 4,
        codecs: 'PCMU/8000/1',
        index: 1,
        hasLamp: true,
        speech: toneFile(join(lab.directory, 'silence.wav'), undefined, 60, 1),
      },
    );
    const lamp = (text: string): Promise<true> =>
      eventually(`the lamp says ${text}`, 20_000, () =>
        hearing.trace.includes(`Voice-Message: ${text}`) ? true : undefined,
      );
    await lamp('2/0');
    await hearing.dial(`sip:voicemail@${OVERLAY}`);
    await hearing.next('CALL_ESTABLISHED', ANSWERED_MS);
    await hearing.next('CALL_CLOSED', 60_000);
    const played = heardIn(readFileSync(hearing.heardFile() ?? ''));
    t.true(played.share(SPEECH_HZ) > 0.5, `alice’s tone: ${played.share(SPEECH_HZ)}`);
    await eventually('they count as heard', 10_000, async () => {
      const heard = (await messagesOf(at.bob)).filter(({ isNew }) => !isNew);
      return heard.length >= 2 ? true : undefined;
    });
    await lamp('0/2');
    const file = join(lab.directory, 'message.ogg');
    await at.bob.cli('voicemail', 'save', messages.at(-1)?.id ?? '', file);
    const said = await decoded(file);
    t.log(`the last message has ${said.seconds.toFixed(1)} s, ${said.share(SPEECH_HZ).toFixed(2)} of it alice’s tone`);
    t.true(said.share(SPEECH_HZ) > 0.7);
    t.true(said.share(GREETING_HZ) < 0.05);
    await Promise.all([alice.stop(), hearing.stop()]);
  },
);

systemTest('nobody has left a message: a call to voicemail@ is refused, and says why', async (t, lab) => {
  const at = await hosts(lab);
  const bob = await phoneAt(lab, placesOf(at).bob, { family: 4 });
  await bob.dial(`sip:voicemail@${OVERLAY}`);
  t.regex(await bob.next('CALL_CLOSED', 10_000), /480/);
  t.regex(bob.trace, /480 (No Messages|Mailbox Unavailable)/);
  await bob.stop();
});

systemTest(
  'alice’s agent ends while she speaks: what she has said until then is bob’s when it is back',
  async (t, lab) => {
    const at = await hosts(lab);
    const alice = await phoneAt(lab, placesOf(at).alice, {
      family: 4,
      codecs: 'PCMU/8000/1',
      speech: toneFile(join(lab.directory, 'tone.wav'), SPEECH_HZ, 60, 1),
    });
    await delay(ANNOUNCED_MS);
    await alice.dial(`sip:bob@${OVERLAY}`);
    await alice.next('CALL_ESTABLISHED', ANSWERED_MS);
    await delay(1_000 * (GREETING_SECONDS + 1) + SPOKEN_MS);
    await at.alice.stop();
    await alice.next('CALL_CLOSED', 10_000);
    at.alice = await at.alice.startAgain();
    const message = await eventually('bob has the message', STORED_MS, async () => (await messagesOf(at.bob))[0]);
    const file = join(lab.directory, 'message.ogg');
    await at.bob.cli('voicemail', 'save', message.id, file);
    const said = await decoded(file);
    t.log(`${said.seconds.toFixed(1)} s`);
    t.true(said.seconds > 2 && said.share(SPEECH_HZ) > 0.7, `${said.seconds} s, ${said.share(SPEECH_HZ)}`);
    await alice.stop();
  },
);

systemTest('linphonec calls bob, who has no phone: it hears the greeting, and bob has its words', async (t, lab) => {
  const at = await hosts(lab);
  const { namespace } = placesOf(at).alice;
  useResolver(lab, namespace, STUB);
  const alice = await Linphone.start({
    ...{ namespace, directory: lab.folder('linphone'), addressOfRecord: `alice@${OVERLAY}`, transport: 'udp' },
    speech: toneFile(join(lab.directory, 'tone.wav'), SPEECH_HZ, 60, 2),
  });
  await delay(ANNOUNCED_MS);
  alice.dial(`sip:bob@${OVERLAY}`);
  await alice.established(ANSWERED_MS);
  await delay(1_000 * (GREETING_SECONDS + 1) + SPOKEN_MS);
  alice.hangUp();
  const message = await eventually('bob has the message', STORED_MS, async () => (await messagesOf(at.bob))[0]);
  t.true((await alice.loudnessHeard()) > 0.02);
  const file = join(lab.directory, 'message.ogg');
  await at.bob.cli('voicemail', 'save', message.id, file);
  const said = await decoded(file);
  t.true(said.share(SPEECH_HZ) > 0.5, `its tone: ${said.share(SPEECH_HZ)}`);
  await alice.stop();
});
