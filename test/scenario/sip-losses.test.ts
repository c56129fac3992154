import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { TIMER_C_MS } from '../../src/sip/proxy/constants.ts';
import type { SimPhone } from '../sim/sip/sip-phone.ts';
import { twoHomes } from '../sim/sip/two-homes.ts';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const CALLS = 20;
const OVER_MS = 100_000;
const FINAL = /^([2-6]\d\d|timeout)/;

function times(lines: readonly string[]): number[] {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts.values()];
}

function onlyOnce(phone: SimPhone): boolean {
  return times(phone.received).every((count) => count === 1);
}

for (const seed of SEEDS)
  test(`a third of all datagrams is lost, others overtake each other (seed ${seed}): each call has one end, nobody hears anything twice, and nothing is left`, (t) => {
    const { network, alice, phones, leftovers } = twoHomes({ seed, loss: 1 / 3, jitterMs: 300, phones: 2 });
    for (const phone of phones)
      phone.manners = { ringsAfterMs: 50, answersAfterMs: 2_000 + 3_000 * phones.indexOf(phone) };
    const calls = Array.from({ length: CALLS }, (_, index) => {
      const call = alice.call(`call-${index}`);
      if (index % 4 === 3) network.loop.after(100 * index, () => alice.cancel(call));
      return call;
    });
    network.loop.run(60_000);
    // No hop repeats a 200 (RFC 3261 s13.3.1.4): where all eleven of the callee are lost, it is the caller who hangs up.
    const unanswered = calls.filter(({ heard }) => !heard.some((line) => FINAL.test(line)));
    t.true(unanswered.length <= 2, `${unanswered.length} of ${CALLS} heard no end`);
    for (const call of unanswered) alice.cancel(call);
    network.loop.run(TIMER_C_MS + OVER_MS);
    for (const { heard, callId } of calls) {
      const finals = heard.filter((line) => FINAL.test(line));
      // Of two phones, both may have answered before the CANCEL was there.
      t.true(finals.length === 1 || finals.every((line) => line.startsWith('200')), `${callId}: ${heard.join()}`);
      t.true(finals.length > 0, `${callId} has an end`);
    }
    t.true(phones.every(onlyOnce));
    const answered = calls.filter(({ heard }) => heard.some((line) => line.startsWith('200')));
    t.true(answered.length >= CALLS / 2, `${answered.length} of ${CALLS} were answered`);
    t.is(leftovers(), 0);
  });

for (const seed of SEEDS)
  test(`a third of all datagrams is lost (seed ${seed}): each message arrives once, and nearly all senders hear so, once`, (t) => {
    const { network, alice, bob, leftovers } = twoHomes({ seed, loss: 1 / 3, jitterMs: 300 });
    for (let index = 0; index < CALLS; index += 1)
      network.loop.after(20 * index, () => alice.ask('MESSAGE', 'sip:bob@home.example'));
    network.loop.run(OVER_MS);
    t.is(alice.heard.length, CALLS);
    t.is(bob.received.length, CALLS);
    t.true(onlyOnce(bob));
    // A hop may lose the answer as often as it is asked for in 32 s: then it is no answer, never a wrong one.
    const sure = alice.heard.filter((line) => line === 'MESSAGE 200').length;
    t.is(alice.heard.filter((line) => line === 'MESSAGE timeout').length, CALLS - sure);
    t.true(sure >= CALLS - 2, `${sure} of ${CALLS}`);
    t.is(leftovers(), 0);
  });

test('after 10,000 calls no table holds anything, and the heap is as large as before', (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { network, alice, bob, leftovers } = twoHomes();
  network.isLogging = false;
  bob.manners = { ringsAfterMs: 20, answersAfterMs: 100 };
  const calls = (count: number): number => {
    for (let index = 0; index < count; index += 1)
      network.loop.after(20 * index, () => {
        const call = alice.call(`call-${index}`);
        network.loop.after(400, () => alice.say('BYE', call.dialog));
      });
    network.loop.run(20 * count + OVER_MS);
    t.is(bob.received.length, 3 * count);
    t.is(alice.heard.filter((line) => line === 'BYE 200').length, count);
    for (const phone of [alice, bob]) {
      for (const list of [phone.received, phone.requests, phone.heard]) list.length = 0;
      phone.answered.clear();
    }
    t.is(leftovers(), 0);
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = calls(1_000);
  const after = calls(10_000);
  t.true(after - before < 2 * 1024 * 1024, `${Math.round((after - before) / 1024)} KiB more`);
});
