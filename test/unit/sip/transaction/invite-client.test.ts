import test from 'ava';
import { silentLogger } from '../../../../src/base/logger.ts';
import type { SipFlow } from '../../../../src/sip/flow.ts';
import { firstHeader, headerValues } from '../../../../src/sip/message/headers.ts';
import type { SipRequest } from '../../../../src/sip/message/message.ts';
import { InviteClientTransaction } from '../../../../src/sip/transaction/invite-client.ts';
import { request, response } from '../../../sim/sip/messages.ts';
import { Journal, TCP, UDP } from './machines.ts';

const INVITE = request('INVITE', { headers: ['Route: <sip:198.18.0.7;lr>', 'Subject: private'] });

function calling(flow: SipFlow = UDP): { machine: InviteClientTransaction; journal: Journal } {
  const journal = new Journal();
  const machine = new InviteClientTransaction(INVITE, flow, journal.client, silentLogger, 0);
  return { machine, journal };
}

test('without an answer the INVITE goes out seven times, and the user hears of a time-out after 32 s', (t) => {
  const { machine, journal } = calling();
  journal.run(machine, 60_000);
  t.deepEqual(journal.take(), [
    ...['0 INVITE', '500 INVITE', '1500 INVITE', '3500 INVITE', '7500 INVITE', '15500 INVITE', '31500 INVITE'],
    '32000 timeout',
  ]);
  t.is(machine.state, 'terminated');
  t.is(machine.nextTimeout(), undefined);
});

test('over TCP the INVITE goes out once, and times out after 32 s as well', (t) => {
  const { machine, journal } = calling(TCP);
  journal.run(machine, 60_000);
  t.deepEqual(journal.take(), ['0 INVITE', '32000 timeout']);
});

test('a 1xx ends the repetitions and the time-out; each 1xx is heard', (t) => {
  const { machine, journal } = calling();
  journal.run(machine, 600);
  machine.receive(response(INVITE, 100), 600);
  machine.receive(response(INVITE, 180), 600);
  t.is(machine.state, 'proceeding');
  journal.run(machine, 600_000);
  t.deepEqual(journal.take(), ['0 INVITE', '500 INVITE', '600 heard 100', '600 heard 180']);
  t.is(machine.nextTimeout(), undefined);
});

for (const rings of [false, true])
  test(`a 2xx ${rings ? 'after ringing' : 'at once'} is heard, so are its repetitions for 32 s, and no ACK is sent`, (t) => {
    const { machine, journal } = calling();
    if (rings) machine.receive(response(INVITE, 180), 0);
    journal.take();
    machine.receive(response(INVITE, 200), 0);
    t.is(machine.state, 'accepted');
    journal.run(machine, 4_000);
    machine.receive(response(INVITE, 200), 4_000);
    machine.receive(response(INVITE, 180), 4_000);
    machine.receive(response(INVITE, 486), 4_000);
    machine.transportFailed(4_000);
    t.is(machine.state, 'accepted');
    journal.run(machine, 27_999);
    t.is(machine.state, 'accepted');
    journal.run(machine, 1);
    t.is(machine.state, 'terminated');
    t.deepEqual(journal.take(), ['0 heard 200', '4000 heard 200']);
    machine.receive(response(INVITE, 200), 32_000);
    t.deepEqual(journal.take(), []);
  });

for (const rings of [false, true])
  test(`a refusal ${rings ? 'after ringing' : 'at once'} is acknowledged whenever it comes, and heard once`, (t) => {
    const { machine, journal } = calling();
    if (rings) machine.receive(response(INVITE, 180), 0);
    journal.take();
    machine.receive(response(INVITE, 486), 0);
    t.is(machine.state, 'completed');
    journal.run(machine, 4_000);
    machine.receive(response(INVITE, 486), 4_000);
    machine.receive(response(INVITE, 180), 4_000);
    machine.receive(response(INVITE, 200), 4_000);
    journal.run(machine, 27_999);
    t.is(machine.state, 'completed');
    journal.run(machine, 1);
    t.is(machine.state, 'terminated');
    t.deepEqual(journal.take(), ['0 ACK', '0 heard 486', '4000 ACK']);
  });

test('over TCP a refusal ends it at once, with one ACK', (t) => {
  const { machine, journal } = calling(TCP);
  machine.receive(response(INVITE, 603), 0);
  t.is(machine.state, 'terminated');
  t.deepEqual(journal.take(), ['0 INVITE', '0 ACK', '0 heard 603']);
});

