import test from 'ava';
import { concatBytes, fromHex } from '../../../../src/base/bytes.ts';
import { parseIpv4Prefix } from '../../../../src/base/ipv4-prefix.ts';
import { orchidRing } from '../../../../src/overlay/chord/ring.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import { mayWrite } from '../../../../src/overlay/storage/access.ts';
import { IDLOC_MAIL, IDLOC_MAILBOX, IDLOC_MAIL_PART, type Kind } from '../../../../src/overlay/storage/kinds.ts';
import {
  MAILBOX_PLACES,
  MAIL_CONTENT_BYTES,
  MAIL_SLOTS,
  MAX_MAIL_PARTS,
  type MailValue,
  encodeMail,
  encodeMailPart,
  encodeMailbox,
  mailPartName,
  mailPartOf,
  mailPartsOf,
  mailboxPlaceName,
} from '../../../../src/overlay/storage/mail-value.ts';
import type { StoredDataValue } from '../../../../src/reload/index.ts';

const HIT = '20010022'.padEnd(32, 'a');
const OTHER = '20010022'.padEnd(32, 'b');
const BOB = 'bob@home.example';
const CAROL = 'carol@home.example';
const PLACES = { ring: orchidRing, ipv4Prefix: parseIpv4Prefix('198.18.0.0/15'), mayInvite: () => true };
const NOTHING = new Uint8Array();

function may(kind: Kind, name: string, value: StoredDataValue, by: { nodeId?: string; user: string | null }): boolean {
  const signer: Signer = { nodeId: by.nodeId ?? HIT, user: by.user, spki: NOTHING, chain: [], hash: '' };
  return mayWrite(PLACES, kind, orchidRing.resourceIdOf(name), value, signer);
}

const mail = (over: Partial<MailValue> & { key?: string; exists?: boolean } = {}): StoredDataValue => {
  const { key = HIT, exists = true, ...value } = over;
  const sealed = exists ? Uint8Array.of(1) : NOTHING;
  return {
    ...{ model: 'dictionary', key: fromHex(key), exists },
    value: encodeMail({ place: 0, user: BOB, id: '0123456789abcdef', sealed, ...value }),
  };
};
const part = (
  over: { slot?: number; index?: number; exists?: boolean; content?: Uint8Array } = {},
): StoredDataValue => {
  const { slot = 2, index = 0, exists = true, content = exists ? Uint8Array.of(1) : NOTHING } = over;
  return { model: 'single', exists, value: encodeMailPart({ slot, index, count: 3, savedAt: 1, content }) };
};

test('a recording is the same when its parts are put together, and each fits the Kind', (t) => {
  for (const length of [
    1,
    MAIL_CONTENT_BYTES,
    MAIL_CONTENT_BYTES + 1,
    256 * 1024,
    MAX_MAIL_PARTS * MAIL_CONTENT_BYTES,
  ]) {
    const content = Uint8Array.from({ length }, (_, i) => i & 0xff);
    const encoded = mailPartsOf(content, 5, 1_700_000_000_000).map(encodeMailPart);
    t.true(encoded.every((bytes) => bytes.length <= IDLOC_MAIL_PART.maxSize));
    const parts = encoded.map((bytes) => mailPartOf(bytes));
    t.deepEqual(concatBytes(...parts.map((each) => each?.content ?? NOTHING)), content);
    t.true(parts.every((each, i) => each?.index === i && each.count === parts.length && each.slot === 5));
  }
  t.throws(() => mailPartsOf(new Uint8Array(MAX_MAIL_PARTS * MAIL_CONTENT_BYTES + 1), 5, 1), {
    instanceOf: RangeError,
  });
  t.throws(() => mailPartsOf(NOTHING, 5, 1), { instanceOf: RangeError });
});

test('any member leaves a message in any mailbox, under its own key and at the place that it says', (t) => {
  for (const user of [CAROL, null, BOB]) t.true(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), mail(), { user }));
  t.true(may(IDLOC_MAIL, mailboxPlaceName(7, BOB), mail({ place: MAILBOX_PLACES - 1 }), { user: CAROL }));
  t.false(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), mail({ key: OTHER }), { user: CAROL }), 'under the key of another');
  t.false(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), mail({ key: OTHER }), { user: BOB }), 'nor does its owner');
  t.false(may(IDLOC_MAIL, mailboxPlaceName(1, BOB), mail(), { user: CAROL }), 'at another place');
  t.false(may(IDLOC_MAIL, mailboxPlaceName(0, CAROL), mail(), { user: CAROL }), 'in another mailbox');
  t.false(may(IDLOC_MAIL, mailboxPlaceName(8, BOB), mail({ place: 8 }), { user: CAROL }), 'beside the mailbox');
  t.false(may(IDLOC_MAIL, BOB, mail(), { user: CAROL }), 'at the name');
  t.false(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), mail({ sealed: NOTHING }), { user: CAROL }), 'with nothing in it');
});

