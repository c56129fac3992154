import { isIP } from 'node:net';
import test from 'ava';
import { fc, testProp } from '@fast-check/ava';
import {
  addressFromBytes,
  addressToBytes,
  canonicalAddress,
  formatSocketAddress,
  parseSocketAddress,
} from '../../../src/base/socket-address.ts';

testProp(
  '16 bytes and their text are the same address',
  [fc.uint8Array({ minLength: 16, maxLength: 16 })],
  (t, bytes) => {
    const text = addressFromBytes(bytes);
    t.not(isIP(text), 0);
    const back = addressToBytes(text);
    t.deepEqual(back.length === 4 ? bytes.slice(12) : bytes, back);
  },
);

testProp('any IPv6 text gives what the URL parser of the platform gives', [fc.ipV6()], (t, text) => {
  const expected = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const ours = canonicalAddress(text);
  t.is(ours.includes(':') ? ours : canonicalAddress(expected), ours.includes(':') ? expected : ours);
});

test('the longest run of zeros is shortened, one zero group is not (RFC 5952 s4.2)', (t) => {
  t.is(canonicalAddress('2001:db8:0:0:1:0:0:1'), '2001:db8::1:0:0:1');
  t.is(canonicalAddress('2001:db8:0:1:1:1:1:1'), '2001:db8:0:1:1:1:1:1');
  t.is(canonicalAddress('0:0:0:0:0:0:0:0'), '::');
});

test('an IPv4-mapped address is the IPv4 address', (t) => {
  t.is(canonicalAddress('::ffff:192.0.2.1'), '192.0.2.1');
});

test('an address with a port goes through text and back', (t) => {
  for (const text of ['192.0.2.1:6084', '[2001:db8::1]:65535']) {
    const parsed = parseSocketAddress(text);
    t.truthy(parsed);
    if (parsed !== undefined) t.is(formatSocketAddress(parsed), text);
  }
});

test('text that is no address with a port is refused', (t) => {
  for (const text of [
    '',
    '192.0.2.1',
    '192.0.2.256:1',
    '192.0.2.1:65536',
    '2001:db8::1:80',
    '[192.0.2.1]:1',
    '[::1%lo]:1',
    'host:1',
  ]) {
    t.is(parseSocketAddress(text), undefined, text);
  }
});