test('the ACK of a refusal has the Via and Route of the INVITE, the To of the response, and nothing else of it', (t) => {
  const sent: SipRequest[] = [];
  const ports = { ...new Journal().client, send: (message: SipRequest) => void sent.push(message) };
  const machine = new InviteClientTransaction(INVITE, UDP, ports, silentLogger, 0);
  machine.receive(response(INVITE, 486, { tag: 'busy' }), 0);
  const ack = sent[1];
  t.is(ack?.method, 'ACK');
  if (ack === undefined) return;
  t.is(ack.uri, INVITE.uri);
  t.deepEqual(headerValues(ack, 'via'), headerValues(INVITE, 'via').slice(0, 1));
  t.deepEqual(headerValues(ack, 'route'), headerValues(INVITE, 'route'));
  t.is(firstHeader(ack, 'to'), '<sip:bob@home.example>;tag=busy');
  t.is(firstHeader(ack, 'from'), firstHeader(INVITE, 'from'));
  t.is(firstHeader(ack, 'call-id'), 'one');
  t.is(firstHeader(ack, 'cseq'), '1 ACK');
  t.is(firstHeader(ack, 'subject'), undefined);
});

test('a transport error while calling is heard and ends it; while the phone rings it changes nothing', (t) => {
  const { machine, journal } = calling();
  machine.transportFailed(100);
  t.is(machine.state, 'terminated');
  t.deepEqual(journal.take(), ['0 INVITE', '0 transport error']);
  const ringing = calling();
  ringing.machine.receive(response(INVITE, 180), 0);
  ringing.machine.transportFailed(100);
  t.is(ringing.machine.state, 'proceeding');
});

test('an ACK that cannot be sent ends it, and the user hears nothing more', (t) => {
  const { machine, journal } = calling();
  machine.receive(response(INVITE, 486), 0);
  journal.take();
  machine.transportFailed(0);
  t.is(machine.state, 'terminated');
  t.deepEqual(journal.take(), []);
});

test('cancelled before any answer: CANCEL waits for the first 1xx', (t) => {
  const { machine, journal } = calling();
  machine.cancel([], 100);
  journal.run(machine, 600);
  t.deepEqual(journal.take(), ['0 INVITE', '500 INVITE']);
  machine.receive(response(INVITE, 100), 600);
  machine.receive(response(INVITE, 180), 600);
  t.deepEqual(journal.take(), ['600 CANCEL', '600 heard 100', '600 heard 180']);
});

test('cancelled while ringing: one CANCEL goes out, and 487 ends the INVITE', (t) => {
  const { machine, journal } = calling();
  machine.receive(response(INVITE, 180), 0);
  machine.cancel([], 0);
  machine.cancel([], 0);
  journal.run(machine, 100);
  machine.receive(response(INVITE, 487), 100);
  t.is(machine.state, 'completed');
  t.deepEqual(journal.take(), ['0 INVITE', '0 heard 180', '0 CANCEL', '100 ACK', '100 heard 487']);
});

test('a CANCEL that nobody minds ends the INVITE after 32 s', (t) => {
  const { machine, journal } = calling();
  machine.receive(response(INVITE, 180), 0);
  journal.run(machine, 1_000);
  machine.cancel([], 1_000);
  journal.run(machine, 60_000);
  t.deepEqual(journal.take().slice(2), ['1000 CANCEL', '33000 timeout']);
  t.is(machine.state, 'terminated');
});

test('a 2xx that crosses the CANCEL is heard, and what is answered is not cancelled', (t) => {
  const { machine, journal } = calling();
  machine.receive(response(INVITE, 180), 0);
  machine.cancel([], 0);
  machine.receive(response(INVITE, 200), 0);
  t.deepEqual(journal.take(), ['0 INVITE', '0 heard 180', '0 CANCEL', '0 heard 200']);
  const answered = calling();
  answered.machine.receive(response(INVITE, 200), 0);
  answered.machine.cancel([], 0);
  t.deepEqual(answered.journal.take(), ['0 INVITE', '0 heard 200']);
});

test('a CANCEL has the Request-URI, Via and Route of its INVITE, and its reason', (t) => {
  const sent: SipRequest[] = [];
  const ports = { ...new Journal().client, cancel: (message: SipRequest) => void sent.push(message) };
  const machine = new InviteClientTransaction(INVITE, UDP, ports, silentLogger, 0);
  machine.receive(response(INVITE, 180, { tag: 'ringing' }), 0);
  machine.cancel([{ name: 'Reason', value: 'SIP;cause=200' }], 0);
  const [cancel] = sent;
  if (cancel === undefined) return void t.fail();
  t.is(cancel.method, 'CANCEL');
  t.is(cancel.uri, INVITE.uri);
  t.deepEqual(headerValues(cancel, 'via'), headerValues(INVITE, 'via').slice(0, 1));
  t.deepEqual(headerValues(cancel, 'route'), headerValues(INVITE, 'route'));
  t.is(firstHeader(cancel, 'to'), firstHeader(INVITE, 'to'));
  t.is(firstHeader(cancel, 'cseq'), '1 CANCEL');
  t.is(firstHeader(cancel, 'reason'), 'SIP;cause=200');
});
