import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './programs.ts';
import { mono, parseWav } from './wav.ts';

/** Of all that is played: G.711 has no more. */
export const RATE_HZ = 8_000;
const BYTES_PER_SAMPLE = 2;
const MAX_HEADER_BYTES = 1_024;
/** Speech of a telephone is no better with more. */
const MAX_KBIT_PER_SECOND = 24;
/** What is left in the overlay has 240 kB at most; a long recording is packed closer. */
const MAX_RECORDING_BYTES = 200_000;

/**
 * Samples at `RATE_HZ`, one channel, of so many seconds at most: a small file may say an hour of silence.
 * @throws {IdlocError} `no_program`, `program_failed`, `malformed_message`
 */
export async function decodeOpus(
  ogg: Uint8Array,
  directory: string,
  { maxSeconds, signal }: { readonly maxSeconds: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const file = join(directory, 'played.ogg');
  await writeFile(file, ogg);
  const maxBytes = MAX_HEADER_BYTES + 2 * BYTES_PER_SAMPLE * RATE_HZ * maxSeconds;
  const wav = await run('opusdec', ['--quiet', '--rate', String(RATE_HZ), '--force-wav', file, '-'], {
    signal,
    maxBytes,
  });
  return mono(parseWav(wav)).subarray(0, BYTES_PER_SAMPLE * RATE_HZ * maxSeconds);
}

/** @param seconds that the WAV file has. @throws {IdlocError} `no_program`, `program_failed` */
export async function encodeOpus(
  wav: Uint8Array,
  directory: string,
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const [input, output] = [join(directory, 'said.wav'), join(directory, 'said.ogg')];
  await writeFile(input, wav);
  const kbit = Math.min(MAX_KBIT_PER_SECOND, (8 * MAX_RECORDING_BYTES) / 1_000 / Math.max(1, seconds));
  const quality = ['--quiet', '--cvbr', '--bitrate', kbit.toFixed(1), '--speech', '--downmix-mono'];
  await run('opusenc', [...quality, input, output], { signal, maxBytes: MAX_HEADER_BYTES });
  return readFile(output);
}
