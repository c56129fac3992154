import test from 'ava';
import type { LookupAnswer } from '../../src/dns/name-lookup.ts';
import type { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

interface Timed {
  readonly answer: LookupAnswer | undefined;
  readonly ms: number;
}

function timed(world: AgentWorld, ask: (done: (answer: LookupAnswer) => void) => void): Timed {
  const since = world.now;
  const told: { answer?: LookupAnswer } = {};
  ask((answer) => (told.answer = answer));
  world.until(() => told.answer !== undefined, 20_000);
  return { answer: told.answer, ms: world.now - since };
}

function isFound({ answer }: Timed, host: SimAgent): boolean {
  return answer?.status === 'found' && answer.hosts[0]?.hit === host.hit && answer.hosts[0].ipv4 === host.ipv4;
}

test('the only peer is away: names and addresses of a linked host are answered from its link, without a wait', async (t) => {
  const world = new TwoClients(t, 360);
  const { a, b, founder } = world;
  t.true(world.call());
  founder.kill();
  world.run(60_000);
  for (const [what, answered] of [
    ['name', timed(world, (done) => a.directory.lookupName('bob', done))],
    ['HIT', timed(world, (done) => a.directory.lookupHit(b.hit, done))],
    ['IPv4 address', timed(world, (done) => a.directory.lookupIpv4(b.ipv4 ?? '', done))],
  ] as const) {
    t.true(isFound(answered, b), what);
    t.true(answered.ms <= 1_000, `${what}: ${answered.ms.toFixed(0)} ms`);
  }
  for (const target of ['bob', 'bob.home.example', 'bob@home.example', b.address, b.ipv4 ?? ''])
    t.deepEqual(
      (await a.directory.find(target)).map(({ hit }) => hit),
      [b.hit],
    );
});

test('an agent that was started anew and has not joined knows the host that called it back', async (t) => {
  const world = new TwoClients(t, 361);
  const { a, b, founder } = world;
  t.true(world.call());
  founder.kill();
  b.stream(a.address, 10_000);
  world.run(1_000);
  a.kill();
  world.run(300);
  a.start();
  t.true(world.until(() => a.isLinkedTo(b), 10_000));
  t.false(a.joined);
  t.is((await a.directory.find('bob'))[0]?.hit, b.hit);
  t.is((await a.directory.resolve('bob'))[0]?.hit, b.hit);
  const name = timed(world, (done) => a.directory.lookupName('bob', done));
  t.true(name.answer?.status === 'found' && name.ms === 0);
});

test('the overlay can be asked: what it says of a linked host comes from it', (t) => {
  const world = new TwoClients(t, 362);
  const { a, b } = world;
  t.true(world.call());
  const answered = timed(world, (done) => a.directory.lookupName('bob', done));
  t.true(isFound(answered, b));
  t.true(answered.ms > 0 && answered.ms < 1_000);
});

test('the only peer is gone: members that knew each other are linked without it, however much later the second one is on', (t) => {
  const world = new TwoClients(t, 364);
  const { a, founder } = world;
  const carol = world.member(world.publicHost(), { user: 'carol@home.example', role: 'client' });
  world.started(carol);
  t.true(world.allReady([carol]));
  a.send(carol.address, 'call');
  t.true(world.until(() => a.isLinkedTo(carol), 10_000));
  world.run(10_000);
  for (const agent of [founder, carol, a]) agent.kill();
  a.start();
  world.run(600_000);
  t.false(a.isLinkedTo(carol));
  carol.start();
  t.true(world.until(() => a.isLinkedTo(carol) && carol.isLinkedTo(a), 20_000));
  t.false(a.joined || carol.joined);
  a.send(carol.address, 'are you there');
  carol.send(a.address, 'yes');
  world.run(1_000);
  t.deepEqual([carol.received(a), a.received(carol)], [['are you there'], ['yes']]);
});

test('nobody of the known addresses answers: the status can say so', (t) => {
  const world = new TwoClients(t, 363);
  const { a, b, founder } = world;
  founder.kill();
  b.kill();
  a.kill();
  world.run(1_000);
  a.start();
  world.run(5_000);
  t.is(a.engine.why, 'nobody answers at the only known address');
  founder.start();
  t.true(world.until(() => a.joined, 5_000));
  t.is(a.engine.why, undefined);
});
