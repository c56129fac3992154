import { fc, testProp } from '@fast-check/ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { addressFromBytes } from '../../../src/base/ip-address.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { verifyIntegrity } from '../../../src/stun/integrity.ts';
import type { StunMessage } from '../../../src/stun/message.ts';

const text = fc.string({ maxLength: 40, unit: 'grapheme' });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const address = fc.record({
  address: fc
    .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
    .map(addressFromBytes),
  port: fc.nat(0xffff),
});
const algorithm = fc.record({ number: fc.nat(0xffff), parameters: fc.uint8Array({ maxLength: 9 }) });
const message: fc.Arbitrary<StunMessage> = fc.record({
  class: fc.constantFrom('request', 'indication', 'success', 'error'),
  method: fc.nat(0xfff),
  transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  attributes: fc.record(
    {
      software: text,
      priority: fc.nat(0xffffffff),
      useCandidate: fc.constant(true as const),
      iceControlled: u64,
      iceControlling: u64,
      username: text,
      realm: text,
      nonce: text,
      userhash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex')),
      errorCode: fc.record({ code: fc.integer({ min: 300, max: 699 }), reason: text }),
      unknownAttributes: fc.array(fc.nat(0xffff), { maxLength: 8 }),
      mappedAddress: address,
      xorMappedAddress: address,
      otherAddress: address,
      paddingLength: fc.nat(64),
      channelNumber: fc.nat(0xffff),
      lifetime: fc.nat(0xffffffff),
      requestedTransport: fc.nat(0xff),
      requestedAddressFamily: fc.nat(0xff),
      additionalAddressFamily: fc.nat(0xff),
      addressErrorCode: fc.record({ family: fc.nat(0xff), code: fc.integer({ min: 300, max: 699 }), reason: text }),
      xorPeerAddress: address,
      xorRelayedAddress: address,
      data: fc.uint8Array({ maxLength: 40 }),
      passwordAlgorithm: algorithm,
      passwordAlgorithms: fc.array(algorithm, { maxLength: 8 }),
    },
    { requiredKeys: [] },
  ),
});
const key = fc.option(fc.uint8Array({ minLength: 1, maxLength: 32 }), { nil: undefined });
const encoded = fc
  .tuple(message, key, fc.boolean(), fc.constantFrom('sha1' as const, 'sha256' as const))
  .map(([value, secret, fingerprint, integrity]) => ({
    value,
    secret,
    raw: encodeStun(value, { fingerprint, integrity, ...(secret === undefined ? {} : { key: secret }) }),
  }));

testProp('a message is read as it was written', [encoded], (t, { value, secret, raw }) => {
  const decoded = decodeStun(raw);
  t.deepEqual(
    {
      class: decoded.class,
      method: decoded.method,
      transactionId: decoded.transactionId,
      attributes: decoded.attributes,
    },
    value,
  );
  t.deepEqual(decoded.unknownRequired, []);
  t.is(decoded.byteLength, raw.length);
  if (secret !== undefined) t.true(verifyIntegrity(raw, decoded, secret));
});

testProp(
  'a damaged message is read or malformed, never another error, and nobody vouches for what was changed',
  [encoded, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }), fc.nat(8)],
  (t, { value, raw, secret }, damage, cut) => {
    const damaged = Uint8Array.from(raw.subarray(0, Math.max(0, raw.length - cut)));
    for (const [at, value] of damage) if (damaged.length > 0) damaged[at % damaged.length] = value;
    try {
      const decoded = decodeStun(damaged);
      if (secret !== undefined && verifyIntegrity(damaged, decoded, secret))
        t.deepEqual(decoded.attributes, value.attributes);
    } catch (error) {
      t.true(error instanceof MalformedMessageError, String(error));
    }
    t.pass();
  },
);

testProp('any bytes are read or malformed', [fc.uint8Array({ maxLength: 100 })], (t, bytes) => {
  try {
    decodeStun(bytes);
  } catch (error) {
    t.true(error instanceof MalformedMessageError, String(error));
  }
  t.pass();
});
