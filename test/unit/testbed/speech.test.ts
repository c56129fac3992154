import test from 'ava';
import { SAMPLE_RATE_HZ, speechLike } from '../../../scripts/testbed/speech.ts';

test('speech is loud in its syllables, silent in its pauses and never clipped', (t) => {
  const samples = speechLike(5, 6940);
  t.is(samples.length, 5 * SAMPLE_RATE_HZ);
  const syllable = SAMPLE_RATE_HZ / 4;
  const loudness = Array.from({ length: 20 }, (_, i) => {
    const part = samples.subarray(i * syllable, (i + 1) * syllable);
    return Math.sqrt(part.reduce((sum, sample) => sum + sample * sample, 0) / part.length);
  });
  t.true(loudness.some((value) => value > 0.05));
  t.true(loudness.some((value) => value === 0));
  t.true(samples.every((sample) => Math.abs(sample) <= 0.71));
});

test('the same seed gives the same speech', (t) => {
  t.deepEqual(speechLike(0.5, 7), speechLike(0.5, 7));
});
