import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { Agent, TUN_NAME } from '../../scripts/testbed/agent.ts';
import { AnsweringMachine } from '../../scripts/testbed/answering-machine.ts';
import { Capture } from '../../scripts/testbed/capture.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { Linphone } from '../../scripts/testbed/linphone.ts';
import { Phone, type PhoneOptions } from '../../scripts/testbed/phone.ts';
import { placeBeside, settle } from '../../scripts/testbed/phones/places.ts';
import { Pjsua } from '../../scripts/testbed/phones/pjsua.ts';
import { Rtpengine } from '../../scripts/testbed/rtpengine.ts';
import { rtpPackets } from '../../scripts/testbed/rtp-stream.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { methods } from '../../src/control/schemas.ts';
import { hearFromNowOn, rtpComes } from './support/hearing.ts';
import { lossesAt } from './support/losses.ts';
import { systemTest } from './support/system-test.ts';
import { decoded, toneFile } from './support/tones.ts';

const OVERLAY = 'home.example';
const LAN = '192.168.7.1';
const PASSWORD = 'a-long-secret';
const TALK_MS = 2_000;
const RECORD_MS = 3_000;
const TONE_HZ = 700;
/** What a host says of its user's mailbox is in the overlay a moment after it has joined. */
const ANNOUNCED_MS = 10_000;

/**
 *     phones .2 ---- 192.168.7.0/24 ---- .1 box (alice) .1 ---- 10.9.0.0/24 ---- .2 far (bob)
 */
interface House {
  readonly lan: Namespace;
  readonly box: Namespace;
  readonly far: Namespace;
  readonly alice: Agent;
  readonly bob: Agent;
}

async function house(lab: Lab, configuration: { readonly alice?: string; readonly bob?: string }): Promise<House> {
  const [lan, box, far] = [await lab.namespace('lan'), await lab.namespace('box'), await lab.namespace('far')];
  await lab.cable(lan, 'eth0', box, 'eth0');
  await lab.cable(box, 'eth1', far, 'eth0');
  await lan.ipBatch(['link set lo up', 'link set eth0 up', 'address add 192.168.7.2/24 dev eth0']);
  await box.ipBatch([
    ...['link set lo up', 'link set eth0 up', `address add ${LAN}/24 dev eth0`],
    ...['link set eth1 up', 'address add 10.9.0.1/24 dev eth1'],
  ]);
  await far.ipBatch(['link set lo up', 'link set eth0 up', 'address add 10.9.0.2/24 dev eth0']);
  await box.carrier('eth0');
  await box.carrier('eth1');
  const alice = await Agent.start(lab, {
    ...{ namespace: box, name: 'alice', overlay: { create: OVERLAY } },
    ...(configuration.alice === undefined ? {} : { configuration: configuration.alice }),
  });
  const bob = await Agent.start(lab, {
    ...{ namespace: far, name: 'bob', overlay: { join: await alice.invite() } },
    ...(configuration.bob === undefined ? {} : { configuration: configuration.bob }),
  });
  return { lan, box, far, alice, bob };
}

async function phone(
  lab: Lab,
  user: string,
  options: Pick<PhoneOptions, 'namespace' | 'family'> & Partial<PhoneOptions>,
): Promise<Phone> {
  const speech = join(lab.directory, 'speech.wav');
  writeWav(speech, speechLike(40, 6940));
  const started = await Phone.start({
    directory: lab.folder(`phone-${user}-${options.account?.user ?? ''}-${options.index ?? 0}`),
    ...{ addressOfRecord: `${user}@${OVERLAY}`, interfaceName: TUN_NAME, speech, registers: 'any' },
    ...options,
  });
  return started;
}

/** Without idloc: an account, a password and a proxy. */
function lanPhone(lab: Lab, { lan }: House, options: Partial<PhoneOptions> = {}): Promise<Phone> {
  const account = { user: 'kitchen', password: PASSWORD, proxy: `${LAN}:5060` };
  return phone(lab, 'alice', { namespace: lan, family: 4, interfaceName: 'eth0', account, ...options });
}

