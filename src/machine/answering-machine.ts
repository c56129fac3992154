import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IdlocError } from '../base/errors.ts';
import { Baresip } from './baresip.ts';
import type { Orders, Report } from './frames.ts';
import { decodeOpus, encodeOpus, RATE_HZ } from './opus.ts';
import { Recording } from './recording.ts';
import { beep, silence, wavFile } from './wav.ts';

// Implementation constants.

/** Until a phone has opened its ears. */
const LEAD_SECONDS = 0.5;
const BEEP_SECONDS = 0.4;
/** Between two messages, after the beep. */
const GAP_SECONDS = 0.4;
/** What was played whole may have been heard by then, and not before. */
const TAIL_SECONDS = 0.7;
/** A greeting is no speech. */
const MAX_GREETING_SECONDS = 60;
/** The caller's adaptor knows where to as soon as the machine is ready. */
const CALLED_WITHIN_MS = 15_000;
/** Who has asked for the machine waits no longer. */
const READY_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 1_000;
const SILENCE_ENDS_AFTER_MS = 10_000;
const BYTES_PER_SECOND = 2 * RATE_HZ;

const CALLED_OFF = 'it was called off';
const NO_ROOM = 'there is no room for more';

export interface CallPorts {
  ready(port: number): void;
  /** Ogg Opus. */
  recorded(ogg: Uint8Array): void;
  over(report: Report): void;
}

export interface CallOptions {
  readonly orders: Orders;
  /** Ogg Opus, in the order in which they are played. */
  readonly sounds: readonly Uint8Array[];
  /** Where files may be written; the caller takes it away. */
  readonly directory: string;
  /** Nobody wants it any more. */
  readonly signal: AbortSignal;
  /** What was said until then is wanted, and no more. */
  readonly enough: AbortSignal;
}

/**
 * One call, from the orders to the report.
 *
 *     preparing ──baresip is ready──> waiting ──the call is answered──> talking ──hung up, time, silence, enough──> ending ──> over
 *         └──a program fails──> (throws)   └──nobody calls──────────────────────────────────────────────────^
 *
 * @throws {IdlocError} when a program fails before the call.
 */
export async function answerCall(ports: CallPorts, options: CallOptions): Promise<void> {
  const { orders, sounds, directory, signal, enough } = options;
  const ended = aborted(enough);
  const isRecording = orders.task === 'record';
  const played = await arrange(options);
  const plays = join(directory, 'plays.wav');
  await writeFile(plays, wavFile({ rate: RATE_HZ, channels: 1, data: Buffer.concat(played.pieces) }));
  const lengthSeconds = played.pieces.reduce((sum, { length }) => sum + length, 0) / BYTES_PER_SECOND;
  const baresip = await Baresip.start({
    ...{ directory, plays, records: isRecording, ...orders },
    maxSeconds: Math.ceil(lengthSeconds + CALLED_WITHIN_MS / 1_000 + 5),
  });
  const recording = new Recording(directory);
  const call = { answeredAt: undefined as number | undefined, heardMs: 0, why: 'nobody called' };
  const talking = new AbortController();
  try {
    const isReady = await firstOf([baresip.ready.then(() => true)], READY_WITHIN_MS, signal);
    if (isReady !== true) throw new IdlocError('program_failed', 'baresip is not ready in time');
    ports.ready(baresip.port);
    const isAnswered = await firstOf(
      [baresip.answered.then(() => true), baresip.closed.then(() => false), ended.then(() => false)],
      CALLED_WITHIN_MS,
      signal,
    );
    if (isAnswered === true) {
      call.answeredAt = performance.now();
      const limits = { fromMs: 1_000 * played.beepEndsAt, maxMs: 1_000 * orders.maxSeconds };
      const watched = isRecording ? [watch(recording, limits, AbortSignal.any([signal, talking.signal]))] : [];
      call.why =
        (await firstOf([baresip.closed, ended, ...watched], 1_000 * (lengthSeconds + 1), signal)) ?? 'time is up';
      call.heardMs = performance.now() - call.answeredAt;
    }
  } finally {
    talking.abort();
    await baresip.stop();
  }
  if (signal.aborted) return;
  const said = isRecording && call.answeredAt !== undefined ? recording.take() : undefined;
  if (said !== undefined) {
    const { seconds } = said;
    ports.recorded(await encodeOpus(wavFile(said), { seconds, signal }));
  }
  const count = isRecording ? 0 : played.endsAt.filter((seconds) => 1_000 * seconds <= call.heardMs).length;
  ports.over({ seconds: said?.seconds ?? 0, played: Math.min(count, sounds.length), why: call.why });
}

