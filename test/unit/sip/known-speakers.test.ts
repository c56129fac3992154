import test from 'ava';
import { KnownSpeakers } from '../../../src/sip/known-speakers.ts';
import { request, response } from '../../sim/sip/messages.ts';

const [ALICE, MALLORY] = ['a', 'b'];
const TAGGED = '<sip:bob@home.example>;tag=1';

test('within a call a member is whom it was when it began: that host, that call, that name', (t) => {
  const speakers = new KnownSpeakers();
  speakers.learn(request('INVITE'), ALICE);
  t.true(speakers.has(request('BYE', { to: TAGGED }), ALICE));
  t.false(speakers.has(request('BYE', { to: TAGGED }), MALLORY), 'another host');
  t.false(speakers.has(request('BYE', { to: TAGGED, callId: 'two' }), ALICE), 'another call');
  t.false(speakers.has(request('BYE', { to: TAGGED, from: 'carol@home.example' }), ALICE), 'another name');
  t.false(speakers.has(request('INVITE'), ALICE), 'no call yet');
});

test('whoever answers is known by To, and what comes within a call teaches nothing', (t) => {
  const speakers = new KnownSpeakers();
  speakers.learn(response(request('INVITE'), 180), ALICE);
  t.true(speakers.has(request('BYE', { from: 'bob@home.example', to: '<sip:alice@home.example>;tag=2' }), ALICE));
  speakers.learn(request('INVITE', { to: TAGGED, callId: 'invented' }), MALLORY);
  t.false(speakers.has(request('INVITE', { to: TAGGED, callId: 'invented' }), MALLORY));
});

test('memory is bounded', (t) => {
  const speakers = new KnownSpeakers();
  for (let i = 0; i < 3_000; i++) speakers.learn(request('INVITE', { callId: `${i}` }), ALICE);
  speakers.learn(request('INVITE', { callId: 'x'.repeat(2_000) }), ALICE);
  t.is(speakers.size, 1_024);
});