async function memberPhone(lab: Lab, agent: Agent, namespace: Namespace, family: 4 | 6, index = 0): Promise<Phone> {
  const nameserver = (await agent.status()).dns?.listen;
  const at = await phone(lab, agent.name, {
    namespace,
    family,
    onlyIpv4: family === 4,
    index,
    ...(nameserver && { nameserver }),
  });
  await at.registered(10_000);
  // Until its record is stored others call a phone past its adaptor, at 5060 of its host.
  await delay(RECORD_MS);
  return at;
}

async function talk(t: ExecutionContext, label: string, calling: Phone, called: Phone, uri: string): Promise<void> {
  const from = performance.now();
  await calling.dial(uri);
  await Promise.all([calling.next('CALL_ESTABLISHED', 10_000), called.next('CALL_ESTABLISHED', 10_000)]);
  const setUpMs = performance.now() - from;
  await delay(TALK_MS);
  await calling.hangUp();
  await called.next('CALL_CLOSED', 5_000);
  await delay(300);
  const [there, here] = [called.loudnessHeard(), calling.loudnessHeard()];
  t.true(there > 0.02, `${label}: the called phone hears, ${there}`);
  t.true(here > 0.02, `${label}: the calling phone hears, ${here}`);
  t.log(`${label}: established after ${setUpMs.toFixed(0)} ms; heard ${here.toFixed(3)} and ${there.toFixed(3)}`);
}

/** RTP packets that go from the LAN and come there in that time; of 2 s there are a hundred each way. */
async function rtpFor(lab: Lab, lan: Namespace, ms: number): Promise<{ sent: number; heard: number }> {
  const capture = await Capture.start(lan, 'eth0', join(lab.directory, 'lan.pcapng'), 'udp');
  await delay(ms);
  const packets = await rtpPackets(capture);
  const sent = packets.filter(({ source }) => source !== LAN).length;
  return { sent, heard: packets.length - sent };
}

async function lossesIn({ alice, box, bob, far }: House): Promise<string> {
  const hosts = [
    { name: 'box', namespace: box, socket: alice.socket },
    { name: 'far', namespace: far, socket: bob.socket },
  ];
  return (await Promise.all(hosts.map(lossesAt))).flat().join('\n');
}

/** The phone on the LAN holds the call and takes it up again: two more offers in the dialog. */
async function holdAndResume(
  t: ExecutionContext,
  lab: Lab,
  at: House,
  { calling, called }: { calling: Phone; called: Phone },
): Promise<void> {
  await calling.dial(`sip:bob@${OVERLAY}`);
  await Promise.all([calling.next('CALL_ESTABLISHED', 10_000), called.next('CALL_ESTABLISHED', 10_000)]);
  const reinvited = (): number => called.trace.split('\nINVITE sip:').length;
  const before = reinvited();
  await calling.hold();
  await delay(500);
  await calling.resume();
  await delay(500);
  const { sent, heard } = await rtpFor(lab, at.lan, TALK_MS);
  t.is(reinvited(), before + 2);
  if (sent <= 80 || heard <= 80) t.log(await lossesIn(at));
  t.true(sent > 80 && heard > 80, `after hold, ${sent} sent and ${heard} heard`);
  await calling.hangUp();
  await called.next('CALL_CLOSED', 5_000);
}

const LAN_SETTINGS = `[sip.lan]
enable = true
address = "${LAN}"
users = { kitchen = "${PASSWORD}", hall = "${PASSWORD}" }
`;

systemTest(
  'a phone on the LAN without idloc calls a member and is called, and both hear each other',
  async (t, lab) => {
    const at = await house(lab, { alice: LAN_SETTINGS });
    const media = await Rtpengine.start(lab, at.box);
    // baresip 1.0 gives up where SHA-256 is offered beside MD5, and is asked for MD5 alone when it comes again.
    await (await lanPhone(lab, at)).stop();
    const kitchen = await lanPhone(lab, at);
    await kitchen.registered(10_000);
    const bob = await memberPhone(lab, at.bob, at.far, 4);
    await talk(t, 'LAN to member', kitchen, bob, `sip:bob@${OVERLAY}`);
    await talk(t, 'member to LAN', bob, kitchen, `sip:alice@${OVERLAY}`);
    await holdAndResume(t, lab, at, { calling: kitchen, called: bob });

    // Two on the LAN: directly.
    const hall = await lanPhone(lab, at, {
      index: 1,
      account: { user: 'hall', password: PASSWORD, proxy: `${LAN}:5060` },
    });
    await hall.registered(10_000);
    const before = media.output.length;
    await talk(t, 'LAN to LAN', kitchen, hall, `sip:alice@${OVERLAY}`);
    t.is(media.output.slice(before), '', 'rtpengine has nothing to do with it');
    await hall.stop();

    await Promise.all([kitchen.stop(), bob.stop()]);
    await media.stop();
  },
);

