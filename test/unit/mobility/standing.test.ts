import test from 'ava';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { REFLEXIVE_WORD_MS } from '../../../src/mobility/constants.ts';
import { type Sightings, type Standing, standingOf } from '../../../src/mobility/standing.ts';

const at = (address: string, port = 6084): SocketAddress => ({ address, port });
const PUBLIC = at('203.0.113.7');
const PRIVATE = at('192.168.1.10');
const V6 = at('2001:db8::7');
const FAR = at('198.51.100.1');
const FAR_TOO = at('198.51.100.2');
const NEIGHBOUR = at('192.168.1.20');
const OUTER = at('203.0.113.99', 40_000);

/** Each word: whom `base` was seen as, by which server. */
function standing(
  words: readonly (readonly [SocketAddress, SocketAddress, SocketAddress])[],
  given: Partial<Sightings> = {},
  now = 0,
): Standing {
  const reflexive = words.map(([base, server, mapped]) => ({ base, server, mapped, seenAt: 0 }));
  const hosts = [...new Set(words.map(([base]) => base))];
  return standingOf({ hosts, reflexive, forwarded: undefined, advertised: [], ...given }, now);
}

test('a global address of our own that all see us at is open, also in the word of one', (t) => {
  t.is(standing([[PUBLIC, FAR, PUBLIC]]).type, 'open');
  t.is(
    standing([
      [PUBLIC, FAR, PUBLIC],
      [PUBLIC, FAR_TOO, PUBLIC],
      [PRIVATE, FAR, OUTER],
      [PRIVATE, FAR_TOO, OUTER],
    ]).type,
    'open',
  );
});

test('a private address that a neighbour sees us at says nothing', (t) => {
  t.is(standing([[PRIVATE, NEIGHBOUR, PRIVATE]]).type, 'unknown');
});

test('an address that servers do not agree on says nothing', (t) => {
  t.is(
    standing([
      [PUBLIC, FAR, PUBLIC],
      [PUBLIC, FAR_TOO, OUTER],
    ]).type,
    'unknown',
  );
});

test('private addresses and one server on the Internet that sees us elsewhere are closed; a server in the LAN does not count', (t) => {
  t.is(standing([[PRIVATE, FAR, OUTER]]).type, 'closed');
  t.is(standing([[PRIVATE, NEIGHBOUR, OUTER]]).type, 'unknown');
  t.is(
    standing([
      [PRIVATE, NEIGHBOUR, PRIVATE],
      [PRIVATE, FAR, OUTER],
    ]).type,
    'closed',
  );
});

test('beside a global address it takes the word of two servers, by address', (t) => {
  t.is(standing([[PUBLIC, FAR, OUTER]]).type, 'unknown');
  t.is(
    standing([
      [PUBLIC, FAR, OUTER],
      [PUBLIC, at(FAR.address, 7000), OUTER],
    ]).type,
    'unknown',
  );
  t.is(
    standing([
      [PUBLIC, FAR, OUTER],
      [PUBLIC, FAR_TOO, OUTER],
    ]).type,
    'closed',
  );
});

test('a global IPv6 address alone is open; beside a NAT of IPv4 it says nothing', (t) => {
  t.is(standing([[V6, at('2001:db8::1'), V6]]).type, 'open');
  t.is(
    standing([
      [V6, at('2001:db8::1'), V6],
      [PRIVATE, FAR, OUTER],
      [PRIVATE, FAR_TOO, OUTER],
    ]).type,
    'unknown',
  );
});

test('what was told long ago does not count', (t) => {
  t.is(standing([[PUBLIC, FAR, PUBLIC]], {}, REFLEXIVE_WORD_MS).type, 'open');
  t.is(standing([[PUBLIC, FAR, PUBLIC]], {}, REFLEXIVE_WORD_MS + 1).type, 'unknown');
  t.is(standing([[PRIVATE, FAR, OUTER]], {}, REFLEXIVE_WORD_MS + 1).type, 'unknown');
});

test('behind a NAT a forwarded port with a global address is open, one of a second NAT is not', (t) => {
  const words = [
    [PRIVATE, FAR, OUTER],
    [PRIVATE, FAR_TOO, OUTER],
  ] as const;
  t.is(standing(words, { forwarded: { base: PRIVATE, external: at('203.0.113.99') } }).type, 'open');
  t.is(standing(words, { forwarded: { base: PRIVATE, external: at('100.64.0.9') } }).type, 'closed');
});

test('an advertised address is open where others see us there, and nowhere else', (t) => {
  const words = [
    [PRIVATE, FAR, OUTER],
    [PRIVATE, FAR_TOO, OUTER],
  ] as const;
  t.is(standing(words, { advertised: [OUTER.address] }).type, 'open');
  t.is(standing(words, { advertised: ['203.0.113.50'] }).type, 'closed');
  t.is(standing([], { hosts: [PRIVATE], advertised: [OUTER.address] }).type, 'unknown');
});
