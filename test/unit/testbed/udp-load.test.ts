import test from 'ava';
import { judged } from '../../../scripts/testbed/udp-load.ts';

// 100,000 datagrams of 1,250 bytes in a second are 1 Gb/s.
const judge = (sent: number, received: number) => judged({ sent, received, seconds: 1 }, 100_000, 1250);

test('a rate that was made and lost less than half a percent is kept', (t) => {
  t.deepEqual(judge(100_000, 100_000), { received: 1, kept: true, clean: true });
  t.true(judge(100_000, 99_500).kept);
});

test('more loss is neither kept nor clean', (t) => {
  const { kept, clean } = judge(100_000, 99_499);
  t.false(kept);
  t.false(clean);
});

test('a sender that made too little has not kept the rate, though nothing was lost', (t) => {
  const { kept, clean, received } = judge(94_999, 94_999);
  t.false(kept);
  t.true(clean);
  t.is(received, 0.94999);
});

test('nothing sent is not clean', (t) => {
  t.false(judge(0, 0).clean);
});
