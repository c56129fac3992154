import test from 'ava';
import type { ExecutionContext } from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

/** How long a resolver waits for its first answer. */
const PATIENCE_MS = 5_000;

interface Abandoned {
  readonly world: AgentWorld;
  readonly peers: readonly SimAgent[];
  readonly clients: readonly SimAgent[];
}

/** A founder and two more public peers, and clients behind NATs whose tickets named the founder alone; it is killed for good. */
function abandoned(t: ExecutionContext, seed: number, { aloneAtFirst = false } = {}): Abandoned {
  const world = new AgentWorld(t, seed);
  const peers = [1, 2].map(() => world.member(world.publicHost()));
  const clients = [1, 2, 3, 4].map(() => world.member(world.hostAtHome()));
  world.run(1_000);
  for (const group of aloneAtFirst ? [clients, peers] : [peers, clients]) {
    world.started(...group);
    t.true(world.allReady(group));
  }
  world.run(60_000);
  world.founder.kill();
  return { world, peers, clients };
}

/** ms until the answer. */
function lookUp(world: AgentWorld, by: SimAgent, whom: SimAgent): number {
  const asked = world.now;
  for (; world.now - asked < 30_000;) {
    const told = by.lookupName(whom.user);
    world.until(() => told.answer !== undefined, 30_000);
    if (told.answer?.ok === true && told.answer.value[0]?.hit === whom.hit) return world.now - asked;
    world.run(100);
  }
  return Infinity;
}

for (const aloneAtFirst of [false, true])
  for (const seed of [900, 901, 902])
    test(`the founder is gone for good${aloneAtFirst ? ', it was the only peer when they joined' : ''}: clients find names and make new links, nobody waits for longer than a resolver does (seed ${seed})`, (t) => {
      const { world, clients } = abandoned(t, seed, { aloneAtFirst });
      for (const [i, client] of clients.entries()) {
        const other = clients[(i + 1) % clients.length] as SimAgent;
        const took = lookUp(world, client, other);
        t.true(took <= PATIENCE_MS, `a name took ${took.toFixed(0)} ms`);
        const sent = world.now;
        client.send(other.address, `hello ${i}`);
        t.true(world.until(() => other.received(client).includes(`hello ${i}`), 10_000));
        t.log(`a name took ${took.toFixed(0)} ms, a packet ${(world.now - sent).toFixed(0)} ms`);
        t.true(world.now - sent <= PATIENCE_MS);
      }
    });

test('the founder is gone and nobody has asked for anything: half a minute later everything takes as long as before', (t) => {
  const { world, clients } = abandoned(t, 902);
  world.run(30_000);
  for (const [i, client] of clients.entries()) {
    const other = clients[(i + 1) % clients.length] as SimAgent;
    const took = lookUp(world, client, other);
    t.true(took <= 500, `a name took ${took.toFixed(0)} ms`);
  }
});

for (const seed of [903, 904])
  test(`the founder is gone: clients that start anew find the peers that they were not told of by their tickets (seed ${seed})`, (t) => {
    const { world, clients } = abandoned(t, seed);
    for (const client of clients) client.kill();
    world.run(120_000);
    for (const client of clients) client.start();
    const back = world.now;
    t.true(world.until(() => clients.every(({ ready }) => ready), 10_000));
    t.log(`all are ready after ${(world.now - back).toFixed(0)} ms`);
    t.true(world.now - back <= 5_000);
    const [a, b] = clients as [SimAgent, SimAgent];
    t.true(lookUp(world, a, b) <= 1_000);
    a.send(b.address, 'again');
    t.true(world.until(() => b.received(a).includes('again'), 5_000));
  });

test('a client that joined through the founder alone is killed a few seconds later, and so is the founder: it finds the others', (t) => {
  const world = new AgentWorld(t, 905);
  const peers = [1, 2].map(() => world.member(world.publicHost()));
  const client = world.member(world.hostAtHome());
  world.run(1_000);
  world.started(...peers);
  t.true(world.allReady(peers));
  world.started(client);
  t.true(world.until(() => client.ready, 10_000));
  world.run(5_000);
  client.kill();
  world.founder.kill();
  world.run(60_000);
  client.start();
  t.true(world.until(() => client.ready, 5_000));
});

for (const seed of [906, 907, 913])
  test(`a client has links to three peers, and again when one of them has died (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const peers = [1, 2, 3, 4, 5].map(() => world.member(world.publicHost()));
    const client = world.member(world.hostAtHome());
    world.run(1_000);
    for (const peer of peers) {
      world.started(peer);
      t.true(world.allReady([peer]));
    }
    world.started(client);
    t.true(world.allReady([client]));
    const linked = (): SimAgent[] =>
      [world.founder, ...peers].filter((peer) => peer.running && client.isLinkedTo(peer) && peer.isLinkedTo(client));
    t.true(linked().length >= 3);
    for (let deaths = 0; deaths < 3; deaths++) {
      linked()[0]?.kill();
      world.run(90_000);
      t.true(linked().length >= 3);
    }
  });

for (const seed of [914, 915, 916])
  test(`the only peer is gone for good: one of the clients, all behind NATs, takes its place, and names are found again; when it is back all are found everywhere (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const clients = [1, 2, 3, 4].map(() => world.member(world.hostAtHome()));
    const [a, b, c] = clients as [SimAgent, SimAgent, SimAgent, SimAgent];
    world.run(1_000);
    world.started(...clients);
    t.true(world.allReady(clients));
    t.true(clients.every(({ role }) => role === 'client'));
    // Calls: whoever has none has nobody to turn to.
    for (const other of [b, c, clients[3] as SimAgent]) {
      a.send(other.address, 'call');
      t.true(world.until(() => other.received(a).includes('call'), 10_000));
    }
    world.founder.kill();
    const gone = world.now;
    t.true(
      world.until(() => clients.some(({ role }) => role === 'peer'), 90_000),
      'a peer',
    );
    t.log(`a peer ${((world.now - gone) / 1_000).toFixed(0)} s after the founder had gone`);
    world.run(10_000);
    for (const asking of clients)
      for (const asked of clients) t.true(lookUp(world, asking, asked) <= PATIENCE_MS, `${asking.user} ${asked.user}`);
    b.send(c.address, 'a new link');
    t.true(world.until(() => c.received(b).includes('a new link'), PATIENCE_MS));
    world.founder.start();
    t.true(world.allReady([world.founder, ...clients]));
    world.run(30_000);
    for (const asking of [world.founder, ...clients])
      for (const asked of [world.founder, ...clients])
        t.true(lookUp(world, asking, asked) <= PATIENCE_MS, `${asking.user} ${asked.user}, the founder back`);
    const newcomer = world.member(world.hostAtHome());
    world.started(newcomer);
    t.true(world.allReady([newcomer]));
    t.true(lookUp(world, newcomer, b) <= PATIENCE_MS);
    t.is(new Set([world.founder, newcomer, ...clients].map(({ ipv4 }) => ipv4)).size, 6);
  });
