import test from 'ava';
import { parseCSeq } from '../../../src/sip/message/cseq.ts';
import { formatNameAddr, parseNameAddr } from '../../../src/sip/message/name-addr.ts';
import { formatUri, parseUri, uriScheme } from '../../../src/sip/message/uri.ts';
import { formatVia, parseVia } from '../../../src/sip/message/via.ts';

test('a URI is read into its parts, and written as it was', (t) => {
  const text =
    'sips:alice;day=tuesday:secret@atlanta.example:5062;transport=tcp;lr?subject=project%20x&priority=urgent';
  const uri = parseUri(text);
  t.deepEqual(uri, {
    scheme: 'sips',
    user: 'alice;day=tuesday',
    password: 'secret',
    host: 'atlanta.example',
    port: 5062,
    params: new Map([
      ['transport', 'tcp'],
      ['lr', ''],
    ]),
    headers: 'subject=project%20x&priority=urgent',
  });
  t.is(uri === undefined ? '' : formatUri(uri), text);
});

test('what a user types is escaped where the grammar wants it, and read back', (t) => {
  for (const user of ['a b', 'bob@home', '*72#', 'jürgen', 'a:b', 'a%41', '\r\nRoute: <x>', '+49 30', '\0']) {
    const text = formatUri({ scheme: 'sip', user, host: 'home.example', params: new Map(), headers: '' });
    t.regex(text, /^[\x21-\x7e]+$/);
    t.notRegex(text, /[<>"\s]/);
    t.is(parseUri(text)?.user, user);
  }
});

test('the host is in lower case without brackets, and gets them back', (t) => {
  t.is(parseUri('sip:Bob@HOME.Example')?.host, 'home.example');
  t.is(parseUri('SIP:Bob@HOME.Example')?.user, 'Bob');
  const uri = parseUri('sip:bob@[2001:20::1]:5062;lr');
  t.is(uri?.host, '2001:20::1');
  t.is(uri === undefined ? '' : formatUri(uri), 'sip:bob@[2001:20::1]:5062;lr');
});

for (const [text, why] of [
  ['bob@home.example', 'no scheme'],
  ['tel:+4930123', 'another scheme'],
  ['sip:', 'nothing'],
  ['sip:@home.example', 'an empty user'],
  ['sip:bob@', 'no host'],
  ['sip:bob@home.example:65536', 'a port beyond 65535'],
  ['sip:bob@home.example:', 'an empty port'],
  ['sip:bob@home.example:5060x', 'a port that is no number'],
  ['sip:bob@[2001:20::1', 'a bracket that does not close'],
  ['sip:bob@[home]', 'a name in brackets'],
  ['sip:bob@[fe80::1%25eth0]', 'a zone'],
  ['sip:2001:20::1', 'an IPv6 address without brackets'],
  ['sip:bob@home..example', 'an empty label'],
  ['sip:bob@home example', 'a space'],
  ['sip:bob@home.example;lr;lr', 'a parameter twice'],
  ['sip:bob@home.example;;lr', 'an empty parameter'],
  ['sip:bob%4@home.example', 'half an escape'],
  ['sip:bob@one@two', 'two hosts'],
  ['sip:bob@home.example?', 'no header field behind the question mark'],
  ['sip:bob@home.example>', 'a bracket of the field around it'],
] as const)
  test(`no SIP URI: ${why}`, (t) => t.is(parseUri(text), undefined));

test('a host may be any name, and a scheme any that is spelled as one', (t) => {
  t.is(parseUri('sip:bob@my_host.local.')?.host, 'my_host.local.');
  t.is(uriScheme('Tel:+4930123'), 'tel');
});

test('an address is written with its name quoted, and read back', (t) => {
  for (const displayName of ['', 'Bob', 'Bob "the, <builder>" \\', 'jürgen'])
    t.is(parseNameAddr(formatNameAddr({ displayName, uri: 'sip:b@c', params: new Map() }))?.displayName, displayName);
  t.is(
    formatNameAddr({ displayName: 'Bob', uri: 'sip:b@c;lr', params: new Map([['tag', 'x']]) }),
    '"Bob" <sip:b@c;lr>;tag=x',
  );
});

for (const text of [
  '',
  '"Bob',
  '"Bob"',
  '"Bob" sip:b@c',
  '<sip:b@c',
  'sip:b@c>',
  '<>',
  '<sip:b@c>x',
  '<sip:b@c>;',
  '<sip:b@c>;a=1;A=2',
  'bob',
])
  test(`no address: ${text === '' ? 'nothing' : text}`, (t) => t.is(parseNameAddr(text), undefined));

test('a Via is read and written, with rport asked for and answered', (t) => {
  const via = parseVia('SIP/2.0/udp [2001:20::1]:5062;rport;branch=z9hG4bKx');
  t.deepEqual(via, {
    transport: 'UDP',
    host: '2001:20::1',
    port: 5062,
    params: new Map([
      ['rport', ''],
      ['branch', 'z9hG4bKx'],
    ]),
  });
  if (via === undefined) return;
  const answered = { ...via, params: new Map([...via.params, ['rport', '40000'], ['received', '192.0.2.1']] as const) };
  t.is(formatVia(answered), 'SIP/2.0/UDP [2001:20::1]:5062;rport=40000;branch=z9hG4bKx;received=192.0.2.1');
});

for (const text of [
  '',
  'SIP/2.0/UDP',
  'SIP/2.0 UDP a',
  'SIP/2.0/UDP a b',
  'SIP/2.0/UDP a;;b',
  'SIP/2.0/UDP a;b=',
  'UDP a',
  'SIP/2.0/U/DP a',
])
  test(`no Via: ${text === '' ? 'nothing' : text}`, (t) => t.is(parseVia(text), undefined));

test('a sequence number has 32 bits', (t) => {
  t.deepEqual(parseCSeq('4294967295 INVITE'), { number: 4_294_967_295, method: 'INVITE' });
  for (const text of ['4294967296 INVITE', '-1 INVITE', 'INVITE', '1', '1 INVITE x', '0x1 INVITE', '1e3 INVITE', ''])
    t.is(parseCSeq(text), undefined, text);
});
