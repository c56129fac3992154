import test from 'ava';
import { silentLogger } from '../../../../src/base/logger.ts';
import type { SipFlow } from '../../../../src/sip/flow.ts';
import { NonInviteServerTransaction } from '../../../../src/sip/transaction/non-invite-server.ts';
import { tryingOf } from '../../../../src/sip/transaction/responses.ts';
import { request, response } from '../../../sim/sip/messages.ts';
import { Journal, TCP, UDP } from './machines.ts';

const BYE = request('BYE');

function trying(flow: SipFlow = UDP): { machine: NonInviteServerTransaction; journal: Journal } {
  const journal = new Journal();
  const flows = { from: flow, replies: flow };
  const machine = new NonInviteServerTransaction(tryingOf(BYE), flows, journal.server, silentLogger, 0);
  return { machine, journal };
}

for (const flow of [UDP, TCP])
  test(`over ${flow.transport}, a user that says nothing: 100 after 3.5 s, again with each repetition, and no more after 32 s`, (t) => {
    const { machine, journal } = trying(flow);
    journal.run(machine, 3_000);
    machine.receiveAgain();
    journal.run(machine, 1_000);
    machine.receiveAgain();
    t.is(machine.state, 'proceeding');
    journal.run(machine, 60_000);
    t.is(machine.state, 'terminated');
    machine.receiveAgain();
    machine.respond(response(BYE, 200), 64_000);
    t.deepEqual(journal.take(), ['3500 100', '4000 100']);
  });

test('of the user, neither 1xx nor 408 is sent (RFC 4320)', (t) => {
  const { machine, journal } = trying();
  machine.respond(response(BYE, 100), 0);
  machine.respond(response(BYE, 180), 0);
  machine.respond(response(BYE, 408), 0);
  t.is(machine.state, 'trying');
  t.deepEqual(journal.take(), []);
});

for (const isProceeding of [false, true])
  test(`a final response ${isProceeding ? 'after 100' : 'at once'} is sent, again with each repetition for 32 s, and is the only one`, (t) => {
    const { machine, journal } = trying();
    if (isProceeding) journal.run(machine, 4_000);
    const begun = journal.now;
    journal.take();
    machine.respond(response(BYE, 200), begun);
    machine.respond(response(BYE, 500), begun);
    t.is(machine.state, 'completed');
    journal.run(machine, 31_999);
    machine.receiveAgain();
    t.is(machine.state, 'completed');
    journal.run(machine, 1);
    t.is(machine.state, 'terminated');
    t.deepEqual(journal.take(), [`${begun} 200`, `${begun + 31_999} 200`]);
  });

test('over TCP a final response ends it at once', (t) => {
  const { machine, journal } = trying(TCP);
  machine.respond(response(BYE, 200), 0);
  t.is(machine.state, 'terminated');
  t.deepEqual(journal.take(), ['0 200']);
});

test('a response that cannot be sent: the user hears, and it ends', (t) => {
  for (const isFinal of [false, true]) {
    const { machine, journal } = trying();
    machine.transportFailed(0);
    t.is(machine.state, 'trying');
    if (isFinal) machine.respond(response(BYE, 200), 0);
    else journal.run(machine, 3_500);
    journal.take();
    machine.transportFailed(journal.now);
    t.is(machine.state, 'terminated');
    t.deepEqual(journal.take(), [`${journal.now} transport`]);
  }
});
