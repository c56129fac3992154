import test from 'ava';
import { encodeSip } from '../../../src/sip/message/codec.ts';
import {
  firstHeader,
  headerValues,
  prependHeader,
  withFirstValue,
  withHeader,
  withoutHeader,
} from '../../../src/sip/message/headers.ts';
import type { SipMessage } from '../../../src/sip/message/message.ts';
import { written } from './vectors.ts';

const MESSAGE = written([
  'OPTIONS sip:bob@home.example SIP/2.0',
  'v: SIP/2.0/UDP one.example;branch=z9hG4bK1, SIP/2.0/UDP two.example;branch=z9hG4bK2',
  'VIA: SIP/2.0/TCP three.example;branch=z9hG4bK3',
  'm: "Bob, of <home>, \\"x,y\\"" <sip:bob@one.example;a=b,c>;q=1,<sip:bob@two.example>',
  'Authorization: Digest username="bob", realm="home"',
  'Date: Sat, 13 Nov 2010 23:29:00 GMT',
  'X-List: a, b',
  'Supported: ',
  'l: 0',
]);

function lines(message: SipMessage): string[] {
  return Buffer.from(encodeSip(message)).toString().split('\r\n').slice(1, -2);
}

test('values of all rows, by the compact name and by the full one, with lists split outside of quotes and brackets', (t) => {
  for (const name of ['via', 'v', 'Via'])
    t.deepEqual(headerValues(MESSAGE, name), [
      'SIP/2.0/UDP one.example;branch=z9hG4bK1',
      'SIP/2.0/UDP two.example;branch=z9hG4bK2',
      'SIP/2.0/TCP three.example;branch=z9hG4bK3',
    ]);
  t.deepEqual(headerValues(MESSAGE, 'contact'), [
    '"Bob, of <home>, \\"x,y\\"" <sip:bob@one.example;a=b,c>;q=1',
    '<sip:bob@two.example>',
  ]);
});

test('a comma is part of the value in a field that is no list, and in one that is not known', (t) => {
  t.is(firstHeader(MESSAGE, 'authorization'), 'Digest username="bob", realm="home"');
  t.is(firstHeader(MESSAGE, 'date'), 'Sat, 13 Nov 2010 23:29:00 GMT');
  t.deepEqual(headerValues(MESSAGE, 'x-list'), ['a, b']);
});

test('a list may be empty, and an absent field has no value', (t) => {
  t.deepEqual(headerValues(MESSAGE, 'supported'), []);
  t.is(firstHeader(MESSAGE, 'route'), undefined);
});

test('a field is replaced where its first row was, or added behind all; the message that it was of stays as it was', (t) => {
  const before = lines(MESSAGE);
  t.deepEqual(headerValues(withHeader(MESSAGE, 'Via', 'x'), 'via'), ['x']);
  t.is(lines(withHeader(MESSAGE, 'Via', 'x'))[0], 'Via: x');
  t.is(lines(withHeader(MESSAGE, 'Expires', '60')).at(-1), 'Expires: 60');
  t.deepEqual(lines(MESSAGE), before);
});

test('a field is taken away with all of its rows, and one is put above all', (t) => {
  t.deepEqual(headerValues(withoutHeader(MESSAGE, 'via'), 'v'), []);
  t.is(withoutHeader(MESSAGE, 'via').headers.length, MESSAGE.headers.length - 2);
  t.is(firstHeader(prependHeader(MESSAGE, 'Via', 'SIP/2.0/UDP zero.example'), 'via'), 'SIP/2.0/UDP zero.example');
});

test('of a row with several values the first is replaced or taken, and its row when it was the last', (t) => {
  t.is(lines(withFirstValue(MESSAGE, 'via', 'new'))[0], 'v: new, SIP/2.0/UDP two.example;branch=z9hG4bK2');
  const one = withFirstValue(MESSAGE, 'via', undefined);
  t.is(lines(one)[0], 'v: SIP/2.0/UDP two.example;branch=z9hG4bK2');
  const two = withFirstValue(one, 'via', undefined);
  t.is(lines(two)[0], 'VIA: SIP/2.0/TCP three.example;branch=z9hG4bK3');
  t.deepEqual(headerValues(withFirstValue(two, 'via', undefined), 'via'), []);
  t.is(withFirstValue(MESSAGE, 'route', undefined), MESSAGE);
});
