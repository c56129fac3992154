import test from 'ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { encodeSip, parseSip } from '../../../src/sip/message/codec.ts';
import { MAX_HEADERS, MAX_MESSAGE_BYTES } from '../../../src/sip/message/constants.ts';
import { firstHeader, withHeader } from '../../../src/sip/message/headers.ts';
import { requestOf, written } from './vectors.ts';

const OPTIONS = 'OPTIONS sip:bob@home.example SIP/2.0';

function malformed(text: string): MalformedMessageError {
  try {
    parseSip(Buffer.from(text, 'latin1'));
  } catch (error) {
    if (error instanceof MalformedMessageError) return error;
    throw error;
  }
  throw new Error('it was read');
}

test('a name in Latin-1 beside one in UTF-8 leaves as the bytes it came in', (t) => {
  const bytes = Buffer.concat([
    Buffer.from(`${OPTIONS}\r\nFrom: "J\u00fcrgen" <sip:j@a.example>;tag=1\r\nTo: "`, 'utf8'),
    Buffer.from('J\u00fcrgen" <sip:j@b.example>\r\nContent-Length: 0\r\n\r\n', 'latin1'),
  ]);
  const message = parseSip(bytes);
  t.is(firstHeader(message, 'from'), '"J\u00fcrgen" <sip:j@a.example>;tag=1');
  t.deepEqual(Buffer.from(encodeSip(message)), bytes);
});

test('empty lines in front of a message are skipped, and nothing else is a message', (t) => {
  t.is(requestOf(parseSip(Buffer.from(`\r\n\r\n${OPTIONS}\r\nl: 0\r\n\r\n`))).method, 'OPTIONS');
  for (const nothing of ['', '\r\n', '\r\n\r\n', '\0\0\0\0', 'x', 'OPTIONS\r\n\r\n', 'OPTIONS sip:a@b\r\n\r\n'])
    t.truthy(malformed(nothing));
});

test('a bare CR or LF is malformed wherever it is in the header section: the next element may see a line there', (t) => {
  t.is(malformed(`${OPTIONS}\nVia: x\r\n\r\n`).reason, 'a bare CR or LF');
  t.is(malformed(`${OPTIONS}\r\nSubject: a\nRoute: <sip:x>\r\n\r\n`).reason, 'a bare CR or LF');
  t.is(malformed(`${OPTIONS}\r\nSubject: a\rRoute: <sip:x>\r\n\r\n`).offset, OPTIONS.length + 2);
});

test('a malformed line is named by its offset in bytes', (t) => {
  const text = `\r\n${OPTIONS}\r\nSubject: \u00fc\r\nno field\r\n\r\n`;
  const error = t.throws(() => parseSip(Buffer.from(text, 'utf8')), { instanceOf: MalformedMessageError });
  t.is(error.offset, Buffer.from(text, 'utf8').indexOf('no field'));
  t.is(malformed(`${OPTIONS}\r\n folded\r\n\r\n`).reason, 'a continuation of nothing');
  t.is(malformed(`${OPTIONS}\r\n: value\r\n\r\n`).reason, 'a line that is no header field');
});

test('a message has 256 header fields and 65,535 bytes at most', (t) => {
  const fields = (count: number): string => `${OPTIONS}\r\n${'X: y\r\n'.repeat(count)}\r\n`;
  t.is(parseSip(Buffer.from(fields(MAX_HEADERS))).headers.length, MAX_HEADERS);
  t.is(malformed(fields(MAX_HEADERS + 1)).reason, 'too many header fields');
  t.is(malformed('x'.repeat(MAX_MESSAGE_BYTES + 1)).reason, 'too long');
});

test('a request of another version, and a status line of one', (t) => {
  const request = requestOf(written(['OPTIONS sip:a@b SIP/3.0']));
  t.is(request.version, 'SIP/3.0');
  t.true(Buffer.from(encodeSip(request)).toString().startsWith('OPTIONS sip:a@b SIP/3.0\r\n'));
  t.is(requestOf(written(['OPTIONS sip:a@b sip/2.0'])).version, undefined);
  t.truthy(malformed('SIP/3.0 200 OK\r\n\r\n'));
  t.truthy(malformed('SIP/2.0 99 Low\r\n\r\n'));
  t.truthy(malformed('SIP/2.0 700 High\r\n\r\n'));
});

test('Content-Length says the length of the body whatever it said, in its place when it was right', (t) => {
  const message = written([OPTIONS, 'l: 3', 'Subject: s'], 'abc');
  t.is(Buffer.from(encodeSip(message)).toString(), `${OPTIONS}\r\nl: 3\r\nSubject: s\r\n\r\nabc`);
  const longer = { ...message, body: Buffer.from('abcde') };
  t.is(Buffer.from(encodeSip(longer)).toString(), `${OPTIONS}\r\nSubject: s\r\nContent-Length: 5\r\n\r\nabcde`);
  const twice = written([OPTIONS, 'l: 3', 'Content-Length: 4'], 'abc');
  t.is(twice.body.length, 0);
  t.is(Buffer.from(encodeSip(twice)).toString(), `${OPTIONS}\r\nContent-Length: 0\r\n\r\n`);
});

test('a line end in a value is not sent: it would be another field', (t) => {
  const message = withHeader(written([OPTIONS]), 'Subject', 'a\r\nRoute: <sip:evil.example>');
  t.throws(() => encodeSip(message), { instanceOf: TypeError });
});
