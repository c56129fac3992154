import test from 'ava';
import type { Candidate } from '../../../src/base/candidate.ts';
import type { CandidatePair } from '../../../src/ice/candidate-pair.ts';
import { makePair } from '../../../src/ice/candidate-pair.ts';
import { Checklist } from '../../../src/ice/checklist.ts';
import { MAX_PAIRS } from '../../../src/ice/constants.ts';

const LOCAL = candidate('192.0.2.1', 1, 1000);

function candidate(address: string, port: number, priority: number, foundation = `${address}${port}`): Candidate {
  return { type: 'host', address: { address, port }, priority, foundation };
}

function pair(port: number, priority: number, foundation?: string): CandidatePair {
  return makePair('controlling', LOCAL, candidate('203.0.113.1', port, priority, foundation));
}

test('pairs are checked by priority; of one foundation the rest waits until the first has succeeded', (t) => {
  const list = new Checklist();
  const [best, same, other] = [pair(1, 300, 'f'), pair(2, 200, 'f'), pair(3, 100, 'g')];
  list.add([other, same, best]);
  t.deepEqual(
    list.pairs.map(({ state }) => state),
    ['waiting', 'frozen', 'waiting'],
  );
  t.is(list.next(), best);
  t.is(list.next(), other);
  t.false(list.hasNext);
  t.is(list.next(), undefined);
  list.succeeded(best);
  t.is(same.state, 'waiting');
  t.is(list.next(), same);
});

test('a frozen pair is checked when the first of its foundation has failed', (t) => {
  const list = new Checklist();
  const [best, same] = [pair(1, 300, 'f'), pair(2, 200, 'f')];
  list.add([best, same]);
  t.is(list.next(), best);
  best.state = 'failed';
  t.is(list.next(), same);
});

test('triggered checks go first, in their order, each once', (t) => {
  const list = new Checklist();
  const [best, low, lower] = [pair(1, 300), pair(2, 200), pair(3, 100)];
  list.add([best, low, lower]);
  list.trigger(lower);
  list.trigger(low);
  list.trigger(lower);
  t.deepEqual([list.next(), list.next(), list.next()], [low, lower, best]);
});

test('a paused list serves triggered checks only', (t) => {
  const list = new Checklist();
  const [best, low] = [pair(1, 300), pair(2, 200)];
  list.add([best, low]);
  list.pause();
  t.is(list.next(), undefined);
  list.trigger(low);
  t.is(list.next(), low);
  list.resume();
  t.is(list.next(), best);
});

test('a full list takes a better pair for its worst idle one, and no worse pair', (t) => {
  const list = new Checklist();
  list.add(Array.from({ length: MAX_PAIRS + 5 }, (_, i) => pair(i + 1, 500 + i)));
  t.is(list.pairs.length, MAX_PAIRS);
  t.deepEqual(list.add([pair(1000, 100)]), []);
  const worst = list.pairs.at(-1);
  t.is(list.add([pair(1001, 2000)]).length, 1);
  t.is(list.pairs.length, MAX_PAIRS);
  t.false(list.pairs.some((other) => other === worst));
});

test('in a full list a way by a relay takes the place of a peer-reflexive one, and keeps its own', (t) => {
  const list = new Checklist();
  const learned = (port: number): CandidatePair =>
    makePair('controlling', LOCAL, { ...candidate('203.0.113.1', port, 500), type: 'prflx' });
  list.add(Array.from({ length: MAX_PAIRS }, (_, i) => learned(i + 1)));
  const [base, hit] = ['2001:20::3', '2001:20::2'].map((address) => ({
    ...candidate(address, address.endsWith('2') ? 0 : 1, 1),
    type: 'relay' as const,
  }));
  if (base === undefined || hit === undefined) throw new Error('both are there');
  const relayed = makePair('controlling', base, hit);
  t.deepEqual(list.add([relayed]), [relayed]);
  t.is(list.pairs.length, MAX_PAIRS);
  list.add(Array.from({ length: MAX_PAIRS }, (_, i) => learned(1000 + i)));
  t.true(list.pairs.includes(relayed));
});
