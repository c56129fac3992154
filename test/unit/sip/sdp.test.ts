import test from 'ava';
import { encodeSip, parseSip } from '../../../src/sip/message/codec.ts';
import { firstHeader, withHeader } from '../../../src/sip/message/headers.ts';
import type { SipMessage } from '../../../src/sip/message/message.ts';
import { validateRequest } from '../../../src/sip/message/validation.ts';
import { MAX_ADDRESS_LINES } from '../../../src/sip/sdp/constants.ts';
import { addressFamilies, isUndecided, sessionFamilies } from '../../../src/sip/sdp/families.ts';
import { type OwnAddresses, rewriteAddresses, rewriteSessions } from '../../../src/sip/sdp/rewrite.ts';
import { sessionIn } from '../../../src/sip/sdp/session-parts.ts';
import { PHONES, phoneInvite, requestOf, vector, written } from './vectors.ts';

const OWN = { ipv4: '198.18.4.2', ipv6: '2001:20:4::2' };
const isOverlayAddress = (address: string): boolean => address.startsWith('198.18.') || address.startsWith('2001:20:');

function rewrite(text: string, own: OwnAddresses = OWN): { text: string; changed: string[] } {
  const { body, changed } = rewriteAddresses(Buffer.from(text, 'latin1'), own, isOverlayAddress);
  return { text: Buffer.from(body).toString('latin1'), changed };
}

function bodyText(message: SipMessage): string {
  return Buffer.from(message.body).toString('latin1');
}

for (const name of PHONES)
  test(`${name} without settings: its address is the own one of the same family, every other byte is as it was`, (t) => {
    const invite = requestOf(parseSip(phoneInvite(name)));
    t.is(validateRequest(invite), undefined);
    const { message, changed } = rewriteSessions(invite, OWN, isOverlayAddress);
    const [was, is] = name === 'linphonec-ipv6' ? ['::1', OWN.ipv6] : ['192.168.1.20', OWN.ipv4];
    t.deepEqual(changed, [was]);
    const expected = bodyText(invite)
      .split('\r\n')
      .map((line) => (/^[oc]=/.test(line) ? line.replace(was, is) : line));
    t.deepEqual(bodyText(message).split('\r\n'), expected);
    t.is(firstHeader(parseSip(encodeSip(message)), 'content-length'), String(message.body.length));
  });

test('the address of the interface that the phone was told of is left, and so is the whole message', (t) => {
  for (const address of ['198.18.7.7', '2001:20:ffff::1', '::ffff:198.18.7.7']) {
    const family = address.includes(':') ? 6 : 4;
    const text = `v=0\r\no=- 1 1 IN IP${family} ${address}\r\ns=-\r\nc=IN IP${family} ${address}\r\nt=0 0\r\nm=audio 7078 RTP/AVP 0\r\n`;
    t.deepEqual(rewrite(text), { text, changed: [] });
    const message = written(['INVITE sip:b@c SIP/2.0', 'Content-Type: application/sdp'], text);
    t.is(rewriteSessions(message, OWN, isOverlayAddress).message, message);
  }
});

test('connection data of each medium, RTCP and candidates with their related addresses are rewritten', (t) => {
  const { text, changed } = rewrite(
    [
      'v=0',
      'o=alice 3 3 IN IP4 10.0.0.5',
      'c=IN IP4 10.0.0.5',
      't=0 0',
      'm=audio 7078 RTP/AVP 0',
      'a=rtcp:7079 IN IP4 10.0.0.5',
      'a=rtcp-xr:rcvr-rtt=all:10000',
      'a=candidate:1 1 UDP 2130706431 10.0.0.5 7078 typ host',
      'a=candidate:2 1 UDP 1694498815 203.0.113.9 7078 typ srflx raddr 10.0.0.5 rport 7078',
      'a=candidate:3 1 UDP 2130706430 198.18.4.2 7078 typ host',
      'a=candidate:4 1 UDP 2130706429 fd00::5 7078 typ host',
      'a=candidate:5 1 UDP 2130706428 3a5e.local 7078 typ host',
      'm=video 9078 RTP/AVP 96',
      'c=IN IP6 fd00::5',
      'a=rtcp:9079',
    ].join('\n'),
  );
  t.deepEqual(text.split('\n'), [
    'v=0',
    'o=alice 3 3 IN IP4 198.18.4.2',
    'c=IN IP4 198.18.4.2',
    't=0 0',
    'm=audio 7078 RTP/AVP 0',
    'a=rtcp:7079 IN IP4 198.18.4.2',
    'a=rtcp-xr:rcvr-rtt=all:10000',
    'a=candidate:1 1 UDP 2130706431 198.18.4.2 7078 typ host',
    'a=candidate:2 1 UDP 1694498815 198.18.4.2 7078 typ srflx raddr 198.18.4.2 rport 7078',
    'a=candidate:3 1 UDP 2130706430 198.18.4.2 7078 typ host',
    'a=candidate:4 1 UDP 2130706429 2001:20:4::2 7078 typ host',
    'a=candidate:5 1 UDP 2130706428 3a5e.local 7078 typ host',
    'm=video 9078 RTP/AVP 96',
    'c=IN IP6 2001:20:4::2',
    'a=rtcp:9079',
  ]);
  t.deepEqual(changed, ['10.0.0.5', '203.0.113.9', 'fd00::5']);
});

