import test from 'ava';
import { decide, expiredHere, readTicket, readWish, usable, type Belonging } from '../../../src/agent/wish.ts';
import { TicketError } from '../../../src/identity/errors.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { encodeTicket } from '../../../src/identity/ticket.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const AUTHORITY = new Uint8Array(32).fill(1);
const HOME: Belonging = { overlay: 'home.example', authority: AUTHORITY, disposable: false };
const OWN: Belonging = { overlay: '0123456789.internal', authority: new Uint8Array(32), disposable: true };

function ticketText(overlay: string, { expiresAt = NOW + 1000, authority = AUTHORITY } = {}): string {
  return encodeTicket({
    overlay,
    mode: 'invite',
    authority,
    inviter: HostIdentity.generate().hit,
    addresses: [],
    code: new Uint8Array(16),
    secret: null,
    mainline: false,
    expiresAt,
    user: null,
  });
}

const joins = (join: string) => readWish({ join, overlay: null });
const creates = (overlay: string | null) => readWish({ join: null, overlay });

test('a fresh host follows its ticket, makes the overlay that it is told to, or one of its own', (t) => {
  const decision = decide(joins(ticketText('home.example')), undefined, undefined);
  t.is(decision.do === 'join' ? decision.ticket.overlay : decision.do, 'home.example');
  t.deepEqual(decide(creates('home.example'), undefined, undefined), { do: 'create', overlay: 'home.example' });
  t.deepEqual(decide(creates(null), undefined, undefined), { do: 'create', overlay: undefined });
});

test('a ticket that is broken stops a newcomer; one that has expired by its own clock is tried', (t) => {
  for (const text of ['', 'idloc1.AAAA'])
    t.throws(() => decide(joins(text), undefined, undefined), { instanceOf: TicketError });
  const old = readTicket(ticketText('home.example', { expiresAt: NOW }));
  const decision = decide({ ticket: old, overlay: undefined, digest: '' }, undefined, undefined);
  t.deepEqual(decision, { do: 'join', ticket: usable(old) });
  t.regex(
    expiredHere(usable(old), NOW) ?? '',
    /expired on 2026-01-01T00:00:00\.000Z, if it is 2026-01-01T00:00:00\.000Z/,
  );
  t.is(expiredHere(usable(old), NOW - 1), undefined);
});

test('the ticket that made it a member is nothing to a member, also when it has expired', (t) => {
  const old = ticketText('home.example', { expiresAt: NOW - 1_000_000_000 });
  for (const wish of [joins(old), creates('home.example'), creates(null)])
    t.deepEqual(decide(wish, HOME, undefined), { do: 'live' });
});

test('a member stays where it is, and says why, when the settings name another overlay or a broken ticket', (t) => {
  for (const [wish, says] of [
    [joins(ticketText('other.example')), /belongs to home\.example.*other\.example: `idloc leave` first/],
    [joins(ticketText('home.example', { authority: new Uint8Array(32) })), /another of that name/],
    [joins('garbage'), /the ticket is not used .* is in home\.example/],
    [creates('other.example'), /`idloc leave` first/],
  ] as const) {
    const decision = decide(wish, HOME, undefined);
    t.is(decision.do, 'live');
    t.regex(decision.do === 'live' ? (decision.instead ?? '') : '', says);
  }
});

test('an overlay of its own that nobody joined gives way to what the settings say', (t) => {
  t.is(decide(joins(ticketText('home.example')), OWN, undefined).do, 'join');
  t.deepEqual(decide(creates('home.example'), OWN, undefined), { do: 'create', overlay: 'home.example' });
  t.deepEqual(decide(creates(null), OWN, undefined), { do: 'live' });
});

test('a host that was told to leave waits, whatever its settings said then; other settings are followed', (t) => {
  const ticket = joins(ticketText('home.example'));
  const left = { overlay: 'home.example', settings: ticket.digest };
  t.deepEqual(decide(ticket, undefined, left), { do: 'wait' });
  t.deepEqual(decide(creates(null), undefined, left), { do: 'wait' });
  t.is(decide(joins(ticketText('home.example')), undefined, left).do, 'join');
  t.is(decide(creates('home.example'), undefined, left).do, 'create');
});
