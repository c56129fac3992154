import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { exerciseSip, sipSeeds } from '../../../scripts/testbed/sip-fuzz.ts';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { addressFromBytes } from '../../../src/base/ip-address.ts';
import { encodeSip, parseSip } from '../../../src/sip/message/codec.ts';
import { MAX_MESSAGE_BYTES } from '../../../src/sip/message/constants.ts';
import { headerValues, prependHeader, withFirstValue, withHeader } from '../../../src/sip/message/headers.ts';
import type { SipMessage } from '../../../src/sip/message/message.ts';
import { formatNameAddr, parseNameAddr } from '../../../src/sip/message/name-addr.ts';
import { SipStreamFramer } from '../../../src/sip/message/stream-framer.ts';
import { decodeText, encodeText } from '../../../src/sip/message/text.ts';
import { formatUri, parseUri } from '../../../src/sip/message/uri.ts';
import { validateRequest, validateResponse } from '../../../src/sip/message/validation.ts';
import { formatVia, parseVia } from '../../../src/sip/message/via.ts';
import { sessionFamilies } from '../../../src/sip/sdp/families.ts';
import { rewriteSessions } from '../../../src/sip/sdp/rewrite.ts';

const characters = (from: string): fc.Arbitrary<string> => fc.constantFrom(...Array.from(from));
const token = fc.string({ unit: characters("ABCxyz019-.!%*_+`'~"), minLength: 1, maxLength: 12 });
/** Without line ends and spaces at its ends, which are no part of a value. */
const value = fc
  .string({
    unit: fc.oneof({ weight: 4, arbitrary: fc.string({ unit: 'grapheme', maxLength: 1 }) }, characters('",<>;:=\\ \t')),
    maxLength: 60,
  })
  .map((text) => text.replaceAll(/[\r\n]/g, '').replaceAll(/^[ \t]+|[ \t]+$/g, ''));
const header = fc.record({ name: token.filter((name) => name.toLowerCase() !== 'l'), value });
const body = fc.uint8Array({ maxLength: 100 });
const message: fc.Arbitrary<SipMessage> = fc.oneof(
  fc.record({
    type: fc.constant('request' as const),
    method: token,
    uri: fc.webUrl().filter((url) => !/\s/.test(url)),
    headers: fc.array(header, { maxLength: 20 }),
    body,
  }),
  fc.record({
    type: fc.constant('response' as const),
    status: fc.integer({ min: 100, max: 699 }),
    reason: value,
    headers: fc.array(header, { maxLength: 20 }),
    body,
  }),
);
const withLength = (from: SipMessage): SipMessage => withHeader(from, 'Content-Length', String(from.body.length));
const plain = (from: SipMessage): unknown => ({ ...from, body: Buffer.from(from.body).toString('hex') });

testProp('a message is read as it was written', [message], (t, written) => {
  t.deepEqual(plain(parseSip(encodeSip(written))), plain(withLength(written)));
});

testProp(
  'messages come out of a stream as they went in, however it was cut',
  [fc.array(message, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 })],
  (t, messages, sizes) => {
    const stream = Buffer.concat(messages.map(encodeSip));
    const framer = new SipStreamFramer();
    const frames: unknown[] = [];
    for (let at = 0, turn = 0; at < stream.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? 1;
      for (const frame of framer.push(stream.subarray(at, at + size)))
        if (frame.type === 'message') frames.push(plain(frame.message));
      at += size;
    }
    t.is(framer.failure, undefined);
    t.deepEqual(frames, messages.map(withLength).map(plain));
  },
);

testProp('bytes of every kind are text and the same bytes again', [fc.uint8Array({ maxLength: 60 })], (t, bytes) => {
  t.deepEqual(Buffer.from(encodeText(decodeText(bytes))), Buffer.from(bytes));
});

testProp('text of every language is bytes and the same text again', [fc.string({ unit: 'grapheme' })], (t, text) => {
  t.is(decodeText(encodeText(text)), text);
});

const host = fc.oneof(
  fc.domain().map((name) => name.toLowerCase()),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map(addressFromBytes),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map(addressFromBytes),
);
const port = fc.option(fc.nat(65_535), { nil: undefined });
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const headerParams = fc
  .array(
    fc.tuple(
      token.map((name) => name.toLowerCase()),
      fc.oneof(token, fc.constant('')),
    ),
    { maxLength: 5 },
  )
  .map((entries) => new Map(entries));

testProp(
  'a URI of any user, host and parameters is read as it was written, and is visible ASCII',
  [
    fc.constantFrom('sip' as const, 'sips' as const),
    fc.option(text, { nil: undefined }),
    host,
    port,
    fc.array(
      fc.tuple(
        text.map((name) => name.toLowerCase()),
        fc.oneof(text, fc.constant('')),
      ),
    ),
  ],
  (t, scheme, user, place, at, params) => {
    const uri = { scheme, user, password: undefined, host: place, port: at, params: new Map(params), headers: '' };
    const written = formatUri(uri);
    t.regex(written, /^[\x21-\x7e]+$/);
    t.deepEqual(parseUri(written), uri);
  },
);

testProp(
  'a name and address is read as it was written',
  [fc.string({ unit: 'grapheme' }), host, headerParams],
  (t, displayName, place, params) => {
    const address = { displayName, uri: `sip:b@${place.includes(':') ? `[${place}]` : place};lr`, params };
    t.deepEqual(parseNameAddr(formatNameAddr(address)), address);
  },
);