test('a message is taken away by whoever has left it and by hosts of the user whose mailbox it is, and by nobody else', (t) => {
  const gone = mail({ exists: false });
  t.true(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), gone, { user: CAROL }), 'its writer');
  t.true(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), gone, { nodeId: OTHER, user: BOB }), 'a host of the owner');
  for (const user of ['mallory@home.example', null, CAROL])
    t.false(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), gone, { nodeId: OTHER, user }), `a host of ${user}`);
  t.false(may(IDLOC_MAIL, mailboxPlaceName(0, CAROL), gone, { nodeId: OTHER, user: BOB }), 'nor elsewhere');
  const { key, ...rest } = gone as StoredDataValue & { model: 'dictionary' };
  const long = { ...rest, key: concatBytes(key, new Uint8Array(2_000)) };
  t.false(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), long, { nodeId: OTHER, user: BOB }), 'under what is no Node-ID');
  const full = mail({ exists: false, sealed: new Uint8Array(1_000) });
  t.false(may(IDLOC_MAIL, mailboxPlaceName(0, BOB), full, { nodeId: OTHER, user: BOB }), 'with something in it');
  t.false(
    may(IDLOC_MAIL, mailboxPlaceName(0, BOB), { ...gone, value: NOTHING }, { nodeId: OTHER, user: BOB }),
    'without saying what',
  );
});

test('a host has its own places for parts, and no other there, nor it elsewhere', (t) => {
  t.true(may(IDLOC_MAIL_PART, mailPartName(HIT, 2, 0), part(), { user: null }));
  t.true(may(IDLOC_MAIL_PART, mailPartName(HIT, 33, 2), part({ slot: MAIL_SLOTS - 1, index: 2 }), { user: CAROL }));
  t.true(may(IDLOC_MAIL_PART, mailPartName(HIT, 2, 0), part({ exists: false }), { user: null }));
  t.false(may(IDLOC_MAIL_PART, mailPartName(HIT, 2, 0), part(), { nodeId: OTHER, user: CAROL }));
  t.false(may(IDLOC_MAIL_PART, mailPartName(HIT, 2, 0), part({ exists: false }), { nodeId: OTHER, user: CAROL }));
  t.false(may(IDLOC_MAIL_PART, mailPartName(HIT, 2, 1), part(), { user: CAROL }), 'at the place of another part');
  t.false(may(IDLOC_MAIL_PART, mailPartName(HIT, 34, 0), part({ slot: 34 }), { user: CAROL }), 'beyond the slots');
  t.false(may(IDLOC_MAIL_PART, mailPartName(HIT, 2, 3), part({ index: 3 }), { user: CAROL }), 'beyond the count');
  t.false(may(IDLOC_MAIL_PART, mailPartName(HIT, 2, 0), part({ content: NOTHING }), { user: CAROL }), 'of nothing');
  const kept = part({ exists: false, content: Uint8Array.of(1) });
  t.false(may(IDLOC_MAIL_PART, mailPartName(HIT, 2, 0), kept, { user: CAROL }), 'a removal that holds something');
});

test('that a user takes voice mail its own hosts say alone', (t) => {
  const value: StoredDataValue = {
    ...{ model: 'dictionary', key: fromHex(HIT), exists: true },
    value: encodeMailbox({ ringSeconds: 25, maxSeconds: 120, greeting: { slot: 1, savedAt: 2 ** 40, count: 33 } }),
  };
  t.true(value.value.length <= IDLOC_MAILBOX.maxSize);
  t.true(may(IDLOC_MAILBOX, BOB, value, { user: BOB }));
  for (const by of [{ user: CAROL }, { user: null }, { nodeId: OTHER, user: BOB }])
    t.false(may(IDLOC_MAILBOX, BOB, value, by));
});