systemTest(
  'a phone on the LAN hears a member before he answers, by a 183 with SDP through rtpengine',
  async (t, lab) => {
    const at = await house(lab, { alice: LAN_SETTINGS });
    const media = await Rtpengine.start(lab, at.box);
    await settle(lab, at.far, at.bob);
    const where = { agent: at.bob, namespace: at.far, domain: OVERLAY, folder: 'phone-bob' };
    const bob = await Pjsua.start(await placeBeside(lab, where), { options: ['manual'] });
    const speech = join(lab.directory, 'said.wav');
    writeWav(speech, speechLike(40, 6940), 1);
    // baresip 1.0 gives up where SHA-256 is offered beside MD5, and is asked for MD5 alone when it comes again.
    await (await lanPhone(lab, at)).stop();
    const kitchen = await lanPhone(lab, at, { codecs: 'PCMU/8000/1', speech });
    await kitchen.registered(10_000);
    await delay(RECORD_MS);
    await kitchen.dial(`sip:bob@${OVERLAY}`);
    await bob.next(/^INCOMING </, 20_000);
    bob.command('answer 183');
    await kitchen.next('CALL_PROGRESS', 20_000);
    await hearFromNowOn('before the answer', [kitchen]);
    t.is(kitchen.count('CALL_ESTABLISHED'), 0);
    bob.command('answer 200');
    await Promise.all([kitchen.next('CALL_ESTABLISHED', 20_000), bob.established(20_000)]);
    await Promise.all([hearFromNowOn('after it', [kitchen]), rtpComes('after it', bob)]);
    await kitchen.hangUp();
    await bob.ended(20_000);
    await Promise.all([kitchen.stop(), bob.stop()]);
    await media.stop();
  },
);

systemTest(
  'the agent crashes in a call of a phone on the LAN: the call goes on, and ends as ever when the agent is back',
  async (t, lab) => {
    const at = await house(lab, { alice: LAN_SETTINGS });
    const media = await Rtpengine.start(lab, at.box);
    await (await lanPhone(lab, at)).stop();
    const kitchen = await lanPhone(lab, at);
    await kitchen.registered(10_000);
    const bob = await memberPhone(lab, at.bob, at.far, 4);
    await kitchen.dial(`sip:bob@${OVERLAY}`);
    await Promise.all([kitchen.next('CALL_ESTABLISHED', 10_000), bob.next('CALL_ESTABLISHED', 10_000)]);
    // Registrations are on the disk a second after they came.
    await delay(2_000);
    await at.alice.crash();
    const again = await at.alice.startAgain();
    const packets = await eventually('both are heard again', 20_000, async () => {
      const { sent, heard } = await rtpFor(lab, at.lan, TALK_MS);
      return sent > 80 && heard > 80 ? { sent, heard } : undefined;
    }).catch(async (error: unknown) => {
      t.log(await lossesIn({ ...at, alice: again }));
      throw error;
    });
    t.log(`RTP on the LAN in ${TALK_MS} ms after the crash: ${JSON.stringify(packets)}`);
    await bob.hangUp();
    await kitchen.next('CALL_CLOSED', 5_000);
    await Promise.all([kitchen.stop(), bob.stop()]);
    const said = [at.alice, again].map(({ process }) => `${process.stderr}${process.stdout}`);
    const kept = readdirSync(again.state).map((name) => readFileSync(join(again.state, name), 'latin1'));
    for (const text of [...said, ...kept])
      t.false(text.includes(PASSWORD), 'no password in the log or a file of the agent');
    await media.stop();
  },
);

