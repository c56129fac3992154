import test from 'ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { beep, loudness, mono, parseWav, silence, wavFile } from '../../../src/machine/wav.ts';

test('what is written as a WAV file is read again, and two channels become one', (t) => {
  const samples = Buffer.alloc(8);
  for (const [index, value] of [100, 300, -200, -400].entries()) samples.writeInt16LE(value, 2 * index);
  const { rate, channels, offset, data } = parseWav(wavFile({ rate: 48_000, channels: 2, data: samples }));
  t.deepEqual({ rate, channels, offset }, { rate: 48_000, channels: 2, offset: 44 });
  const mixed = mono({ channels, data });
  t.deepEqual([mixed.length, mixed.readInt16LE(0), mixed.readInt16LE(2)], [4, 200, -300]);
});

test('a file whose writer did not know its length has what is there: 0, or as much as a number may be', (t) => {
  for (const said of [0, 0xffff_ffff, 0x7fff_ffff]) {
    const file = wavFile({ rate: 8_000, channels: 1, data: Buffer.alloc(10, 1) });
    file.writeUInt32LE(said, 40);
    t.is(parseWav(file).data.length, 10);
  }
});

test('what is no WAV file of 16-bit PCM is refused, wherever it is cut off', (t) => {
  const file = wavFile({ rate: 8_000, channels: 1, data: Buffer.alloc(10, 1) });
  for (let length = 0; length < 44; length += 1)
    t.throws(() => parseWav(file.subarray(0, length)), { instanceOf: MalformedMessageError });
  const float = Buffer.from(file);
  float.writeUInt16LE(3, 20);
  t.throws(() => parseWav(float), { instanceOf: MalformedMessageError });
});

test('a beep is loud, and silence is not', (t) => {
  t.is(beep(0.4, 8_000).length, 2 * 3_200);
  t.true(loudness(beep(0.4, 8_000)) > 0.1);
  t.is(loudness(silence(1, 8_000)), 0);
  t.is(loudness(new Uint8Array()), 0);
});
