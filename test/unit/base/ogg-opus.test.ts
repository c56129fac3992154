import test from 'ava';
import fc from 'fast-check';
import { isOggOpus } from '../../../src/base/ogg-opus.ts';
import { oggOfBytes } from '../../sim/voice-mail/ogg.ts';

test('Opus in Ogg is told by its first page', (t) => {
  t.true(isOggOpus(oggOfBytes(0)));
  t.true(isOggOpus(oggOfBytes(5_000)));
  for (const [at, byte] of [
    [0, 0x6f],
    [4, 1],
    [5, 0],
    [28, 0x6f],
    [36, 0],
    [36, 16],
  ] as const) {
    const changed = oggOfBytes(100);
    changed[at] = byte;
    t.false(isOggOpus(changed), `byte ${at}`);
  }
});

test('whatever is cut off or put in place of it is none, and nothing is read behind the end', (t) => {
  const whole = oggOfBytes(0);
  // Version is the last byte that is looked at.
  for (let length = 0; length <= 36; length++) t.false(isOggOpus(whole.subarray(0, length)), `${length}`);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => !isOggOpus(bytes)));
});
