import test from 'ava';
import type { IceAgent } from '../../../src/ice/ice-agent.ts';
import { type Meeting, RelayMeetings } from '../../../src/link/relay-meetings.ts';
import { simHit } from '../../sim/network/sim-node.ts';

const agents = (count: number): IceAgent[] => Array.from({ length: count }, () => Object.create(null) as IceAgent);

function meeting(...relays: readonly number[]): Meeting {
  return {
    relays: relays.map((n) => ({ hit: simHit(n), address: undefined })),
    theirs: relays.length,
    at: undefined,
    tried: true,
  };
}

test('of a thousand meetings those with one relay are told without a look at the others', (t) => {
  const all = agents(1_000);
  const meetings = new RelayMeetings(() => false);
  for (const [i, agent] of all.entries()) meetings.set(agent, meeting(i % 100, 1_000));
  t.deepEqual(
    [...meetings.withRelay(simHit(7))],
    all.filter((_, i) => i % 100 === 7),
  );
  t.is([...meetings.withRelay(simHit(1_000))].length, 1_000);
  t.deepEqual([...meetings.withRelay(simHit(2_000))], []);
});

test('another meeting of an agent takes the place of the one before, also at relays that are in it no more', (t) => {
  const [agent] = agents(1);
  if (agent === undefined) throw new Error('no agent');
  const meetings = new RelayMeetings(() => false);
  meetings.set(agent, meeting(1, 2));
  meetings.set(agent, meeting(2, 3));
  t.deepEqual([...meetings.withRelay(simHit(1))], []);
  t.deepEqual([...meetings.withRelay(simHit(3))], [agent]);
  t.is(meetings.of(agent)?.relays.length, 2);
});

test("meetings of agents that are nobody's any more are forgotten as others come", (t) => {
  const over = new Set<IceAgent>();
  const meetings = new RelayMeetings((agent) => over.has(agent));
  for (const agent of agents(10_000)) {
    meetings.set(agent, meeting(1));
    over.add(agent);
  }
  t.true(meetings.size <= 200, `${meetings.size}`);
  t.true([...meetings.withRelay(simHit(1))].length <= 200);
});
