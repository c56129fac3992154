import { run } from './programs.ts';
import { mono, parseWav } from './wav.ts';

/** Of all that is played: G.711 has no more. */
export const RATE_HZ = 8_000;
const BYTES_PER_SAMPLE = 2;
const MAX_HEADER_BYTES = 1_024;
/** Speech of a telephone is no better with more. */
const MAX_KBIT_PER_SECOND = 24;
/** What is left in the overlay has 264 kB at most; a long recording is packed closer, to about that. */
const PACKED_BYTES = 200_000;
/** Of a program that was told to be close and is not. */
const MOST_BYTES = 8 << 20;

/**
 * Samples at `RATE_HZ`, one channel, of so many seconds at most: a small file may say an hour of silence.
 * @throws {IdlocError} `no_program`, `program_failed`, `malformed_message`
 */
export async function decodeOpus(
  ogg: Uint8Array,
  { maxSeconds, signal }: { readonly maxSeconds: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const maxBytes = MAX_HEADER_BYTES + 2 * BYTES_PER_SAMPLE * RATE_HZ * maxSeconds;
  const wav = await run('opusdec', ['--quiet', '--rate', String(RATE_HZ), '--force-wav', '-', '-'], {
    input: ogg,
    signal,
    maxBytes,
  });
  return mono(parseWav(wav)).subarray(0, BYTES_PER_SAMPLE * RATE_HZ * maxSeconds);
}

/** Needs no room on a disk: it may be why the call has ended. @param seconds that the WAV file has. @throws {IdlocError} `no_program`, `program_failed` */
export async function encodeOpus(
  wav: Uint8Array,
  { seconds, signal }: { readonly seconds: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const kbit = Math.min(MAX_KBIT_PER_SECOND, (8 * PACKED_BYTES) / 1_000 / Math.max(1, seconds));
  const quality = ['--quiet', '--cvbr', '--bitrate', kbit.toFixed(1), '--speech', '--downmix-mono'];
  return run('opusenc', [...quality, '-', '-'], { input: wav, signal, maxBytes: MOST_BYTES });
}
