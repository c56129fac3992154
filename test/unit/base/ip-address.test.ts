import { isIP, isIPv4 } from 'node:net';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { addressFromBytes, addressToBytes, canonicalAddress, isIpAddress } from '../../../src/base/ip-address.ts';

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

/** Text that is nearly an address. */
const nearly = fc.oneof(
  fc.stringMatching(/^[0-9a-fA-F:.]{0,50}$/),
  fc.stringMatching(/^([0-9a-f]{0,5}:){0,9}[0-9a-f]{0,5}(%lo|\/64|\.1\.2\.3)?$/),
  fc.stringMatching(/^([0-9]{1,3}\.){2,4}[0-9]{0,3}(\/8)?$/),
);

testProp('what the platform takes for an address without a zone is one, nothing else', [nearly], (t, text) => {
  const expected = !text.includes('%') && isIP(text) !== 0;
  t.is(isIpAddress(text), expected, text);
  if (!expected) t.throws(() => addressToBytes(text), { instanceOf: TypeError });
  else t.is(addressToBytes(text).length, isIPv4(text) ? 4 : 16);
});

test('bytes that were handed out are the caller’s own: changing them changes no address', (t) => {
  addressToBytes('192.0.2.7').fill(0);
  t.deepEqual([...addressToBytes('192.0.2.7')], [192, 0, 2, 7]);
});

test('an address is the same one after thousands of others', (t) => {
  const before = canonicalAddress('2001:db8:0::1');
  for (let i = 0; i < 10_000; i++) addressFromBytes(Uint8Array.of(10, 0, i >> 8, i & 0xff));
  t.is(canonicalAddress('2001:db8:0::1'), before);
  t.is(addressFromBytes(Uint8Array.of(10, 0, 0, 1)), '10.0.0.1');
});