interface Arrangement {
  /** Samples. */
  readonly pieces: readonly Buffer[];
  /** Of each sound, seconds from the beginning. */
  readonly endsAt: readonly number[];
  /** Of a recording, what is said from then on. */
  readonly beepEndsAt: number;
}

/** What the caller hears. */
async function arrange({ orders, sounds, signal }: CallOptions): Promise<Arrangement> {
  const pieces: Buffer[] = [silence(LEAD_SECONDS, RATE_HZ)];
  const endsAt: number[] = [];
  let seconds = LEAD_SECONDS;
  const add = (samples: Buffer): void => {
    pieces.push(samples);
    seconds += samples.length / BYTES_PER_SECOND;
  };
  const isRecording = orders.task === 'record';
  const limit = isRecording ? MAX_GREETING_SECONDS : orders.maxSeconds;
  for (const [index, sound] of sounds.entries()) {
    const left = Math.floor(limit - seconds);
    if (left < 1) break;
    const maxSeconds = Math.min(left, Math.floor(orders.soundSeconds?.[index] ?? left));
    // What cannot be played is passed over: it would stand before all others in each call.
    const samples = await decodeOpus(sound, { maxSeconds, signal }).catch(unlessMissing);
    // A message that has no room is for the next call.
    if (index > 0 && samples.length >= BYTES_PER_SECOND * left) break;
    if (index > 0) {
      add(beep(BEEP_SECONDS, RATE_HZ));
      add(silence(GAP_SECONDS, RATE_HZ));
    }
    add(samples);
    endsAt.push(seconds);
  }
  // baresip hangs up where the file ends, and phones do where they hear nothing.
  if (isRecording) add(beep(BEEP_SECONDS, RATE_HZ));
  const beepEndsAt = seconds;
  add(silence(isRecording ? orders.maxSeconds + 1 : TAIL_SECONDS, RATE_HZ));
  return { pieces, endsAt, beepEndsAt };
}

/** @throws where there is no such program. */
function unlessMissing(error: unknown): Buffer {
  if (error instanceof IdlocError && error.code !== 'no_program') return Buffer.alloc(0);
  throw error;
}

/** @returns why the call is to end. */
async function watch(
  recording: Recording,
  { fromMs, maxMs }: { readonly fromMs: number; readonly maxMs: number },
  signal: AbortSignal,
): Promise<string> {
  const answered = performance.now();
  for (let leftMs = fromMs; leftMs > 0; leftMs = fromMs - (performance.now() - answered)) {
    await pause(Math.min(leftMs, LOOK_EVERY_MS), signal);
    if (signal.aborted) return CALLED_OFF;
    if (!recording.makeRoom()) return NO_ROOM;
  }
  recording.begin();
  const began = performance.now();
  for (let loudAt = began; ;) {
    await pause(LOOK_EVERY_MS, signal);
    if (signal.aborted) return CALLED_OFF;
    const now = performance.now();
    if (recording.look()) loudAt = now;
    if (!recording.makeRoom()) return NO_ROOM;
    if (now - began >= maxMs) return 'the recording is full';
    if (now - loudAt >= SILENCE_ENDS_AFTER_MS) return 'nobody speaks';
  }
}

async function aborted(signal: AbortSignal): Promise<string> {
  if (!signal.aborted) await once(signal, 'abort');
  return 'the agent ends';
}

/** @returns undefined: none of them in that time, or it was called off. */
async function firstOf<T>(
  events: readonly Promise<T>[],
  withinMs: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const limit = new AbortController();
  const timeout = pause(withinMs, AbortSignal.any([limit.signal, signal])).then(() => undefined);
  try {
    return await Promise.race([...events, timeout]);
  } finally {
    limit.abort();
  }
}

/** Never rejects: it is over early when it is called off. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