testProp('a Via is read as it was written', [token, host, port, headerParams], (t, transport, place, at, params) => {
  const via = { transport: transport.toUpperCase(), host: place, port: at, params };
  t.deepEqual(parseVia(formatVia(via)), via);
});

testProp(
  'values that are added above and taken off again leave the others',
  [fc.array(fc.tuple(token, host), { minLength: 1, maxLength: 8 })],
  (t, vias) => {
    const empty: SipMessage = {
      type: 'request',
      method: 'OPTIONS',
      uri: 'sip:a@b',
      headers: [],
      body: new Uint8Array(),
    };
    let current = empty;
    const expected: string[] = [];
    for (const [transport, place] of vias) {
      const via = formatVia({ transport, host: place, params: new Map() });
      current = prependHeader(current, 'Via', via);
      expected.unshift(via);
    }
    t.deepEqual(headerValues(current, 'v'), expected);
    for (; expected.length > 0; expected.shift()) {
      t.deepEqual(headerValues(current, 'via'), expected);
      current = withFirstValue(current, 'via', undefined);
    }
    t.deepEqual(current, empty);
  },
);

const seeds = sipSeeds();

testProp(
  'a torture message that was damaged is read or malformed, never another error, and what was read is sent so that it is read again',
  [
    fc.constantFrom(...seeds),
    fc.array(fc.tuple(fc.nat(), fc.nat(), fc.uint8Array({ maxLength: 6 })), { minLength: 1, maxLength: 6 }),
  ],
  (t, seed, damage) => {
    let bytes = Buffer.from(seed);
    for (const [at, removed, put] of damage) {
      const where = at % (bytes.length + 1);
      bytes = Buffer.concat([bytes.subarray(0, where), put, bytes.subarray(where + (removed % 20))]);
    }
    t.notThrows(() => exerciseSip(bytes));
  },
  { numRuns: 1_000 },
);

testProp('any bytes are read or malformed', [fc.uint8Array({ maxLength: 200 })], (t, bytes) =>
  t.notThrows(() => exerciseSip(bytes)),
);

/** What makes an expression or a loop go over the same text again and again, filled up to a size. */
const PATTERNS: readonly (readonly [string, (fill: (piece: string) => string) => string])[] = [
  ['spaces in a Via', (fill) => `Via: SIP/2.0/UDP a${fill(' ')}b\r\n\r\n`],
  ['colons in a Via', (fill) => `Via: SIP/2.0/UDP a${fill(' :')}\r\n\r\n`],
  ['parameters of a Via', (fill) => `Via: SIP/2.0/UDP a;b${fill(';c')}\r\n\r\n`],
  ['slashes in a Via', (fill) => `Via: ${fill('/')}\r\n\r\n`],
  ['quotes in a name', (fill) => `From: ${fill('"')}\r\n\r\n`],
  ['backslashes in a name', (fill) => `From: "${fill('\\')}\r\n\r\n`],
  ['words of a name', (fill) => `From: ${fill('a ')}<sip:a@b>\r\n\r\n`],
  ['open brackets', (fill) => `Contact: ${fill('<')}\r\n\r\n`],
  ['a list', (fill) => `Contact: ${fill('<sip:a@b>,')}\r\n\r\n`],
  ['folded lines', (fill) => `From: x${fill('\r\n ')}\r\n\r\n`],
  ['escapes', (fill) => `From: <sip:${fill('%41')}@b>\r\n\r\n`],
  ['bytes that are no UTF-8', (fill) => `Subject: ${fill('\xff')}\r\n\r\n`],
  ['labels of a host', (fill) => `From: <sip:a@${fill('a.')}>\r\n\r\n`],
  ['addresses', (fill) => `Content-Type: application/sdp\r\n\r\n${fill('c=IN IP4 10.0.0.1\n')}`],
  ['what is no address', (fill) => `Content-Type: application/sdp\r\n\r\n${fill('c=IN IP4 x\n')}`],
  ['a line without end', (fill) => `Content-Type: application/sdp\r\n\r\na=candidate:${fill('1 ')}`],
  ['parts', (fill) => `Content-Type: multipart/mixed;boundary=b\r\n\r\n${fill('--b\r\n')}`],
  ['fields of a part', (fill) => `Content-Type: multipart/mixed;boundary=b\r\n\r\n--b\r\n${fill('a:b\n')}--b--`],
];
/** Of processor time, which the pauses of a busy host are not; quadratic in 60,000 characters would be seconds. */
const LONGEST_MS = 500;

for (const [what, pattern] of PATTERNS)
  test(`the largest message that holds nothing but ${what} takes no more than linear time`, (t) => {
    const start = 'INVITE sip:a@b SIP/2.0\r\n';
    const room = MAX_MESSAGE_BYTES - start.length - pattern(() => '').length;
    const bytes = Buffer.from(`${start}${pattern((piece) => piece.repeat(Math.floor(room / piece.length)))}`, 'latin1');
    const before = process.cpuUsage();
    try {
      const read = parseSip(bytes);
      if (read.type === 'request') validateRequest(read);
      else validateResponse(read);
      for (const field of ['via', 'from', 'contact'])
        for (const each of headerValues(read, field)) {
          parseVia(each);
          parseNameAddr(each);
        }
      rewriteSessions(read, { ipv4: '198.18.4.2' }, () => false);
      sessionFamilies(read);
      encodeSip(read);
    } catch (error) {
      t.true(error instanceof MalformedMessageError, String(error));
    }
    const { user, system } = process.cpuUsage(before);
    t.true((user + system) / 1000 < LONGEST_MS);
  });
