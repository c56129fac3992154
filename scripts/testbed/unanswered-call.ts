import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { methods } from '../../src/control/schemas.ts';
import { AnsweringMachine } from './answering-machine.ts';
import { type CallEnds, registeredPhones } from './call.ts';
import { command, eventually, ScriptError } from './command.ts';
import type { Lab, Namespace } from './lab.ts';
import { loudnessOf, speechLike, writeWav } from './speech.ts';

const RING_SECONDS = 5;
const GREETING_SECONDS = 2;
const GREETING_SEED = 7904;
/** Behind the greeting, with the beep. */
const SPOKEN_MS = 4_000;
/** Beside the time that it rings: a machine starts. */
const ANSWER_GRACE_MS = 5_000;
/** Until the overlay says that there is a mailbox the phones ring on; and from a message to its place in the list. */
const STORED_MS = 100_000;

/** A call that nobody takes. */
export interface UnansweredCall {
  /** From dialling until the greeting begins: so long all phones of the callee rang, ms. */
  readonly rangMs: number;
  /** Of each of them. */
  readonly phones: readonly { readonly rang: number; readonly answered: number }[];
  /** How loud the caller heard the greeting: root mean square, 0 to 1. */
  readonly greetingLoudness: number;
  /** From hanging up until the callee's host shows the message, ms. */
  readonly shownMs: number;
  /** `idloc voicemail list` at the callee. */
  readonly list: string;
  readonly message: { readonly from: string; readonly seconds: number; readonly loudness: number };
}

/** Answering machines of a host, as a part of its agent's configuration. */
export async function withAnsweringMachines(lab: Lab, namespace: Namespace, name: string): Promise<string> {
  const { socket } = await AnsweringMachine.start(lab, namespace, name);
  return `[sip]\nanswering_machine = "${socket}"\n`;
}

/** The same of a host whose user takes messages. */
export async function withMailbox(lab: Lab): Promise<string> {
  const [wav, greeting] = ['greeting.wav', 'greeting.ogg'].map((name) => join(lab.directory, name)) as [string, string];
  writeWav(wav, speechLike(GREETING_SECONDS, GREETING_SEED), 1);
  await command('opusenc', ['--quiet', wav, greeting]);
  return `[voicemail]\nenable = true\nring_seconds = ${RING_SECONDS}\ngreeting = "${greeting}"\n`;
}

/**
 * A call by the callee's name, whose two phones ring and are not answered: the caller hears the greeting, speaks and hangs up; the
 * message is listed at the callee's host and saved there. @throws {ScriptError} when one of it does not happen
 */
export async function unansweredCall(ends: CallEnds): Promise<UnansweredCall> {
  const { lab } = ends;
  const callee = ends.callee.agent;
  const { calling, target, called: first, other } = await registeredPhones(ends);
  const called = [first, other];
  const counted = (type: string): number[] => called.map((phone) => phone.count(type));
  const { rangMs, rangBefore } = await eventually('the caller hears a greeting', STORED_MS, async () => {
    const [from, before] = [performance.now(), counted('CALL_INCOMING')];
    await calling.dial(`sip:${target}`);
    const limit = 1_000 * RING_SECONDS + ANSWER_GRACE_MS;
    const isAnswered = await calling.next('CALL_ESTABLISHED', limit).then(
      () => true,
      () => false,
    );
    if (isAnswered) return { rangMs: performance.now() - from, rangBefore: before };
    await calling.hangUp();
    await calling.next('CALL_CLOSED', ANSWER_GRACE_MS);
    return undefined;
  });
  await delay(1_000 * GREETING_SECONDS + SPOKEN_MS);
  await calling.hangUp();
  const hungUpAt = performance.now();
  const message = await eventually('the message is listed', STORED_MS, async () => {
    const { messages } = methods.voicemail.result.parse(JSON.parse(await callee.cli('voicemail', 'list', '--json')));
    return messages[0];
  });
  const shownMs = performance.now() - hungUpAt;
  const list = await callee.cli('voicemail', 'list');
  const phones = called.map((phone, index) => ({
    rang: phone.count('CALL_INCOMING') - (rangBefore[index] ?? 0),
    answered: phone.count('CALL_ESTABLISHED'),
  }));
  await Promise.all([calling, ...called].map((phone) => phone.stop()));
  const [ogg, wav] = ['message.ogg', 'message.wav'].map((name) => join(lab.directory, name)) as [string, string];
  await callee.cli('voicemail', 'save', message.id, ogg);
  await command('opusdec', ['--quiet', '--force-wav', ogg, wav]);
  if (readFileSync(wav).length === 0) throw new ScriptError('the message is empty');
  return {
    ...{ rangMs, phones, shownMs, list },
    greetingLoudness: calling.loudnessHeard(),
    message: { from: message.from, seconds: message.seconds, loudness: loudnessOf(wav) },
  };
}
