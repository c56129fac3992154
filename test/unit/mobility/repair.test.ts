import test from 'ava';
import { FORGOTTEN_VERIFY_MS, REPAIR_LIMIT_MS } from '../../../src/mobility/constants.ts';
import { Repair } from '../../../src/mobility/repair.ts';

test('a broken path behind a NAT is asked for at once, then after 1, 2, 4 and each 8 seconds', (t) => {
  const repair = new Repair('broken', 0, false);
  const asked: number[] = [];
  for (let now = 0; now <= REPAIR_LIMIT_MS; now += 500) if (repair.shouldAsk(now, true)) asked.push(now);
  t.deepEqual(asked, [0, 1_000, 3_000, 7_000, 15_000, 23_000]);
});

test('a peer that everyone reaches has a second to mend by checks', (t) => {
  const repair = new Repair('broken', 0, true);
  t.false(repair.shouldAsk(999, true));
  t.true(repair.shouldAsk(1_000, true));
});

test('while asking is of no use only the limit is waited for', (t) => {
  const repair = new Repair('broken', 0, false);
  t.is(repair.nextTimeout(), 0);
  t.false(repair.shouldAsk(0, false));
  t.is(repair.nextTimeout(), REPAIR_LIMIT_MS);
  t.true(repair.shouldAsk(5_000, true));
  t.is(repair.nextTimeout(), 6_000);
});

test('what was in the way is gone: it is asked again when the time has come, without anybody else', (t) => {
  const repair = new Repair('broken', 0, false);
  t.true(repair.shouldAsk(0, true));
  t.false(repair.shouldAsk(10, false));
  t.is(repair.nextTimeout(), REPAIR_LIMIT_MS);
  repair.unblock();
  t.is(repair.nextTimeout(), 1_000);
  t.true(repair.shouldAsk(1_000, true));
});

test('another address of ours is told at once, and retries go on from there', (t) => {
  const repair = new Repair('broken', 0, false);
  t.true(repair.shouldAsk(0, true));
  repair.askAnew(250);
  t.true(repair.shouldAsk(250, true));
  t.is(repair.nextTimeout(), 2_250);
});

test('a peer that has forgotten the association gets less time', (t) => {
  t.true(new Repair('forgotten', 0, false).limitAt < new Repair('broken', 0, false).limitAt);
});

test('a peer counts as one that has forgotten the association when it had its time to prove the contrary', (t) => {
  const repair = new Repair('forgotten', 1_000, true);
  t.false(repair.isForgotten(1_000 + FORGOTTEN_VERIFY_MS - 1));
  t.true(repair.isForgotten(1_000 + FORGOTTEN_VERIFY_MS));
  t.false(new Repair('silent', 1_000, true).isForgotten(60_000));
});

test('that a peer has forgotten the association is checked before the overlay is troubled', (t) => {
  const repair = new Repair('forgotten', 0, false);
  t.false(repair.shouldAsk(FORGOTTEN_VERIFY_MS - 1, true));
  t.is(repair.nextTimeout(), FORGOTTEN_VERIFY_MS);
  t.true(repair.shouldAsk(FORGOTTEN_VERIFY_MS, true));
});
