import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { TicketError } from '../../../src/identity/errors.ts';
import { decodeTicket, encodeTicket, type Ticket } from '../../../src/identity/ticket.ts';

const wallNow = Date.UTC(2026, 0, 1);
const random = seededRandom(4);
const ticket: Ticket = {
  overlay: 'example.net',
  mode: 'invite',
  authority: random.bytes(32),
  inviter: '200100225aa46c5e484315319a1bbaf0',
  addresses: [
    { address: '192.0.2.1', port: 6084 },
    { address: '2001:db8::1', port: 1234 },
  ],
  code: random.bytes(16),
  secret: random.bytes(16),
  mainline: true,
  expiresAt: wallNow + 3_600_000,
  user: 'alice@example.net',
};
const text = encodeTicket(ticket);

test('a ticket comes back as it was, from one line that shells and mails leave alone', (t) => {
  t.regex(text, /^idloc2\.[A-Za-z0-9_-]+$/);
  t.deepEqual(decodeTicket(text, wallNow), ticket);
});

test('a ticket of an open overlay has no code and names no user', (t) => {
  const open: Ticket = { ...ticket, mode: 'open', code: null, secret: null, user: null, addresses: [] };
  t.deepEqual(decodeTicket(encodeTicket(open), wallNow), open);
});

test('line breaks and spaces from a mail program do no harm', (t) => {
  t.deepEqual(decodeTicket(`  ${text.slice(0, 60)}\r\n ${text.slice(60)}\n`, wallNow), ticket);
});

test('each kind of broken ticket has its own clear line', (t) => {
  const refuses = (bad: string, message: RegExp, at = wallNow): unknown =>
    t.throws(() => decodeTicket(bad, at), { instanceOf: TicketError, code: 'bad_ticket', message });
  refuses('', /no ticket/);
  refuses('hello', /no ticket/);
  refuses(text.slice(3), /no ticket/);
  refuses(`${text}!`, /no ticket/);
  refuses('x'.repeat(1e6), /too long/);
  refuses(text.replace('idloc2', 'idloc1'), /version 1/);
  refuses(text.slice(0, -10), /cut off/);
  refuses('idloc2.', /cut off/);
  refuses(`${text}AAAA`, /changed on its way/);
  refuses(text.replace(/.{8}$/, 'AAAAAAAA'), /changed on its way/);
  refuses(text, /expired on 2026-01-01T01:00:00/, ticket.expiresAt);
});

test('a ticket is made of valid facts only', (t) => {
  const bad: Partial<Ticket>[] = [
    { overlay: 'Not A Name' },
    { user: 'nobody' },
    { user: 'alice@other.example' },
    { user: 'a.b@example.net' },
    { secret: new Uint8Array(8) },
    { authority: new Uint8Array(31) },
    { inviter: '00' },
    { code: new Uint8Array(15) },
    { addresses: new Array<{ address: string; port: number }>(9).fill({ address: '192.0.2.1', port: 1 }) },
  ];
  for (const change of bad) t.throws(() => encodeTicket({ ...ticket, ...change }), { instanceOf: TicketError });
});
