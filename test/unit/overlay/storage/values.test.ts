import { testProp, fc } from '@fast-check/ava';
import test from 'ava';
import { fromHex, toHex } from '../../../../src/base/bytes.ts';
import { MalformedMessageError } from '../../../../src/base/errors.ts';
import {
  decodeHostValue,
  decodeIpv4Value,
  decodeLocatorsValue,
  decodeNameValue,
  encodeHostValue,
  encodeIpv4Value,
  encodeLocatorsValue,
  encodeNameValue,
  encodeReservationValue,
  reservationOf,
} from '../../../../src/overlay/storage/values.ts';

const HIT = '20010022'.padEnd(32, 'a');
const CLAIM = { ipv4: '198.18.1.2', hit: HIT, choice: 7, user: 'alice@example.net' };

test('values come back as they were written', (t) => {
  for (const ipv4 of ['198.18.1.2', null]) {
    t.deepEqual(decodeNameValue(encodeNameValue({ ipv4 })), { ipv4 });
    for (const user of ['alice@example.net', null])
      t.deepEqual(decodeHostValue(encodeHostValue({ user, ipv4 })), { user, ipv4 });
  }
  t.deepEqual(decodeIpv4Value(encodeIpv4Value(CLAIM)), CLAIM);
  t.is(toHex(encodeNameValue({ ipv4: '198.18.1.2' })), '0204c6120102');
  for (const hit of [HIT, null]) {
    const reservation = { user: 'alice@example.net', hit };
    t.deepEqual(reservationOf(encodeReservationValue(reservation)), reservation);
  }
});

test('a reservation of another version, of nobody, with half a HIT or bytes behind it is none', (t) => {
  for (const hex of ['', '03016100', '020000', '0201610120', '02016100ff', '020161', '02ff61'])
    t.is(reservationOf(fromHex(hex)), undefined, hex);
});

test('another version, bytes too many and bytes too few are refused', (t) => {
  for (const hex of ['03', '0104c6120102', '0204c612010200', '0204c61201', '0205c612010203', ''])
    t.throws(() => decodeNameValue(fromHex(hex)), { instanceOf: MalformedMessageError }, hex);
  t.throws(() => decodeIpv4Value(encodeIpv4Value(CLAIM).subarray(0, 20)), { instanceOf: MalformedMessageError });
});

testProp('any bytes are a value or malformed', [fc.uint8Array({ maxLength: 60 })], (t, bytes) => {
  for (const decode of [decodeNameValue, decodeLocatorsValue, decodeHostValue, decodeIpv4Value])
    try {
      decode(bytes);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
    }
  t.pass();
});

test('locators are read as they were written, at most eight of them', (t) => {
  const locators = Array.from({ length: 10 }, (_, i) => ({
    address: i % 2 === 0 ? `192.0.2.${i}` : `2001:db8::${i}`,
    port: 6084 + i,
  }));
  t.deepEqual(decodeLocatorsValue(encodeLocatorsValue(locators)), locators.slice(0, 8));
  const [first] = locators;
  if (first === undefined) return;
  const bytes = encodeLocatorsValue([first]);
  t.throws(() => decodeLocatorsValue(bytes.subarray(0, -1)), { instanceOf: MalformedMessageError });
  t.throws(() => decodeLocatorsValue(encodeLocatorsValue([{ ...first, port: 0 }])), {
    instanceOf: MalformedMessageError,
  });
  const odd = Uint8Array.of(2, 6, 3, 1, 2, 3, 0, 80);
  t.throws(() => decodeLocatorsValue(odd), { instanceOf: MalformedMessageError });
});
