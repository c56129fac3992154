import test from 'ava';
import fc from 'fast-check';
import { fromHex } from '../../../../src/base/bytes.ts';
import { parseIpv4Prefix } from '../../../../src/base/ipv4-prefix.ts';
import { orchidRing } from '../../../../src/overlay/chord/ring.ts';
import { mayWrite } from '../../../../src/overlay/storage/access.ts';
import { IDLOC_NUMBER, IDLOC_NUMBERS } from '../../../../src/overlay/storage/kinds.ts';
import {
  encodeNumberMarks,
  encodeNumberValue,
  numberMark,
  numberMarksOf,
  numberOf,
  numberResourceName,
  numberToken,
} from '../../../../src/overlay/storage/number-value.ts';

const HIT = '20010022'.padEnd(32, 'a');
const OTHER = '20010022'.padEnd(32, 'b');
const OFFICE = 'office@home.example';
const BOB = 'bob@home.example';
const TOKEN = numberToken('home.example', '+49301234567');

test('a record is read as it was written, has no digit of the number in it, and the longest fits the Kind', (t) => {
  for (const user of [BOB, null, `${'b'.repeat(63)}@${'e'.repeat(191)}`]) {
    const bytes = encodeNumberValue({ token: TOKEN, user });
    t.true(bytes.length <= IDLOC_NUMBER.maxSize);
    t.deepEqual(numberOf(bytes), { token: new Uint8Array(TOKEN), user });
    t.false(Buffer.from(bytes).toString('latin1').includes('1234567'));
  }
});

test('a number stands for something else in each overlay, and at a place of its own for each gateway', (t) => {
  t.notDeepEqual(numberToken('office.example', '+49301234567'), TOKEN);
  t.not(numberResourceName(TOKEN, OFFICE), numberResourceName(TOKEN, BOB));
});

test('marks of as many numbers as a gateway gives fit the Kind, and are read as they were written', (t) => {
  const tokens = Array.from({ length: 24 }, (_, i) => numberToken('home.example', `+4930${1_000_000 + i}`));
  const marks = tokens.map(numberMark);
  const bytes = encodeNumberMarks(marks.join(''));
  t.true(bytes.length <= IDLOC_NUMBERS.maxSize);
  t.deepEqual(numberMarksOf(bytes), marks);
  t.true(marks.every((mark, i) => mark.length === 4 && numberResourceName(tokens[i] ?? TOKEN, OFFICE).includes(mark)));
});

test('any bytes are marks or none', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const marks = numberMarksOf(bytes);
      return marks.length <= 64 && marks.every((mark) => /^[0-9a-f]{4}$/.test(mark));
    }),
  );
  t.pass();
});

test('any bytes are a record or none', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const read = numberOf(bytes);
      return read === undefined || Buffer.from(encodeNumberValue(read)).length <= bytes.length;
    }),
  );
  t.pass();
});

test('a gateway writes and takes away its own entry at its own place of a number; whoever else tries is refused', (t) => {
  const places = { ring: orchidRing, ipv4Prefix: parseIpv4Prefix('198.18.0.0/15'), mayInvite: () => true };
  const may = (
    at: string,
    given: { key?: string; signer?: string | null; token?: Uint8Array; user?: string | null; exists?: boolean } = {},
  ): boolean => {
    const { key = HIT, signer: writer = OFFICE, token = TOKEN, user = BOB, exists = true } = given;
    const signer = { nodeId: HIT, user: writer, spki: new Uint8Array(), chain: [], hash: '' };
    const bytes = encodeNumberValue({ token, user });
    const value = { model: 'dictionary' as const, key: fromHex(key), exists, value: bytes };
    return mayWrite(places, IDLOC_NUMBER, orchidRing.resourceIdOf(at), value, signer);
  };
  const place = numberResourceName(TOKEN, OFFICE);
  t.true(may(place));
  t.true(may(place, { exists: false, user: null }));
  t.false(may(place, { key: OTHER }), "another host's entry");
  for (const exists of [true, false]) {
    const user = exists ? BOB : null;
    t.false(may(place, { signer: 'mallory@home.example', exists, user }), "at another's place");
    t.false(may(place, { signer: null, exists, user }), 'without a name');
    t.false(may(place, { token: numberToken('home.example', '+49307654321'), exists, user }), 'of another number');
    t.false(may(OFFICE, { exists, user }), 'anywhere else');
  }
  t.false(may(place, { user: null }), "nobody's, and there all the same");
  t.false(may(place, { exists: false }), "somebody's, and taken away");
  const empty = { model: 'dictionary' as const, key: fromHex(HIT), exists: false, value: new Uint8Array() };
  const signer = { nodeId: HIT, user: OFFICE, spki: new Uint8Array(), chain: [], hash: '' };
  t.false(mayWrite(places, IDLOC_NUMBER, orchidRing.resourceIdOf(place), empty, signer), 'from where nobody can tell');
});
