import test from 'ava';
import type { SipMessage } from '../../../src/sip/message/message.ts';
import { validateRequest, validateResponse } from '../../../src/sip/message/validation.ts';
import { requestOf, responseOf, written } from './vectors.ts';

const FIELDS = [
  'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
  'From: <sip:alice@home.example>;tag=1',
  'To: <sip:bob@home.example>',
  'Call-ID: 1@192.0.2.1',
  'CSeq: 1 OPTIONS',
  'Max-Forwards: 70',
];

function request(...more: string[]): SipMessage {
  const names = new Set(more.map((line) => line.split(':')[0]));
  const fields = FIELDS.filter((line) => !names.has(line.split(':')[0]));
  return written(['OPTIONS sip:bob@home.example SIP/2.0', ...fields, ...more]);
}

function reason(message: SipMessage): string | undefined {
  const rejection = validateRequest(requestOf(message));
  return rejection?.status === 400 ? rejection.reason : rejection && String(rejection.status);
}

test('a plain request passes', (t) => {
  t.is(reason(request()), undefined);
});

for (const field of ['Via', 'From', 'To', 'Call-ID', 'CSeq'])
  test(`a request without ${field} is bad`, (t) => {
    const fields = FIELDS.filter((line) => !line.startsWith(`${field}:`));
    t.is(reason(written(['OPTIONS sip:bob@home.example SIP/2.0', ...fields])), `Missing ${field}`);
  });

test('Max-Forwards is 0 to 255', (t) => {
  for (const hops of ['0', '255', '0070']) t.is(reason(request(`Max-Forwards: ${hops}`)), undefined);
  for (const hops of ['256', '-1', 'x', '', '1.5'])
    t.is(reason(request(`Max-Forwards: ${hops}`)), 'Malformed Max-Forwards');
});

test('fields that an element goes by are well formed in every row', (t) => {
  t.is(reason(request('Route: <sip:a@b;lr>, <sip:c;;d>')), 'Malformed Route');
  t.is(reason(request('Record-Route: sip:a@b c')), 'Malformed Record-Route');
  t.is(reason(request('Contact: <sip:a@b>', 'Contact: <sip:@b>')), 'Malformed Contact');
  t.is(reason(request('Contact: *')), undefined);
  t.is(reason(request('To: *')), 'Malformed To');
  t.is(reason(request('Call-ID: a b')), 'Malformed Call-ID');
});

test('a field has 256 values at most', (t) => {
  const route = (count: number): string => `Route: ${Array.from({ length: count }, () => '<sip:a@b;lr>').join(', ')}`;
  t.is(reason(request(route(256))), undefined);
  t.is(reason(request(route(257))), 'Too many Route');
});

test('a call to a telephone number passes, and a proxy that knows no option of Proxy-Require says so, but not to ACK and CANCEL', (t) => {
  t.is(reason(written(['OPTIONS tel:+4930123 SIP/2.0', ...FIELDS])), undefined);
  t.is(reason(request('Proxy-Require: sec-agree')), '420');
  for (const method of ['ACK', 'CANCEL']) {
    const fields = FIELDS.map((line) => line.replace('OPTIONS', method));
    t.is(reason(written([`${method} sip:bob@home.example SIP/2.0`, ...fields, 'Proxy-Require: sec-agree'])), undefined);
  }
});

test('a response is dropped when it is malformed, or goes to many hosts next', (t) => {
  const response = (...more: string[]): string | undefined =>
    validateResponse(responseOf(written(['SIP/2.0 200 OK', ...FIELDS.slice(0, 5), ...more])));
  t.is(response(), undefined);
  t.is(response('Via: SIP/2.0/UDP 192.0.2.2'), undefined);
  t.is(response('Content-Length: 5'), 'Content-Length beyond the end');
  for (const via of ['224.0.1.75', '[ff02::1]', '255.255.255.255', 'host.example;received=224.0.1.75'])
    t.is(response(`Via: SIP/2.0/UDP ${via}`), 'Via of many hosts');
});
