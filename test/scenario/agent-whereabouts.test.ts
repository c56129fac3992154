import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

/** What the overlay says of where a host is. */
function whereabouts(world: AgentWorld, by: SimAgent, whom: SimAgent): readonly string[] | undefined {
  let found: readonly string[] | undefined;
  by.act((engine, now) =>
    engine.whereabouts?.lookup(whom.hit, now, (locators) => (found = locators.map(({ address }) => address))),
  );
  world.until(() => found !== undefined, 20_000);
  return found;
}

test('a peer says in the overlay where it is, again when it has moved, and nothing an hour after its death; a client says nothing', (t) => {
  const world = new AgentWorld(t, 930);
  const peers = [1, 2, 3].map(() => world.member(world.publicHost()));
  const client = world.member(world.hostAtHome());
  const [mover, reader] = peers as [SimAgent, SimAgent];
  world.run(1_000);
  world.started(...peers, client);
  t.true(world.allReady([...peers, client]));
  t.deepEqual(whereabouts(world, reader, mover), ['203.0.113.2']);
  t.deepEqual(whereabouts(world, reader, client), []);
  mover.host.move(world.network.internet, '203.0.113.99');
  world.run(5_000);
  t.deepEqual(whereabouts(world, reader, mover), ['203.0.113.99']);
  world.run(4_000_000);
  t.deepEqual(whereabouts(world, reader, mover), ['203.0.113.99']);
  mover.kill();
  world.run(3_700_000);
  t.deepEqual(whereabouts(world, reader, mover), []);
});

test('a client writes down where more peers are than it is linked with: all those may die, and it finds back', (t) => {
  const world = new AgentWorld(t, 931);
  const peers = Array.from({ length: 7 }, () => world.member(world.publicHost()));
  const client = world.member(world.hostAtHome());
  world.run(1_000);
  for (const peer of peers) {
    world.started(peer);
    t.true(world.allReady([peer]));
  }
  world.started(client);
  t.true(world.allReady([client]));
  world.run(30_000);
  const known = client.engine.contacts.filter(({ peer, locators }) => peer && locators.length > 0);
  const linked = [world.founder, ...peers].filter((peer) => client.isLinkedTo(peer));
  t.log(`linked with ${linked.length}, knows where ${known.length} are`);
  t.true(linked.length <= 5 && known.length >= linked.length + 2);
  client.kill();
  for (const peer of linked) peer.kill();
  world.run(120_000);
  client.start();
  t.true(world.until(() => client.ready, 10_000));
});
