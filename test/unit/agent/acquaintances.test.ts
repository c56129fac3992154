import test from 'ava';
import { Acquaintances } from '../../../src/agent/acquaintances.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';

const SELF = `20010022${'0'.repeat(24)}`;
const PEER = `20010022${'1'.repeat(24)}`;
const at = (last: number): SocketAddress => ({ address: `203.0.113.${last}`, port: 6084 });

function known(): Acquaintances {
  return new Acquaintances({ self: SELF, start: [], contacts: [] });
}

test('a record that is newer than the last link comes first, an older one after what was seen', (t) => {
  const book = known();
  book.remember(PEER, { peer: true, locators: [at(1)] }, 1_000);
  book.told(PEER, { locators: [at(2), at(3), at(4)], writtenAt: 2_000 }, 3_000);
  t.deepEqual(book.byHit(PEER)?.locators, [at(2), at(3), at(1), at(4)]);
  book.remember(PEER, { locators: [at(5)] }, 4_000);
  book.told(PEER, { locators: [at(2), at(3)], writtenAt: 3_500 }, 5_000);
  t.deepEqual(book.byHit(PEER)?.locators, [at(5), at(2), at(3), at(1)]);
});

test('a record with the first of what was seen changes nothing, makes nobody seen later than it was written, and is bounded', (t) => {
  const book = known();
  t.not(book.told(PEER, { locators: [1, 2, 3, 4, 5, 6, 7, 8].map(at), writtenAt: 2_000 }, 9_000), undefined);
  t.deepEqual(book.byHit(PEER)?.locators, [1, 2, 3, 4].map(at));
  t.is(book.byHit(PEER)?.lastSeen, 2_000);
  t.true(book.isPeer(PEER));
  t.is(book.told(PEER, { locators: [1, 2, 3, 4].map(at), writtenAt: 2_500 }, 9_000), undefined);
  // The writer's clock is ahead.
  book.told(PEER, { locators: [at(9)], writtenAt: 99_000 }, 9_000);
  t.is(book.byHit(PEER)?.lastSeen, 9_000);
  t.is(book.told(SELF, { locators: [at(1)], writtenAt: 1 }, 2), undefined);
});

test('where a peer accepts streams is kept, however often it is seen elsewhere; those of the ticket may be of any peer', (t) => {
  const ofTicket = { address: '6000::ffff:cb00:7101', port: 443 };
  const told = { address: '6000::ffff:cb00:7102', port: 443 };
  const book = new Acquaintances({ self: 'f'.repeat(32), start: [ofTicket], contacts: [] });
  const [peer, client] = ['1'.repeat(32), '2'.repeat(32)];
  book.remember(peer, { peer: true, locators: [told] }, 1);
  for (let n = 1; n < 20; n++) book.remember(peer, { locators: [{ address: `203.0.113.${n}`, port: 6084 }] }, n);
  book.remember(client, { peer: false }, 1);
  t.deepEqual(book.streamsOf(peer), [told, ofTicket]);
  t.deepEqual(book.streamsOf(client), []);
});
