import { readFileSync, writeFileSync } from 'node:fs';
import { seededRandom } from '../../src/base/random.ts';
import { wavFile } from '../../src/machine/wav.ts';

/** What baresip's opus wants from a file: its own rate, two channels. */
export const SAMPLE_RATE_HZ = 48_000;
const STEREO = 2;
const BYTES_PER_SAMPLE = 2;

export const WAV_HEADER_BYTES = 44;

const PITCH_HZ = 115;
/** First three formants of a few vowels, Hz. */
const VOWELS = [
  [730, 1090, 2440],
  [270, 2290, 3010],
  [570, 840, 2410],
  [300, 870, 2240],
  [530, 1840, 2480],
] as const;
const FORMANT_BANDWIDTH_HZ = 90;
const SYLLABLES_PER_SECOND = 4;
/** One syllable in five is a pause. */
const PAUSE_PROBABILITY = 0.2;
/** The part of a syllable that is a consonant: noise. */
const CONSONANT_PART = 0.25;

/** Two-pole resonator. */
function resonator(frequencyHz: number): (input: number) => number {
  const radius = Math.exp((-Math.PI * FORMANT_BANDWIDTH_HZ) / SAMPLE_RATE_HZ);
  const a = 2 * radius * Math.cos((2 * Math.PI * frequencyHz) / SAMPLE_RATE_HZ);
  const b = -radius * radius;
  let last = 0;
  let beforeLast = 0;
  return (input) => {
    const output = (1 - radius) * input + a * last + b * beforeLast;
    beforeLast = last;
    last = output;
    return output;
  };
}

/** Syllables of a glottal pulse train through vowel formants, consonants of noise, pauses: what a codec sees of speech. */
export function speechLike(seconds: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  const samples = new Float32Array(Math.round(seconds * SAMPLE_RATE_HZ));
  const syllableLength = Math.round(SAMPLE_RATE_HZ / SYLLABLES_PER_SECOND);
  for (let start = 0; start < samples.length; start += syllableLength) {
    if (random.float() < PAUSE_PROBABILITY) continue;
    const formants = (VOWELS[random.uint32() % VOWELS.length] ?? VOWELS[0]).map(resonator);
    const pitchPeriod = Math.round(SAMPLE_RATE_HZ / (PITCH_HZ * (0.9 + 0.2 * random.float())));
    for (let i = 0; i < syllableLength && start + i < samples.length; i++) {
      const position = i / syllableLength;
      const envelope = Math.sin(Math.PI * position);
      const noise = 2 * random.float() - 1;
      const source = position < CONSONANT_PART ? 0.3 * noise : (i % pitchPeriod === 0 ? 40 : 0) + 0.02 * noise;
      samples[start + i] = envelope * formants.reduce((sum, formant) => sum + formant(source), 0);
    }
  }
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 1e-9);
  return samples.map((sample) => (0.7 * sample) / peak);
}

/** 16-bit PCM, the same samples on all channels. */
export function writeWav(path: string, samples: Float32Array, channels = STEREO): void {
  const frameBytes = channels * BYTES_PER_SAMPLE;
  const data = Buffer.alloc(samples.length * frameBytes);
  samples.forEach((sample, i) => {
    const value = Math.round(sample * 32767);
    for (let channel = 0; channel < channels; channel++)
      data.writeInt16LE(value, i * frameBytes + channel * BYTES_PER_SAMPLE);
  });
  writeFileSync(path, wavFile({ rate: SAMPLE_RATE_HZ, channels, data }));
}

/**
 * Root mean square of a WAV file of 16 bits, 0 to 1.
 * @param fromByte of the file: what was heard since it was that long
 */
export function loudnessOf(file: string, fromByte = 0): number {
  const data = readFileSync(file).subarray(Math.max(WAV_HEADER_BYTES, fromByte + (fromByte % BYTES_PER_SAMPLE)));
  const samples = Math.floor(data.length / 2);
  let sum = 0;
  for (let i = 0; i < samples; i++) sum += (data.readInt16LE(2 * i) / 32768) ** 2;
  return Math.sqrt(sum / Math.max(1, samples));
}