test('with no own address of that family, the other one takes its place and the line says so', (t) => {
  const text =
    'o=- 1 1 IN IP4 10.0.0.5\r\nc=IN IP4 10.0.0.5\r\na=rtcp:5 IN IP4 10.0.0.5\r\na=candidate:1 1 UDP 1 10.0.0.5 5 typ host\r\n';
  t.is(rewrite(text, { ipv6: OWN.ipv6 }).text, text.replaceAll('IP4', 'IP6').replaceAll('10.0.0.5', OWN.ipv6));
  t.is(rewrite('c=IN IP6 ::1\r\n', { ipv4: OWN.ipv4 }).text, 'c=IN IP4 198.18.4.2\r\n');
  t.deepEqual(rewrite(text, {}), { text, changed: [] });
});

for (const line of [
  'c=IN IP4 0.0.0.0',
  'c=IN IP6 ::',
  'c=IN IP4 phone.home.example',
  'o=bob 280744730 28977631 IN IP4 host.example.com',
  'c=IN IP4 224.2.36.42/127',
  'c=IN IP6 ff15::101/3',
  'c=IN IP4 10.0.0.500',
  'c=IN IP4 10.0.0.5%eth0',
  'C=IN IP4 10.0.0.5',
  ' c=IN IP4 10.0.0.5',
  'c=IN IP4',
  'c=ATM NSAP 47.0091.8100',
  'a=ssrc:1 cname:sip:alice@10.0.0.5',
  'i=call me at 10.0.0.5',
  'a=rtcp:5 10.0.0.5',
  `a=candidate:${'x'.repeat(600)} 1 UDP 1 10.0.0.5 5 typ host`,
])
  test(`left as it is: ${line.slice(0, 60)}`, (t) => {
    const text = `v=0\r\n${line}\r\n`;
    t.deepEqual(rewrite(text), { text, changed: [] });
  });

test('line ends of every kind, unknown lines and bytes that are no UTF-8 stay', (t) => {
  const text = 'v=0\rs=\xfc\xff\0\nc=IN IP4 10.0.0.5\r\n\r\nQ=?\n\nc=IN IP4 10.0.0.5   \rnonsense\r\na=x:\xe4';
  t.is(rewrite(text).text, text.replaceAll('10.0.0.5', OWN.ipv4));
});

test('a body with more lines of addresses than any phone writes is left as it is', (t) => {
  const text = (count: number): string => 'c=IN IP4 10.0.0.5\n'.repeat(count);
  t.deepEqual(rewrite(text(MAX_ADDRESS_LINES)).changed, ['10.0.0.5']);
  t.deepEqual(rewrite(text(MAX_ADDRESS_LINES + 1)).changed, []);
});

const SDP = 'v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\nc=IN IP4 10.0.0.5\r\nm=audio 5 RTP/AVP 0\r\n';
const REWRITTEN = SDP.replaceAll('10.0.0.5', OWN.ipv4);

function invite(contentType: string, body: string, ...more: string[]): SipMessage {
  return written(['INVITE sip:b@c SIP/2.0', `Content-Type: ${contentType}`, ...more], body);
}

function multipart(boundary: string, ...parts: string[]): string {
  return `preamble c=IN IP4 10.0.0.5\r\n${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\nepilogue`;
}

