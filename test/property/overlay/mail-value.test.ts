import { fc, testProp } from '@fast-check/ava';
import { toHex } from '../../../src/base/bytes.ts';
import {
  GREETING_SLOTS,
  MAILBOX_PLACES,
  MAIL_SLOTS,
  MAX_MAIL_PARTS,
  encodeMail,
  encodeMailHead,
  encodeMailPart,
  encodeMailbox,
  mailHeadOf,
  mailOf,
  mailPartOf,
  mailboxOf,
} from '../../../src/overlay/storage/mail-value.ts';

const time = fc.maxSafeNat();
const id = fc.uint8Array({ minLength: 8, maxLength: 8 }).map(toHex);
const parts = (least: number, most: number): fc.Arbitrary<{ slot: number; savedAt: number; count: number }> =>
  fc.record({
    slot: fc.integer({ min: least, max: most - 1 }),
    savedAt: time,
    count: fc.integer({ min: 1, max: MAX_MAIL_PARTS }),
  });
const mailbox = fc.record({
  ringSeconds: fc.integer({ min: 1, max: 255 }),
  maxSeconds: fc.integer({ min: 1, max: 65_535 }),
  greeting: fc.option(parts(0, GREETING_SLOTS)),
});
const mail = fc.record({
  place: fc.nat(MAILBOX_PLACES - 1),
  user: fc.stringMatching(/^[ -~]{1,100}$/),
  id,
  sealed: fc.uint8Array({ maxLength: 200 }),
});
const head = fc.record({
  at: time,
  seconds: fc.nat(65_535),
  parts: parts(GREETING_SLOTS, MAIL_SLOTS),
  from: fc.stringMatching(/^[ -~]{0,100}$/),
});
const part = fc
  .record({
    slot: fc.nat(MAIL_SLOTS - 1),
    count: fc.integer({ min: 1, max: MAX_MAIL_PARTS }),
    savedAt: time,
    content: fc.uint8Array({ maxLength: 200 }),
  })
  .chain((rest) => fc.record({ ...mapped(rest), index: fc.nat(rest.count - 1) }));

function mapped<T extends object>(values: T): { [K in keyof T]: fc.Arbitrary<T[K]> } {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, fc.constant(value)])) as {
    [K in keyof T]: fc.Arbitrary<T[K]>;
  };
}

testProp(
  'a mailbox, a message, its head and a part are read as they were written',
  [mailbox, mail, head, part],
  (t, ...all) => {
    t.deepEqual(mailboxOf(encodeMailbox(all[0])), all[0]);
    t.deepEqual(mailOf(encodeMail(all[1])), all[1]);
    t.deepEqual(mailHeadOf(encodeMailHead(all[2])), all[2]);
    t.deepEqual(mailPartOf(encodeMailPart(all[3])), all[3]);
  },
);

const written = fc.oneof(
  mailbox.map(encodeMailbox),
  mail.map(encodeMail),
  head.map(encodeMailHead),
  part.map(encodeMailPart),
  fc.uint8Array({ maxLength: 60 }),
);

testProp(
  'changed, cut and any bytes are none of these, or mean something within its bounds that is written as the same bytes',
  [written, fc.nat(), fc.nat(255), fc.boolean()],
  (t, bytes, at, byte, cut) => {
    const place = bytes.length === 0 ? 0 : at % bytes.length;
    const changed = cut ? bytes.slice(0, place) : bytes.slice();
    if (!cut && changed.length > 0) changed[place] = byte;
    const readers = [
      [mailboxOf, encodeMailbox],
      [mailHeadOf, encodeMailHead],
      [mailPartOf, encodeMailPart],
    ] as const;
    for (const [read, encode] of readers) {
      const value = read(changed);
      // Text that is no UTF-8 is another text when it is written.
      if (value === undefined || ('from' in value && value.from.includes('\ufffd'))) continue;
      t.is(toHex((encode as (value: unknown) => Uint8Array)(value)), toHex(changed));
    }
    const found = mailOf(changed);
    if (found !== undefined && !found.user.includes('\ufffd')) t.is(toHex(encodeMail(found)), toHex(changed));
    t.true((mailPartOf(changed)?.index ?? 0) < MAX_MAIL_PARTS);
  },
  { numRuns: 3_000 },
);
