import { readFileSync } from 'node:fs';
import test from 'ava';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { longTermKey, shortTermKey, userhash, verifyIntegrity } from '../../../src/stun/integrity.ts';
import type { StunMessage } from '../../../src/stun/message.ts';

interface Vector {
  readonly hex: string;
  readonly hex_fixed?: string;
  readonly key_hex: string;
  readonly attributes: readonly { readonly type: string; readonly offset: number; readonly value: string }[];
}

function vector(name: string): Vector {
  const url = new URL(`../../vectors/stun/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as Vector;
}

function decodeVector(name: string): { message: StunMessage; raw: Uint8Array; key: Uint8Array } {
  const { hex, hex_fixed, key_hex } = vector(name);
  const raw = fromHex(hex_fixed ?? hex);
  return { message: decodeStun(raw), raw, key: fromHex(key_hex) };
}

const ID = 'b7e7a701bc34d686fa87dfae';

test('RFC 5769 s2.1: the sample request is read field by field and its integrity holds', (t) => {
  const { message, raw, key } = decodeVector('rfc5769_2.1_sample_request');
  t.is(message.class, 'request');
  t.is(message.method, 1);
  t.is(message.transactionId, ID);
  t.deepEqual(message.attributes, {
    software: 'STUN test client',
    priority: 0x6e0001ff,
    iceControlled: 0x932ff9b151263b36n,
    username: 'evtj:h6vY',
  });
  t.deepEqual(key, new Uint8Array(shortTermKey('VOkJxbRl1RmTxUk/WvJxBt')));
  t.true(verifyIntegrity(raw, message, key));
  t.false(verifyIntegrity(raw, message, shortTermKey('VOkJxbRl1RmTxUk/WvJxBu')));
});

test('RFC 5769 s2.1: written by our codec, the request differs in its padding only', (t) => {
  const { message, raw, key } = decodeVector('rfc5769_2.1_sample_request');
  const ours = encodeStun(message, { key, fingerprint: true });
  t.is(ours.length, raw.length);
  t.is(toHex(ours.subarray(0, 73)), toHex(raw.subarray(0, 73)));
  t.is(toHex(ours.subarray(73, 76)), '000000');
  t.true(verifyIntegrity(ours, decodeStun(ours), key));
});

test('RFC 5769 s2.2: an IPv4 XOR-MAPPED-ADDRESS is read', (t) => {
  const { message, raw, key } = decodeVector('rfc5769_2.2_ipv4_response');
  t.is(message.class, 'success');
  t.deepEqual(message.attributes, {
    software: 'test vector',
    xorMappedAddress: { address: '192.0.2.1', port: 32853 },
  });
  t.true(verifyIntegrity(raw, message, key));
});

test('RFC 5769 s2.3: an IPv6 XOR-MAPPED-ADDRESS is read', (t) => {
  const { message, raw, key } = decodeVector('rfc5769_2.3_ipv6_response');
  t.deepEqual(message.attributes.xorMappedAddress, {
    address: '2001:db8:1234:5678:11:2233:4455:6677',
    port: 32853,
  });
  t.true(verifyIntegrity(raw, message, key));
});

test('RFC 5769 s2.4: a request with long-term credentials is read', (t) => {
  const { message, raw, key } = decodeVector('rfc5769_2.4_long_term');
  t.is(message.attributes.username, 'マトリックス');
  t.is(message.attributes.nonce, 'f//499k954d6OL34oL9FSTvy64sA');
  t.is(message.attributes.realm, 'example.org');
  t.true(verifyIntegrity(raw, message, key));
});

test('RFC 8489 B.1: the SHA-256 integrity holds once the printed length is mended, and the printed bytes are refused', (t) => {
  const { message, raw, key } = decodeVector('rfc8489_B.1_sha256_userhash');
  t.is(message.attributes.userhash, '4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704');
  t.true(verifyIntegrity(raw, message, key));
  t.throws(() => decodeStun(fromHex(vector('rfc8489_B.1_sha256_userhash').hex)), {
    instanceOf: MalformedMessageError,
    message: /length 156, 136 bytes follow/,
  });
});

test('integrity by SHA-256 is written and read', (t) => {
  const key = shortTermKey('secret');
  const raw = encodeStun(
    { class: 'indication', method: 1, transactionId: ID, attributes: {} },
    { key, integrity: 'sha256' },
  );
  const message = decodeStun(raw);
  t.is(message.class, 'indication');
  t.true(verifyIntegrity(raw, message, key));
  t.false(verifyIntegrity(raw, message, shortTermKey('other')));
});

test('keys of long-term credentials and the hash of a user are those of RFC 8489 s9.2.2, B.1 and RFC 5769 s2.4', (t) => {
  t.is(toHex(longTermKey('user', 'realm', 'pass', 'md5')), '8493fbc53ba582fb4c044c456bdc40eb');
  const user = 'マトリックス';
  t.is(toHex(longTermKey(user, 'example.org', 'TheMatrIX', 'md5')), vector('rfc5769_2.4_long_term').key_hex);
  t.is(toHex(longTermKey(user, 'example.org', 'TheMatrIX', 'sha256')), vector('rfc8489_B.1_sha256_userhash').key_hex);
  t.is(userhash(user, 'example.org'), '4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704');
});

test('the attributes of TURN are written and read as RFC 8656 s18 has them', (t) => {
  const attributes: StunMessage['attributes'] = {
    channelNumber: 0x4001,
    lifetime: 600,
    requestedTransport: 17,
    xorPeerAddress: { address: '192.0.2.1', port: 32_853 },
    xorRelayedAddress: { address: '192.0.2.1', port: 32_853 },
    additionalRelayedAddress: { address: '2001:db8::1', port: 49_152 },
    requestedAddressFamily: 2,
    additionalAddressFamily: 2,
    addressErrorCode: { family: 2, code: 440, reason: 'no' },
    data: Uint8Array.of(1, 2, 3),
    passwordAlgorithm: { number: 2, parameters: new Uint8Array() },
    passwordAlgorithms: [
      { number: 2, parameters: new Uint8Array() },
      { number: 7, parameters: Uint8Array.of(9) },
    ],
  };
  const raw = encodeStun({ class: 'request', method: 3, transactionId: ID, attributes });
  t.deepEqual(decodeStun(raw).attributes, attributes);
  const asked = { additionalAddressFamily: 2, draftAdditionalAddressFamily: 2 };
  t.deepEqual(
    decodeStun(encodeStun({ class: 'request', method: 3, transactionId: ID, attributes: asked })).attributes,
    {
      additionalAddressFamily: 2,
    },
  );
  const hex = toHex(raw);
  for (const part of [
    '000c000440010000',
    '000d000400000258',
    '0019000411000000',
    '001200080001a147e112a643',
    '001600080001a147e112a643',
    '001600140002e112',
    '0017000402000000',
    '8000000402000000',
    '80010006020004286e6f0000',
    '0013000301020300',
    '001d000400020000',
    '8002000c000200000007000109000000',
  ])
    t.true(hex.includes(part), part);
});

test('a message without integrity is vouched for by nobody', (t) => {
  const raw = encodeStun({ class: 'request', method: 1, transactionId: ID, attributes: {} });
  t.false(verifyIntegrity(raw, decodeStun(raw), shortTermKey('')));
});

test('what follows the integrity attribute is not believed', (t) => {
  const key = shortTermKey('secret');
  const raw = encodeStun({ class: 'request', method: 1, transactionId: ID, attributes: { username: 'a:b' } }, { key });
  const withTail = Uint8Array.from([...raw, 0x00, 0x25, 0, 0]);
  withTail[3] = withTail.length - 20;
  const message = decodeStun(withTail);
  t.true(verifyIntegrity(withTail, message, key));
  t.is(message.attributes.useCandidate, undefined);
});

test('of two attributes of one type the first counts', (t) => {
  const raw = fromHex(`000100102112a442${ID}` + '0024000400000001' + '0024000400000002');
  t.is(decodeStun(raw).attributes.priority, 1);
});

test('an unknown attribute that must be understood is reported, one that need not be is passed over', (t) => {
  const raw = fromHex(`000100102112a442${ID}` + '7f00000401020304' + 'c0570004000003e7');
  t.deepEqual(decodeStun(raw).unknownRequired, [0x7f00]);
});

const malformed: Readonly<Record<string, string>> = {
  'a header that is cut short': `000100002112a442${ID.slice(2)}`,
  'first bits that are not zero': `800100002112a442${ID}`,
  'another cookie': `000100002112a443${ID}`,
  'a length beyond the datagram': `000100042112a442${ID}`,
  'bytes beyond the length': `000100002112a442${ID}00000000`,
  'a length that is no multiple of four': `000100032112a442${ID}000000`,
  'an attribute beyond the message': `000100082112a442${ID}0024000800000001`,
  'a PRIORITY of five bytes': `0001000c2112a442${ID}002400050000000100000000`,
  'an unknown address family': `000100082112a442${ID}0020000400030000`,
  'a CHANNEL-NUMBER of two bytes': `000100082112a442${ID}000c000240010000`,
  'a LIFETIME of five bytes': `0001000c2112a442${ID}000d00050000025800000000`,
  'a password algorithm beyond its attribute': `000100082112a442${ID}8002000400020008`,
  'more password algorithms than there are': `000100282112a442${ID}80020024${'00020000'.repeat(9)}`,
  'an error code of 900': `011100082112a442${ID}0009000400000900`,
  'a USERNAME that is not UTF-8': `000100082112a442${ID}00060001ff000000`,
  'a FINGERPRINT that does not match': `000100082112a442${ID}8028000400000000`,
  'an attribute after FINGERPRINT': `000100102112a442${ID}80280004000000000024000400000001`,
};
for (const [what, hex] of Object.entries(malformed)) {
  test(`${what} makes the message malformed`, (t) => {
    t.throws(() => decodeStun(fromHex(hex)), { instanceOf: MalformedMessageError });
  });
}
