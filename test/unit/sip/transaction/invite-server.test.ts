import test from 'ava';
import { silentLogger } from '../../../../src/base/logger.ts';
import type { SipFlow } from '../../../../src/sip/flow.ts';
import { InviteServerTransaction } from '../../../../src/sip/transaction/invite-server.ts';
import { tryingOf } from '../../../../src/sip/transaction/responses.ts';
import { request, response } from '../../../sim/sip/messages.ts';
import { Journal, TCP, UDP } from './machines.ts';

const INVITE = request('INVITE');

function proceeding(flow: SipFlow = UDP): { machine: InviteServerTransaction; journal: Journal } {
  const journal = new Journal();
  const flows = { from: flow, replies: flow };
  const machine = new InviteServerTransaction(tryingOf(INVITE), flows, journal.server, silentLogger, 0);
  return { machine, journal };
}

test('a user that says nothing for 200 ms: 100 goes out, once, and again with each repetition of the INVITE', (t) => {
  const { machine, journal } = proceeding();
  machine.receiveAgain();
  t.deepEqual(journal.take(), []);
  journal.run(machine, 500);
  machine.receiveAgain();
  journal.run(machine, 100_000);
  t.deepEqual(journal.take(), ['200 100', '500 100']);
  t.is(machine.state, 'proceeding');
});

test('a user that rings within 200 ms: no 100, and the last 1xx answers repetitions', (t) => {
  const { machine, journal } = proceeding();
  machine.respond(response(INVITE, 180), 0);
  machine.respond(response(INVITE, 183), 0);
  journal.run(machine, 500);
  machine.receiveAgain();
  t.deepEqual(journal.take(), ['0 180', '0 183', '500 183']);
});

test('a refusal is sent until its ACK comes, at most 4 s apart; repeated INVITEs have it too', (t) => {
  const { machine, journal } = proceeding();
  machine.respond(response(INVITE, 486), 0);
  t.is(machine.state, 'completed');
  journal.run(machine, 8_000);
  machine.receiveAgain();
  t.deepEqual(journal.take(), ['0 486', '500 486', '1500 486', '3500 486', '7500 486', '8000 486']);
  t.true(machine.acknowledge(8_000));
  t.is(machine.state, 'confirmed');
  machine.receiveAgain();
  t.true(machine.acknowledge(8_000));
  journal.run(machine, 4_999);
  t.is(machine.state, 'confirmed');
  journal.run(machine, 1);
  t.is(machine.state, 'terminated');
  t.deepEqual(journal.take(), []);
});

test('a refusal that nobody acknowledges: the user hears of it after 32 s', (t) => {
  const { machine, journal } = proceeding();
  machine.respond(response(INVITE, 486), 0);
  journal.run(machine, 60_000);
  const times = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
  t.deepEqual(journal.take(), [...times.map((at) => `${at} 486`), '32000 unacknowledged']);
  t.is(machine.state, 'terminated');
});

test('over TCP a refusal is sent once; its ACK ends it at once', (t) => {
  const { machine, journal } = proceeding(TCP);
  machine.respond(response(INVITE, 486), 0);
  journal.run(machine, 10_000);
  t.deepEqual(journal.take(), ['0 486']);
  t.true(machine.acknowledge(10_000));
  t.is(machine.state, 'terminated');
});

test('over TCP a missing ACK is heard of after 32 s', (t) => {
  const { machine, journal } = proceeding(TCP);
  machine.respond(response(INVITE, 486), 0);
  journal.run(machine, 40_000);
  t.deepEqual(journal.take(), ['0 486', '32000 unacknowledged']);
});

for (const flow of [UDP, TCP])
  test(`over ${flow.transport}, for 32 s after a 2xx: INVITEs are absorbed, ACKs are the user's, and 2xx of the user go out`, (t) => {
    const { machine, journal } = proceeding(flow);
    machine.respond(response(INVITE, 200), 0);
    t.is(machine.state, 'accepted');
    journal.run(machine, 1_000);
    machine.receiveAgain();
    machine.respond(response(INVITE, 200), 1_000);
    machine.respond(response(INVITE, 180), 1_000);
    machine.respond(response(INVITE, 486), 1_000);
    t.false(machine.acknowledge(1_000));
    t.deepEqual(journal.take(), ['0 200', '1000 200']);
    journal.run(machine, 30_999);
    t.is(machine.state, 'accepted');
    journal.run(machine, 1);
    t.is(machine.state, 'terminated');
    machine.respond(response(INVITE, 200), 32_000);
    t.deepEqual(journal.take(), []);
  });

test('a response that cannot be sent: the user hears, and the state stays', (t) => {
  const { machine, journal } = proceeding();
  machine.transportFailed(0);
  t.is(machine.state, 'proceeding');
  machine.respond(response(INVITE, 486), 0);
  machine.transportFailed(0);
  t.is(machine.state, 'completed');
  t.deepEqual(journal.take(), ['0 transport', '0 486', '0 transport']);
  const accepted = proceeding();
  accepted.machine.respond(response(INVITE, 200), 0);
  accepted.machine.transportFailed(0);
  t.is(accepted.machine.state, 'accepted');
  t.deepEqual(accepted.journal.take(), ['0 200', '0 transport']);
});

test('an ACK while no final response was sent is absorbed', (t) => {
  const { machine } = proceeding();
  t.true(machine.acknowledge(0));
  t.is(machine.state, 'proceeding');
});
