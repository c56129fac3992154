import test from 'ava';
import { seededRandom } from '../../../../src/base/random.ts';
import { firstHeader, headerValues } from '../../../../src/sip/message/headers.ts';
import { responseTo, tagOf, tryingOf } from '../../../../src/sip/transaction/responses.ts';
import { request } from '../../../sim/sip/messages.ts';

const HEADERS = ['Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKb, SIP/2.0/TCP 192.0.2.2;branch=z9hG4bKc', 'Timestamp: 54'];
const ANSWER = { status: 404, reason: 'Not Found', headers: [{ name: 'X-More', value: '1' }] };

test('a response has all Vias in their order, From, Call-ID and CSeq of its request, and a tag behind the To as it was written', (t) => {
  const invite = request('INVITE', { headers: HEADERS, to: '<sip:bob@home.example>;x=1' });
  const answer = responseTo(invite, ANSWER, seededRandom(1));
  t.like(answer, { status: 404, reason: 'Not Found' });
  t.deepEqual(headerValues(answer, 'via'), headerValues(invite, 'via'));
  for (const name of ['from', 'call-id', 'cseq']) t.is(firstHeader(answer, name), firstHeader(invite, name));
  t.regex(firstHeader(answer, 'to') ?? '', /^<sip:bob@home\.example>;x=1;tag=[0-9a-f]{16}$/);
  t.is(firstHeader(answer, 'x-more'), '1');
  t.is(firstHeader(answer, 'max-forwards'), undefined);
});

test('a To that has a tag keeps it', (t) => {
  const bye = request('BYE', { to: '<sip:bob@home.example>;tag=known' });
  t.is(tagOf(responseTo(bye, ANSWER, seededRandom(1)), 'to'), 'known');
});

test('100 has no tag, and the Timestamp of its request', (t) => {
  const trying = tryingOf(request('INVITE', { headers: HEADERS }));
  t.is(trying.status, 100);
  t.is(tagOf(trying, 'to'), '');
  t.is(firstHeader(trying, 'timestamp'), '54');
});
