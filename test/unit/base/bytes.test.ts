import test from 'ava';
import { fc, testProp } from '@fast-check/ava';
import { ByteReader, ByteWriter, concatBytes, equalSecrets, fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';

testProp(
  'what a writer writes, a reader reads',
  [fc.uint8Array({ maxLength: 2000 }), fc.nat(0xffffff), fc.bigInt(0n, 2n ** 64n - 1n)],
  (t, bytes, small, big) => {
    const writer = new ByteWriter();
    writer.u24(small);
    writer.u64(big);
    writer.vector(2, () => {
      writer.bytes(bytes);
    });
    const reader = new ByteReader(writer.finish());
    t.is(reader.u24(), small);
    t.is(reader.u64(), big);
    t.deepEqual(reader.vector(2).rest(), bytes);
    reader.end();
  },
);

test('numbers are written modulo what their field holds, as the wire has them', (t) => {
  const writer = new ByteWriter();
  writer.u8(-1);
  writer.u16(0x12345);
  writer.u32(0x80000001 ^ 0);
  writer.u64(-2n);
  writer.patchU16(1, -3);
  t.is(toHex(writer.finish()), 'fffffd80000001fffffffffffffffe');
});

test('what a writer has written is its callers own, and grows beyond what it began with', (t) => {
  const writer = new ByteWriter();
  writer.bytes(new Uint8Array(1_000).fill(1));
  const first = writer.finish();
  writer.u8(2);
  t.deepEqual(first, new Uint8Array(1_000).fill(1));
  t.deepEqual([first.buffer.byteLength, writer.finish().length, writer.length], [1_000, 1_001, 1_001]);
});

testProp('hexadecimal text and bytes are the same thing', [fc.uint8Array()], (t, bytes) => {
  t.deepEqual(fromHex(toHex(bytes)), bytes);
});

test('a read past the end names the offset in the whole message', (t) => {
  const reader = new ByteReader(new Uint8Array([0, 2, 1, 2, 9]));
  const inner = reader.vector(2);
  inner.u16();
  const error = t.throws(() => inner.u8(), { instanceOf: MalformedMessageError });
  t.is(error.offset, 4);
});

test('a vector whose length field promises more than there is is refused', (t) => {
  t.throws(() => new ByteReader(new Uint8Array([0xff, 0xff, 0xff, 0xff, 1])).vector(4), {
    instanceOf: MalformedMessageError,
  });
});

test('trailing bytes are refused', (t) => {
  t.throws(() => new ByteReader(new Uint8Array([1])).end(), { instanceOf: MalformedMessageError });
});

test('content that does not fit its length field is refused', (t) => {
  const writer = new ByteWriter();
  t.throws(() => writer.vector(1, () => writer.bytes(new Uint8Array(256))), { instanceOf: RangeError });
});

test('secrets of different length are different', (t) => {
  t.false(equalSecrets(new Uint8Array(2), new Uint8Array(3)));
  t.true(equalSecrets(new Uint8Array([1]), new Uint8Array([1])));
});

test('text that is no hexadecimal is refused', (t) => {
  for (const text of ['0', 'zz', '0x']) t.throws(() => fromHex(text), { instanceOf: TypeError });
  t.deepEqual(concatBytes(fromHex('0a'), fromHex('0b0c')), new Uint8Array([10, 11, 12]));
});
