import test from 'ava';
import { silentLogger } from '../../../../src/base/logger.ts';
import type { SipFlow } from '../../../../src/sip/flow.ts';
import { NonInviteClientTransaction } from '../../../../src/sip/transaction/non-invite-client.ts';
import { request, response } from '../../../sim/sip/messages.ts';
import { Journal, TCP, UDP } from './machines.ts';

const BYE = request('BYE');

function trying(flow: SipFlow = UDP): { machine: NonInviteClientTransaction; journal: Journal } {
  const journal = new Journal();
  const machine = new NonInviteClientTransaction(BYE, flow, journal.client, silentLogger, 0);
  return { machine, journal };
}

test('without an answer the request goes out eleven times, at most 4 s apart, and times out after 32 s', (t) => {
  const { machine, journal } = trying();
  journal.run(machine, 60_000);
  const times = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
  t.deepEqual(journal.take(), [...times.map((at) => `${at} BYE`), '32000 timeout']);
  t.is(machine.state, 'terminated');
});

test('over TCP the request goes out once, and times out after 32 s', (t) => {
  const { machine, journal } = trying(TCP);
  journal.run(machine, 60_000);
  t.deepEqual(journal.take(), ['0 BYE', '32000 timeout']);
});

test('after a 1xx the request goes out every 4 s, and times out all the same', (t) => {
  const { machine, journal } = trying();
  journal.run(machine, 400);
  machine.receive(response(BYE, 100), 400);
  machine.receive(response(BYE, 100), 400);
  t.is(machine.state, 'proceeding');
  journal.run(machine, 40_000);
  const times = [500, 4500, 8500, 12500, 16500, 20500, 24500, 28500];
  t.deepEqual(journal.take(), [
    ...['0 BYE', '400 heard 100', '400 heard 100', ...times.map((at) => `${at} BYE`)],
    '32000 timeout',
  ]);
});

for (const isProceeding of [false, true])
  test(`a final response ${isProceeding ? 'after 100' : 'at once'} is heard once; its repetitions are absorbed for 5 s`, (t) => {
    const { machine, journal } = trying();
    if (isProceeding) machine.receive(response(BYE, 100), 0);
    journal.take();
    machine.receive(response(BYE, 481), 0);
    t.is(machine.state, 'completed');
    journal.run(machine, 4_999);
    machine.receive(response(BYE, 481), 4_999);
    machine.transportFailed(4_999);
    t.is(machine.state, 'completed');
    journal.run(machine, 1);
    t.is(machine.state, 'terminated');
    machine.receive(response(BYE, 200), 5_000);
    t.deepEqual(journal.take(), ['0 heard 481']);
  });

test('over TCP a final response ends it at once', (t) => {
  const { machine } = trying(TCP);
  machine.receive(response(BYE, 200), 0);
  t.is(machine.state, 'terminated');
});

for (const isProceeding of [false, true])
  test(`a transport error ${isProceeding ? 'after 100' : 'before any answer'} is heard and ends it`, (t) => {
    const { machine, journal } = trying();
    if (isProceeding) machine.receive(response(BYE, 100), 0);
    journal.take();
    machine.transportFailed(0);
    t.is(machine.state, 'terminated');
    t.deepEqual(journal.take(), ['0 transport error']);
  });
