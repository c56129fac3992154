import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { addressFromBytes } from '../../../src/base/ip-address.ts';
import {
  fromStreamAddress,
  isStreamAddress,
  STREAM_LOCAL_ADDRESS,
  toStreamAddress,
} from '../../../src/base/stream-address.ts';

test('what stands for a stream leads to its TCP address, of either family', (t) => {
  for (const [address, standing] of [
    ['203.0.113.7', '6000::ffff:cb00:7107'],
    ['2001:db8::1', '4001:db8::1'],
    ['fd00::7', '9d00::7'],
    ['::1', '6000::1'],
  ] as const) {
    const stream = toStreamAddress({ address, port: 443 });
    t.deepEqual(stream, { address: standing, port: 443 });
    t.deepEqual(fromStreamAddress(stream), { address, port: 443 });
    t.true(isStreamAddress(standing));
    t.false(isStreamAddress(address));
  }
  t.true(isStreamAddress(STREAM_LOCAL_ADDRESS));
});

testProp(
  'no address that hosts have is taken for a stream, and none of a stream for one of theirs',
  [fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.constantFrom(0x00, 0x20, 0xe0)],
  (t, bytes, top) => {
    bytes[0] = ((bytes[0] ?? 0) & 0x1f) | top;
    const address = addressFromBytes(bytes);
    t.false(isStreamAddress(address));
    const stream = toStreamAddress({ address, port: 1 });
    t.true(isStreamAddress(stream.address));
    t.is(fromStreamAddress(stream).address, address);
  },
);
