import { fc, testProp } from '@fast-check/ava';
import { addressFromBytes } from '../../../src/base/ip-address.ts';
import { TicketError } from '../../../src/identity/errors.ts';
import { decodeTicket, encodeTicket, type Ticket } from '../../../src/identity/ticket.ts';

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);
const domain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => [...labels, 'example'].join('.'));
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const address = fc.record({
  address: fc.oneof(bytes(4), bytes(16)).map(addressFromBytes),
  port: fc.nat(0xffff),
});
const facts = fc.record({
  overlay: domain,
  mode: fc.constantFrom('invite' as const, 'open' as const),
  authority: bytes(32),
  inviter: bytes(12).map((tail) => `20010022${Buffer.from(tail).toString('hex')}`),
  addresses: fc.array(address, { maxLength: 8 }),
  code: fc.option(bytes(16)),
  secret: fc.option(bytes(16)),
  mainline: fc.boolean(),
  expiresAt: fc.integer({ min: 1, max: 0xffff_ffff }).map((seconds) => seconds * 1000),
  user: fc.option(label),
});
const ticket: fc.Arbitrary<Ticket> = facts.map(({ user, ...rest }) => ({
  ...rest,
  user: user === null ? null : `${user}@${rest.overlay}`,
}));
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

testProp('a ticket comes back as it was', [ticket], (t, original) => {
  t.deepEqual(decodeTicket(encodeTicket(original), 0), original);
});

testProp(
  'a ticket with a character changed, lost, doubled or swapped is never read',
  [ticket, fc.nat(), fc.nat(63), fc.constantFrom('change', 'lose', 'double', 'swap')],
  (t, original, position, letter, how) => {
    const text = encodeTicket(original);
    const at = position % text.length;
    const [head, here, tail] = [text.slice(0, at), text.charAt(at), text.slice(at + 1)];
    const altered = {
      change: head + ALPHABET.charAt(letter) + tail,
      lose: head + tail,
      double: head + here + here + tail,
      swap: head + tail.slice(0, 1) + here + tail.slice(1),
    }[how];
    if (altered === text) t.pass();
    else t.throws(() => decodeTicket(altered, 0), { instanceOf: TicketError });
  },
);

testProp('a ticket cut anywhere is never read', [ticket, fc.nat()], (t, original, position) => {
  const text = encodeTicket(original);
  t.throws(() => decodeTicket(text.slice(0, position % text.length), 0), { instanceOf: TicketError });
});

testProp('any text is a ticket or a TicketError of one line', [fc.string({ unit: 'binary' })], (t, text) => {
  const error = t.throws(() => decodeTicket(`idloc2.${text}`, 0), { instanceOf: TicketError });
  t.false(error.message.includes('\n'));
});
