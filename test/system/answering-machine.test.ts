import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TUN_NAME } from '../../scripts/testbed/agent.ts';
import { AnsweringMachine } from '../../scripts/testbed/answering-machine.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { Phone, type PhoneOptions } from '../../scripts/testbed/phone.ts';
import { AnsweringMachines, type MachineRun } from '../../src/agent/voice-mail/answering-machines.ts';
import { Guard } from '../../src/agent/guard.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { systemTest } from './support/system-test.ts';
import { decoded, heardIn, toneFile, toneOgg } from './support/tones.ts';

const [GREETING_HZ, SPEECH_HZ, BEEP_HZ] = [440, 700, 1_000];
const GREETING_SECONDS = 2;

/** A host of an overlay without its agent, a phone, and answering machines. */
interface Scene {
  readonly namespace: Namespace;
  readonly machines: AnsweringMachines;
  readonly listener: AnsweringMachine;
}

async function scene(lab: Lab, roomBytes?: number): Promise<Scene> {
  const namespace = await lab.namespace('host');
  await namespace.ipBatch([
    ...[
      'link set lo up',
      `link add ${TUN_NAME} type veth peer name other`,
      `link set ${TUN_NAME} up`,
      'link set other up',
    ],
    `address add 198.18.0.1/15 dev ${TUN_NAME}`,
    `address add 2001:20::1/28 dev ${TUN_NAME} nodad`,
  ]);
  const listener = await AnsweringMachine.start(lab, namespace, 'host', roomBytes);
  const machines = new AnsweringMachines(
    { logger: silentLogger, guard: new Guard({ logger: silentLogger }) },
    { socket: listener.socket, interfaceName: TUN_NAME },
  );
  return { namespace, machines, listener };
}

async function phone(
  lab: Lab,
  { namespace }: Scene,
  options: Pick<PhoneOptions, 'family' | 'speech'> & Partial<PhoneOptions>,
): Promise<Phone> {
  return Phone.start({
    ...{ namespace, directory: lab.folder('phone'), addressOfRecord: 'alice@198.18.0.1', interfaceName: TUN_NAME },
    ...options,
    onlyIpv4: options.family === 4,
  });
}

async function dial(calling: Phone, { ready }: MachineRun): Promise<void> {
  const at = await ready;
  if (at === undefined) throw new Error('the machine is not ready');
  const host = at.address.includes(':') ? `[${at.address}]` : at.address;
  await calling.dial(`sip:voicemail@${host}:${at.port}`);
  await calling.next('CALL_ESTABLISHED', 5_000);
}

for (const [family, codec] of [
  [4, 'g711'],
  [6, 'g711'],
  [4, 'opus'],
  [6, 'opus'],
] as const)
  systemTest(
    `a caller by ${codec} over IPv${family} hears the greeting and a beep; what he says then is there as Ogg Opus, without the greeting`,
    async (t, lab) => {
      const at = await scene(lab);
      const calling = await phone(lab, at, {
        family,
        speech: toneFile(join(lab.directory, 'speech.wav'), SPEECH_HZ, 30, codec === 'g711' ? 1 : 2),
        codecs: codec === 'g711' ? 'PCMU/8000/1' : 'opus/48000/2',
      });
      const greeting = await toneOgg(lab.directory, GREETING_HZ, GREETING_SECONDS);
      const from = performance.now();
      const run = at.machines.start({ task: 'record', family, codec, maxSeconds: 30 }, [greeting]);
      await dial(calling, run);
      t.log(`answered after ${(performance.now() - from).toFixed(0)} ms`);
      await delay(1_000 * (GREETING_SECONDS + 1) + 3_000);
      await calling.hangUp();
      const result = await run.over;
      await calling.stop();
      const file = join(lab.directory, 'said.ogg');
      writeFileSync(file, result?.ogg ?? new Uint8Array());
      t.is(Buffer.from(result?.ogg ?? []).toString('latin1', 0, 4), 'OggS');
      const said = await decoded(file);
      t.true(said.share(SPEECH_HZ) > 0.7, `the caller’s tone: ${said.share(SPEECH_HZ)}`);
      t.true(said.share(GREETING_HZ) < 0.05, `the greeting: ${said.share(GREETING_HZ)}`);
      t.true(said.seconds > 1 && said.seconds < 10, `${said.seconds} s`);
      t.true(Math.abs(said.seconds - (result?.seconds ?? 0)) < 0.5);
      const heard = heardIn(readFileSync(calling.heardFile() ?? ''));
      t.log(
        `said ${said.seconds.toFixed(1)} s; heard ${heard.share(GREETING_HZ).toFixed(2)} greeting, ${heard.share(BEEP_HZ).toFixed(3)} beep`,
      );
      t.true(heard.share(GREETING_HZ) > 0.6);
      t.true(heard.share(BEEP_HZ) > 0.01);
      await at.listener.stop();
    },
  );

systemTest(
  'messages are played one after the other, then the machine hangs up; who hangs up before has heard those that were over',
  async (t, lab) => {
    const at = await scene(lab);
    const calling = await phone(lab, at, {
      family: 4,
      speech: toneFile(join(lab.directory, 'silence.wav'), undefined, 30, 1),
      codecs: 'PCMA/8000/1',
    });
    const sounds = [await toneOgg(lab.directory, 440, 2), await toneOgg(lab.directory, 800, 2)];
    const orders = { task: 'play', family: 4, codec: 'g711', maxSeconds: 600 } as const;
    const whole = at.machines.start(orders, sounds);
    await dial(calling, whole);
    await calling.next('CALL_CLOSED', 15_000);
    t.like(await whole.over, { played: 2, ogg: undefined });
    const heard = heardIn(readFileSync(calling.heardFile() ?? ''));
    for (const hz of [440, 800]) t.true(heard.share(hz) > 0.3, `${hz} Hz: ${heard.share(hz)}`);

    const broken = at.machines.start(orders, [Buffer.from('no sound'), ...sounds]);
    await dial(calling, broken);
    await delay(5_000);
    await calling.hangUp();
    t.is((await broken.over)?.played, 2, 'what cannot be played, and the first');
    await calling.stop();
    await at.listener.stop();
  },
);