test('of a multipart body the SDP parts are rewritten, nested ones too, and no other part', (t) => {
  const other = `Content-Type: text/plain\r\n\r\n${SDP}`;
  const body = (sdp: string): string =>
    multipart(
      'a b:c',
      `content-type: Application/SDP; charset=utf-8\r\nContent-Disposition: session\r\n\r\n${sdp}`,
      other,
      `c: multipart/alternative; boundary=inner\r\n\r\n${multipart('inner', other, `C: application/sdp\r\n\r\n${sdp}`)}`,
      `\r\n${SDP}`,
    );
  const { message, changed } = rewriteSessions(
    invite('multipart/mixed;boundary="a b:c"', body(SDP)),
    OWN,
    isOverlayAddress,
  );
  t.is(bodyText(message), body(REWRITTEN));
  t.deepEqual(changed, ['10.0.0.5']);
});

test('a line that only begins as the boundary does is part of the body', (t) => {
  const part = (sdp: string): string => `Content-Type: application/sdp\r\n\r\n${sdp}--bb: x\r\nc=IN IP4 10.0.0.5`;
  const { message } = rewriteSessions(
    invite('multipart/mixed;boundary=b', multipart('b', part(SDP))),
    OWN,
    isOverlayAddress,
  );
  t.true(bodyText(message).includes('--bb: x\r\nc=IN IP4 198.18.4.2\r\n--b--'));
});

test('signed, encrypted, encoded and foreign bodies are left', (t) => {
  const part = `Content-Type: application/sdp\r\n\r\n${SDP}`;
  const encoded = `Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\n${SDP}`;
  for (const message of [
    invite('multipart/signed;protocol="application/pkcs7-signature";boundary=b', multipart('b', part)),
    invite('multipart/encrypted;boundary=b', multipart('b', part)),
    invite('application/pkcs7-mime;smime-type=enveloped-data', SDP),
    invite('multipart/mixed;boundary=b', multipart('b', encoded)),
    invite('multipart/mixed', multipart('b', part)),
    invite('multipart/mixed;boundary=x', multipart('b', part)),
    invite('application/sdp', SDP, 'Content-Encoding: gzip'),
    invite('text/plain', SDP),
    invite('application/sdp;;', SDP),
    written(['INVITE sip:b@c SIP/2.0'], SDP),
  ])
    t.is(rewriteSessions(message, OWN, isOverlayAddress).message, message);
});

test('a signed part within a multipart body is left, and the part beside it is not', (t) => {
  const body = (sdp: string): string =>
    multipart(
      'b',
      `Content-Type: multipart/signed;boundary=s\r\n\r\n${multipart('s', `Content-Type: application/sdp\r\n\r\n${SDP}`)}`,
      `Content-Type: application/sdp\r\n\r\n${sdp}`,
    );
  const { message } = rewriteSessions(invite('multipart/mixed;boundary=b', body(SDP)), OWN, isOverlayAddress);
  t.is(bodyText(message), body(REWRITTEN));
});

test('mpart01 of RFC 4475 is signed: no byte of it changes', (t) => {
  const message = parseSip(vector('mpart01'));
  t.is(rewriteSessions(message, OWN, () => false).message, message);
});