for (const transport of ['udp', 'tcp'] as const)
  systemTest(
    `linphonec on the LAN registers with SHA-256 over ${transport}, calls a member and is called`,
    async (t, lab) => {
      const at = await house(lab, { alice: LAN_SETTINGS });
      const media = await Rtpengine.start(lab, at.box);
      const bob = await memberPhone(lab, at.bob, at.far, 4);
      const hall = await Linphone.start({
        ...{ namespace: at.lan, directory: lab.folder('linphone'), addressOfRecord: `alice@${OVERLAY}`, transport },
        speech: join(lab.directory, 'speech.wav'),
        account: { user: 'hall', password: PASSWORD, proxy: `${LAN}:5060` },
      });
      t.regex(hall.trace, /Authorization: *Digest[^\n]*algorithm=SHA-256/);
      hall.dial(`sip:bob@${OVERLAY}`);
      await Promise.all([hall.established(10_000), bob.next('CALL_ESTABLISHED', 10_000)]);
      await delay(TALK_MS);
      hall.hangUp();
      await bob.next('CALL_CLOSED', 5_000);
      t.true(bob.loudnessHeard() > 0.02);
      t.true((await hall.loudnessHeard()) > 0.02);
      await bob.dial(`sip:alice@${OVERLAY}`);
      await bob.next('CALL_ESTABLISHED', 10_000);
      await delay(TALK_MS);
      await bob.hangUp();
      t.true(bob.loudnessHeard() > 0.02);
      await Promise.all([hall.stop(), bob.stop()]);
      await media.stop();
    },
  );

systemTest(
  'a call of a phone on the LAN is refused while rtpengine is not there, and the log says why, once',
  async (t, lab) => {
    const at = await house(lab, { alice: LAN_SETTINGS });
    await (await lanPhone(lab, at)).stop();
    const kitchen = await lanPhone(lab, at);
    await kitchen.registered(10_000);
    const bob = await memberPhone(lab, at.bob, at.far, 4);
    for (let n = 0; n < 2; n += 1) {
      const from = performance.now();
      await kitchen.dial(`sip:bob@${OVERLAY}`);
      t.regex(await kitchen.next('CALL_CLOSED', 10_000), /488/);
      t.log(`488 after ${(performance.now() - from).toFixed(0)} ms`);
    }
    t.is(bob.count('CALL_INCOMING'), 0);
    const said = at.alice.process.stderr.split('\n').filter((line) => line.includes('rtpengine'));
    t.is(said.length, 1, said.join('\n'));
    t.regex(said[0] ?? '', /"level":"warn".*rtpengine does not relay media/);
    const media = await Rtpengine.start(lab, at.box);
    await talk(t, 'rtpengine has come', kitchen, bob, `sip:bob@${OVERLAY}`);
    await Promise.all([kitchen.stop(), bob.stop()]);
    await media.stop();
  },
);

