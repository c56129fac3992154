import test from 'ava';
import { addressOf, newCard, readCards, withAddresses } from '../../../src/cli/vcard.ts';

const crlf = (...lines: string[]): string => `${lines.join('\r\n')}\r\n`;
const V3 = crlf(
  'BEGIN:VCARD',
  'VERSION:3.0',
  'N:Meier;Bob;;;',
  'FN:Bob Meier\\, jr',
  'TEL;TYPE=CELL:+49 30 123-45',
  'IMPP:sip:bob@home.example',
  'X-SIP:bob@office.example',
  'EMAIL;TYPE=INTERNET:bob@example.org',
  'PHOTO;ENCODING=b;TYPE=JPEG:AAAA',
  'NOTE:line one\\nli',
  ' ne two',
  'END:VCARD',
);
const V4 = crlf(
  'BEGIN:VCARD',
  'VERSION:4.0',
  'UID:urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1',
  'FN:Käthe',
  'TEL;VALUE=uri;TYPE="voice,home":tel:+33-01-23',
  'END:VCARD',
);

test('cards of both versions are read, with what can be called; pictures are left out', (t) => {
  const { contacts, bad, leftOut } = readCards(V3 + V4);
  t.deepEqual(bad, []);
  t.is(leftOut, 1);
  t.deepEqual(
    contacts.map(({ name, addresses }) => ({ name, addresses })),
    [
      { name: 'Bob Meier, jr', addresses: ['tel:+493012345', 'sip:bob@home.example', 'sip:bob@office.example'] },
      { name: 'Käthe', addresses: ['tel:+33-01-23'] },
    ],
  );
  t.is(contacts[1]?.uid, 'urn:uuid:4fbe8971-0bc3-424c-9c26-36c3e1eff6b1');
  t.true(contacts[0]?.card.includes('EMAIL;TYPE=INTERNET:bob@example.org'));
  t.false(contacts[0]?.card.includes('PHOTO'));
});

test('what is exported is read again as the same contact, and the same file brings no second one', (t) => {
  const first = readCards(V3 + V4).contacts;
  t.deepEqual(readCards(V3 + V4).contacts, first);
  const again = readCards(first.map(({ card }) => card).join('\r\n')).contacts;
  t.deepEqual(again, first);
});

test('a card that is not understood costs no other, and its line is said', (t) => {
  const old = crlf('BEGIN:VCARD', 'VERSION:2.1', 'N:x;y', 'TEL;CELL:123', 'END:VCARD');
  const unnamed = crlf('BEGIN:VCARD', 'VERSION:4.0', 'TEL:123', 'END:VCARD');
  const long = crlf('BEGIN:VCARD', 'VERSION:4.0', 'FN:x', `NOTE:${'long '.repeat(1_000)}`, 'END:VCARD');
  const { contacts, bad } = readCards(`no card\n${old}${unnamed}${V4}${long}BEGIN:VCARD\nVERSION:4.0`);
  t.deepEqual(
    contacts.map(({ name }) => name),
    ['Käthe'],
  );
  t.deepEqual(
    bad.map(({ line }) => line),
    [2, 7, 17, 22],
  );
  t.is(bad[1]?.why, 'it has no name');
  t.regex(bad[2]?.why ?? '', /longer than/);
});

test('files of any origin: line ends, a byte order mark, names in other properties, nothing that moves a cursor', (t) => {
  const card = (...lines: string[]): string => ['BEGIN:VCARD', 'VERSION:3.0', ...lines, 'END:VCARD', ''].join('\n');
  const names = (text: string): (string | undefined)[] => readCards(text).contacts.map(({ name }) => name);
  t.deepEqual(names(`\ufeff${card('FN:A')}`), ['A']);
  t.deepEqual(names(card('N:Meier;Bob;;;')), ['Bob Meier']);
  t.deepEqual(names(card('ORG:Bakery;Front desk')), ['Bakery Front desk']);
  t.deepEqual(names(card('FN:\u001b[2Jred\u202e')), ['[2Jred']);
  t.deepEqual(names(''), []);
});

test('what a person writes to call somebody', (t) => {
  t.is(addressOf('bob@home.example'), 'sip:bob@home.example');
  t.is(addressOf('SIP:bob@home.example'), 'SIP:bob@home.example');
  t.is(addressOf('+49 (30) 123-45'), 'tel:+493012345');
  t.is(addressOf('**9'), 'tel:**9');
  for (const text of ['', 'bob', 'mailto:x', '@x', 'a b@c', 'sip:a b']) t.is(addressOf(text), undefined, text);
});

test('a contact is made and gets more addresses, each once, and stays the same contact', (t) => {
  const made = newCard('Bob; Meier', ['sip:bob@home.example']);
  t.regex(made.uid, /^urn:uuid:/);
  const more = withAddresses(made, ['sip:bob@home.example', 'tel:+4930123']);
  t.deepEqual(more.addresses, ['sip:bob@home.example', 'tel:+4930123']);
  t.is(more.uid, made.uid);
  t.is(more.name, 'Bob; Meier');
  t.deepEqual(readCards(more.card).contacts, [more]);
});