test('the one session description of a message, wherever it is; or that there is none, or one that nobody sees here', (t) => {
  const part = `Content-Type: application/sdp\r\n\r\n${SDP}`;
  const other = 'Content-Type: application/isup\r\nContent-Transfer-Encoding: base64\r\n\r\nSUFN';
  const mixed = (...parts: string[]): SipMessage => invite('multipart/mixed;boundary=b', multipart('b', ...parts));
  const found = (message: SipMessage): string => {
    const session = sessionIn(message);
    return typeof session === 'string' ? session : bodyText(message).slice(session.start, session.end);
  };
  for (const message of [
    invite('application/sdp', SDP),
    invite('Application/SDP;charset=utf-8', SDP, 'Content-Disposition: session;handling=required'),
    invite('application/sdp', SDP, 'Content-Encoding: identity'),
    mixed(part, other),
    mixed(other, part, '\r\ntext'),
    mixed(`Content-Type: multipart/related;boundary=i\r\n\r\n${multipart('i', part)}`),
  ])
    t.is(found(message), SDP);
  for (const message of [
    invite('application/sdp', ''),
    invite('application/isup', 'IAM', 'Content-Encoding: gzip'),
    invite('text/plain', SDP),
    mixed(other, `Content-Type: text/plain\r\n\r\n${SDP}`, `\r\n${SDP}`),
    written(['INVITE sip:b@c SIP/2.0'], ''),
  ])
    t.is(found(message), 'none');
  for (const message of [
    invite('application/sdp', SDP, 'Content-Encoding: gzip'),
    invite('application/sdp', SDP, 'Content-Disposition: early-session'),
    invite('application/sdp;;', SDP),
    written(['INVITE sip:b@c SIP/2.0'], SDP),
    mixed(part, part),
    mixed(part, `Content-Disposition: early-session\r\n${part}`),
    mixed(`Content-Transfer-Encoding: base64\r\n${part}`),
    mixed(`Content-Encoding: gzip\r\n${part}`),
    mixed(`Content-Type: text/plain\r\n${part}`),
    mixed(`Content-Type: text/plain\r\n\r\n`, 'Content-Type: message/external-body\r\n\r\nx'),
    invite('multipart/signed;protocol="application/pkcs7-signature";boundary=b', multipart('b', part)),
    invite('multipart/new;boundary=b', multipart('b', part)),
    invite('application/pkcs7-mime;smime-type=enveloped-data', 'x'),
    invite('multipart/mixed', multipart('b', part)),
    invite('multipart/mixed;boundary=x', multipart('b', part)),
    invite('multipart/mixed;boundary=b', multipart('b', part).replace('--b--', '')),
    invite('multipart/mixed;boundary=b', multipart('b', ...Array<string>(40).fill('\r\ntext'), part)),
  ])
    t.is(found(message), 'hidden', bodyText(message).slice(0, 200));
});

test('the families of the media are those of their connection data, the session one for those without', (t) => {
  const families = (...lines: string[]): number[] => [...addressFamilies(Buffer.from(lines.join('\r\n')))].sort();
  t.deepEqual(families('c=IN IP4 10.0.0.5', 'm=audio 5 RTP/AVP 0'), [4]);
  t.deepEqual(families('c=IN IP4 10.0.0.5', 'm=audio 5 RTP/AVP 0', 'c=IN IP6 ::1'), [6]);
  t.deepEqual(
    families('c=IN IP4 10.0.0.5', 'm=audio 5 RTP/AVP 0', 'm=video 6 RTP/AVP 96', 'c=IN IP6 host.example'),
    [4, 6],
  );
  t.deepEqual(families('c=IN IP4 10.0.0.5', 'm=audio 5/2 RTP/AVP 0', 'm=video 0 RTP/AVP 96', 'c=IN IP6 ::1'), [4]);
  t.deepEqual(families('c=IN IP4 10.0.0.5'), []);
  t.deepEqual(families('m=audio 5 RTP/AVP 0'), []);
  t.deepEqual(families(), []);
});

test('where media go is not decided by 0.0.0.0, nor with candidates; it is by any other address', (t) => {
  const undecided = (...lines: string[]): boolean => isUndecided(invite('application/sdp', lines.join('\r\n')));
  const candidate = 'a=candidate:1 1 udp 2130706431 2001:20::b 4000 typ host';
  t.true(undecided('c=IN IP4 0.0.0.0', 'm=audio 5 RTP/AVP 0'));
  t.true(undecided('c=IN IP4 10.0.0.5', 'm=audio 5 RTP/AVP 0', candidate, 'm=video 6 RTP/AVP 96'));
  t.false(undecided('c=IN IP4 10.0.0.5', 'm=audio 5 RTP/AVP 0', 'a=rtcp:5 IN IP4 0.0.0.0'));
  t.false(undecided('c=IN IP4 0.0.0.01', 'm=audio 5 RTP/AVP 0'));
  t.false(undecided());
});

test('the families in whole messages: of phones, of RFC 5118, and of a multipart body', (t) => {
  t.deepEqual([...sessionFamilies(parseSip(phoneInvite('baresip')))], [4]);
  t.deepEqual([...sessionFamilies(parseSip(phoneInvite('linphonec-ipv6')))], [6]);
  t.deepEqual([...sessionFamilies(parseSip(vector('mult-ip-in-sdp')))], [4, 6]);
  const part = `Content-Type: application/sdp\r\n\r\n${SDP}`;
  t.deepEqual([...sessionFamilies(invite('multipart/mixed;boundary=b', multipart('b', part)))], [4]);
  t.deepEqual([...sessionFamilies(withHeader(parseSip(phoneInvite('baresip')), 'Content-Type', 'text/plain'))], []);
});