systemTest(
  'a phone on the LAN that claims another user, and one with a wrong password, are refused, and the latter is slowed',
  async (t, lab) => {
    const at = await house(lab, { alice: LAN_SETTINGS });
    const place = { namespace: at.lan, family: 4, interfaceName: 'eth0' } as const;
    const account = { user: 'kitchen', password: PASSWORD, proxy: `${LAN}:5060` };
    await (await lanPhone(lab, at)).stop();
    const liar = await phone(lab, 'bob', { ...place, account });
    await eventually('it is refused', 10_000, () => (/403 From Must Be alice@/.test(liar.trace) ? true : undefined));
    await liar.stop();
    const thief = await lanPhone(lab, at, { account: { ...account, password: 'guess-of-a-thief' } });
    await eventually('it is slowed', 10_000, () =>
      /401 Unauthorized[^]*503 Too Many Wrong Passwords/.test(thief.trace) ? true : undefined,
    );
    await thief.stop();
    const log = at.alice.process.stderr;
    t.is(log.match(/wrong password","user":"kitchen","addr":"192.168.7.2"/g)?.length, 5);
    t.notRegex(log, /guess-of-a-thief/);
  },
);

systemTest(
  'a phone on the LAN calls a member who has no phone, and leaves a message through rtpengine',
  async (t, lab) => {
    const machineSetting = `[sip]\nanswering_machine = "${join(lab.directory, 'box-voicemail.sock')}"\n`;
    const at = await house(lab, {
      alice: `${machineSetting}${LAN_SETTINGS}`,
      bob: '[voicemail]\nenable = true\nring_seconds = 5\n',
    });
    const machine = await AnsweringMachine.start(lab, at.box, 'box');
    const media = await Rtpengine.start(lab, at.box);
    const kitchen = await lanPhone(lab, at, {
      codecs: 'PCMU/8000/1',
      speech: toneFile(join(lab.directory, 'tone.wav'), TONE_HZ, 60, 1),
    });
    await delay(ANNOUNCED_MS);
    await kitchen.dial(`sip:bob@${OVERLAY}`);
    await kitchen.next('CALL_ESTABLISHED', 20_000);
    await delay(2 * TALK_MS);
    await kitchen.hangUp();
    t.true(kitchen.loudnessHeard() > 0.005, `the beep: ${kitchen.loudnessHeard()}`);
    const message = await eventually('bob has the message', 60_000, async () => {
      const text = await at.bob.cli('voicemail', 'list', '--json');
      return methods.voicemail.result.parse(JSON.parse(text)).messages[0];
    });
    t.is(message.from, `alice@${OVERLAY}`);
    const file = join(lab.directory, 'message.ogg');
    await at.bob.cli('voicemail', 'save', message.id, file);
    const said = await decoded(file);
    t.true(said.share(TONE_HZ) > 0.7, `its tone: ${said.share(TONE_HZ)}`);
    await kitchen.stop();
    await machine.stop();
    await media.stop();
  },
);

for (const [caller, called] of [
  [4, 6],
  [6, 4],
] as const)
  systemTest(
    `a phone that knows IPv${caller} alone and one that knows IPv${called} alone talk through rtpengine of the called host`,
    async (t, lab) => {
      const at = await house(lab, { bob: '[sip]\nrtpengine = "127.0.0.1:6085"\n' });
      const media = await Rtpengine.start(lab, at.far);
      const [alice, bob] = [
        await memberPhone(lab, at.alice, at.box, caller),
        await memberPhone(lab, at.bob, at.far, called),
      ];
      await talk(t, `IPv${caller} to IPv${called}`, alice, bob, `sip:bob@${OVERLAY}`);
      t.regex(media.output, /Creating new call/);
      await Promise.all([alice.stop(), bob.stop()]);
      await media.stop();
    },
  );

systemTest(
  'a phone that knows IPv6 alone and is called over IPv4, without rtpengine: the caller gets 488 with the reason',
  async (t, lab) => {
    const at = await house(lab, {});
    const [alice, bob] = [await memberPhone(lab, at.alice, at.box, 4), await memberPhone(lab, at.bob, at.far, 6)];
    await alice.dial(`sip:bob@${OVERLAY}`);
    t.regex(await alice.next('CALL_CLOSED', 10_000), /488/);
    t.regex(alice.trace, /Warning: 300 idloc "Incompatible network protocol: the phone is at IPv6/);
    await Promise.all([alice.stop(), bob.stop()]);
  },
);

systemTest(
  'a phone that knows IPv6 alone calls one over IPv4, without rtpengine: 488 with the reason, and nothing rings',
  async (t, lab) => {
    const at = await house(lab, {});
    const [alice, bob] = [await memberPhone(lab, at.alice, at.box, 6), await memberPhone(lab, at.bob, at.far, 4)];
    await alice.dial(`sip:bob@${OVERLAY}`);
    t.regex(await alice.next('CALL_CLOSED', 10_000), /488/);
    t.regex(alice.trace, /Warning: 300 idloc "Incompatible network protocol: the called phone is at IPv4/);
    t.is(alice.count('CALL_ESTABLISHED') + bob.count('CALL_INCOMING'), 0);
    await Promise.all([alice.stop(), bob.stop()]);
  },
);
