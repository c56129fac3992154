import test from 'ava';
import { ContactBook, MAX_CONTACTS, type Contact } from '../../../src/identity/contacts.ts';
import { KeyStoreError } from '../../../src/identity/errors.ts';

function hit(number: number): string {
  return `20010022${number.toString(16).padStart(24, '0')}`;
}
function contact(number: number, change: Partial<Contact> = {}): Contact {
  return {
    hit: hit(number),
    name: null,
    user: null,
    peer: false,
    ipv4: null,
    locators: [],
    lastSeen: number,
    ...change,
  };
}

test('contacts come back from their file', (t) => {
  const book = new ContactBook();
  const saturn = contact(1, {
    name: 'saturn.example.net',
    user: 'alice@example.net',
    ipv4: '198.18.1.2',
    locators: [
      { address: '192.0.2.1', port: 6084 },
      { address: '2001:db8::1', port: 6084 },
    ],
  });
  book.remember(saturn);
  book.remember(contact(2, { user: 'alice@example.net' }));
  const again = ContactBook.fromJson(book.toJson());
  t.deepEqual(again.all(), book.all());
  t.deepEqual(again.byName('saturn.example.net'), saturn);
  t.deepEqual(again.byHit(hit(1)), saturn);
  t.deepEqual(
    again.byUser('alice@example.net').map((found) => found.hit),
    [hit(2), hit(1)],
  );
});

test('a name stays with the HIT that had it first', (t) => {
  const book = new ContactBook();
  t.true(book.remember(contact(1, { name: 'saturn' })));
  t.false(book.remember(contact(2, { name: 'saturn' })));
  t.is(book.byName('saturn')?.hit, hit(1));
  t.is(book.byHit(hit(2))?.name, null);
  t.true(book.remember(contact(1, { name: 'titan' })));
  t.is(book.byName('saturn'), undefined);
  t.true(book.remember(contact(2, { name: 'saturn' })));
  book.forget(hit(2));
  book.forget(hit(2));
  t.is(book.byName('saturn'), undefined);
});

test('of more than a thousand contacts the one not seen for longest leaves', (t) => {
  const book = new ContactBook();
  for (let number = 1; number <= MAX_CONTACTS + 5; number++) book.remember(contact(number));
  t.is(book.size, MAX_CONTACTS);
  t.is(book.byHit(hit(5)), undefined);
  t.not(book.byHit(hit(6)), undefined);
});

test('a broken file is refused', (t) => {
  for (const json of ['', 'null', '{"version":2,"contacts":[]}', '{"version":1,"contacts":[{"hit":"1"}]}'])
    t.throws(() => ContactBook.fromJson(json), { instanceOf: KeyStoreError });
});

test('a thousand contacts are written in pieces of at most fifty, as they were when the first was asked for', (t) => {
  const book = new ContactBook();
  for (let number = 1; number <= MAX_CONTACTS; number++) book.remember(contact(number));
  const before = book.all();
  const pieces: string[] = [];
  for (const piece of book.pieces()) {
    book.remember(contact(MAX_CONTACTS + 1 + pieces.length));
    t.true(piece.split('"hit"').length <= 51);
    pieces.push(piece);
  }
  t.deepEqual(ContactBook.fromJson(pieces.join('')).all(), before);
});
