import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../../../scripts/testbed/command.ts';
import { SAMPLE_RATE_HZ, writeWav } from '../../../scripts/testbed/speech.ts';
import { mono, parseWav } from '../../../src/machine/wav.ts';

/** What a phone with `speech` says: one tone; of none, silence. @param channels as its codec has: Opus two, G.711 one */
export function toneFile(path: string, hz: number | undefined, seconds: number, channels: 1 | 2): string {
  writeWav(path, hz === undefined ? new Float32Array(seconds * SAMPLE_RATE_HZ) : tone(hz, seconds), channels);
  return path;
}

/** Ogg Opus of one tone. */
export async function toneOgg(directory: string, hz: number, seconds: number): Promise<Buffer> {
  const [wav, ogg] = [join(directory, `${hz}.wav`), join(directory, `${hz}.ogg`)];
  writeWav(wav, tone(hz, seconds), 1);
  await command('opusenc', ['--quiet', wav, ogg]);
  return readFileSync(ogg);
}

export interface Heard {
  readonly seconds: number;
  /** The part of all that was heard that is this tone, 0 to 1: its power in pieces of a tenth of a second. */
  share(hz: number): number;
}

export function heardIn(wav: Uint8Array): Heard {
  const { rate, channels, data } = parseWav(wav);
  const bytes = mono({ channels, data });
  const samples = Float64Array.from({ length: bytes.length >> 1 }, (_, index) => bytes.readInt16LE(2 * index) / 32_768);
  const total = samples.reduce((sum, sample) => sum + sample ** 2, 0);
  return {
    seconds: samples.length / rate,
    share: (hz) => {
      const piece = Math.round(rate / 10);
      let found = 0;
      for (let at = 0; at + piece <= samples.length; at += piece)
        found += power(samples.subarray(at, at + piece), hz, rate);
      return found / Math.max(total, 1e-9);
    },
  };
}

/** @param ogg Ogg Opus */
export async function decoded(ogg: string): Promise<Heard> {
  await command('opusdec', ['--quiet', '--force-wav', ogg, `${ogg}.wav`]);
  return heardIn(readFileSync(`${ogg}.wav`));
}

function tone(hz: number, seconds: number): Float32Array {
  return Float32Array.from(
    { length: seconds * SAMPLE_RATE_HZ },
    (_, index) => 0.5 * Math.sin((2 * Math.PI * hz * index) / SAMPLE_RATE_HZ),
  );
}

/** Goertzel: the energy of one frequency. */
function power(samples: Float64Array, hz: number, rate: number): number {
  const factor = 2 * Math.cos((2 * Math.PI * hz) / rate);
  let [last, before] = [0, 0];
  for (const sample of samples) [last, before] = [sample + factor * last - before, last];
  return (2 * (last ** 2 + before ** 2 - factor * last * before)) / samples.length;
}