systemTest('a message that is longer than it says is cut off there, and the next one follows', async (t, lab) => {
  const at = await scene(lab);
  const calling = await phone(lab, at, {
    family: 4,
    speech: toneFile(join(lab.directory, 'silence.wav'), undefined, 60, 1),
    codecs: 'PCMA/8000/1',
  });
  const sounds = [await toneOgg(lab.directory, 440, 60), await toneOgg(lab.directory, 800, 2)];
  const run = at.machines.start(
    { task: 'play', family: 4, codec: 'g711', maxSeconds: 600, soundSeconds: [2, 2] },
    sounds,
  );
  await dial(calling, run);
  await calling.next('CALL_CLOSED', 15_000);
  t.is((await run.over)?.played, 2);
  const heard = heardIn(readFileSync(calling.heardFile() ?? ''));
  for (const hz of [440, 800]) t.true(heard.share(hz) > 0.3, `${hz} Hz: ${heard.share(hz)}`);
  await calling.stop();
  await at.listener.stop();
});

systemTest(
  'who says nothing is hung up on and leaves nothing; who does not stop is hung up on when the recording is full',
  async (t, lab) => {
    const at = await scene(lab);
    const orders = { task: 'record', family: 4, codec: 'g711' } as const;
    const silent = await phone(lab, at, {
      family: 4,
      speech: toneFile(join(lab.directory, 'silence.wav'), undefined, 60, 1),
      codecs: 'PCMU/8000/1',
    });
    const nothing = at.machines.start({ ...orders, maxSeconds: 60 }, []);
    await dial(silent, nothing);
    await silent.next('CALL_CLOSED', 20_000);
    t.like(await nothing.over, { ogg: undefined, seconds: 0, why: 'nobody speaks' });
    await silent.stop();
    const speaking = await phone(lab, at, {
      family: 4,
      speech: toneFile(join(lab.directory, 'speech.wav'), SPEECH_HZ, 30, 1),
      codecs: 'PCMU/8000/1',
    });
    const full = at.machines.start({ ...orders, maxSeconds: 3 }, []);
    await dial(speaking, full);
    await speaking.next('CALL_CLOSED', 15_000);
    const result = await full.over;
    t.is(result?.why, 'the recording is full');
    t.true((result?.seconds ?? 0) > 2 && (result?.seconds ?? 0) < 6, `${result?.seconds ?? 0} s`);
    await speaking.stop();
    await at.listener.stop();
  },
);

systemTest(
  'a machine whose folder is full hangs up, and what was said until then is there; one that has no room at all is not ready',
  async (t, lab) => {
    const at = await scene(lab, 3 << 20);
    const calling = await phone(lab, at, {
      family: 4,
      speech: toneFile(join(lab.directory, 'speech.wav'), SPEECH_HZ, 60, 2),
      codecs: 'opus/48000/2',
    });
    const orders = { task: 'record', family: 4, codec: 'opus' } as const;
    const run = at.machines.start({ ...orders, maxSeconds: 50 }, []);
    await dial(calling, run);
    await calling.next('CALL_CLOSED', 30_000);
    const result = await run.over;
    t.is(result?.why, 'there is no room for more');
    const file = join(lab.directory, 'said.ogg');
    writeFileSync(file, result?.ogg ?? new Uint8Array());
    const said = await decoded(file);
    t.log(`${said.seconds.toFixed(1)} s had room`);
    t.true(said.seconds > 2 && said.share(SPEECH_HZ) > 0.7, `${said.seconds} s, ${said.share(SPEECH_HZ)}`);
    const none = at.machines.start({ ...orders, maxSeconds: 300 }, []);
    t.is(await none.ready, undefined);
    t.is(await none.over, undefined);
    await calling.stop();
    await at.listener.stop();
  },
);

systemTest(
  'a machine that nobody calls ends by itself, one whose agent goes away ends the call, and one whose agent ends gives what was said until then',
  async (t, lab) => {
    const at = await scene(lab);
    const calling = await phone(lab, at, {
      family: 4,
      speech: toneFile(join(lab.directory, 'speech.wav'), SPEECH_HZ, 40, 1),
      codecs: 'PCMU/8000/1',
    });
    const orders = { task: 'record', family: 4, codec: 'g711', maxSeconds: 30 } as const;
    const alone = at.machines.start(orders, []);
    t.not(await alone.ready, undefined);
    const run = at.machines.start(orders, []);
    await dial(calling, run);
    t.like(await alone.over, { ogg: undefined, why: 'nobody called' });
    run.stop();
    await calling.next('CALL_CLOSED', 5_000);
    t.is(await run.over, undefined);
    const kept = at.machines.start(orders, []);
    await dial(calling, kept);
    await delay(4_000);
    await at.machines.stop();
    await calling.next('CALL_CLOSED', 5_000);
    const result = await kept.over;
    t.is(result?.why, 'the agent ends');
    t.true((result?.seconds ?? 0) > 2, `${result?.seconds ?? 0} s`);
    await calling.stop();
    await at.listener.stop();
  },
);
