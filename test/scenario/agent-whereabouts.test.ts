import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import { HOME_NAT } from '../sim/network/nat.ts';

/** What the overlay says of where a host is. */
function whereabouts(world: AgentWorld, by: SimAgent, whom: SimAgent): readonly string[] | undefined {
  let found: readonly string[] | undefined;
  by.act((engine, now) =>
    engine.finder.whereabouts?.lookup(whom.hit, now, (locators) => (found = locators.map(({ address }) => address))),
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

function moveTo(world: AgentWorld, agent: SimAgent, address: string): void {
  agent.host.move(world.network.internet, address);
}

const OPEN_NAT = { ...HOME_NAT, filtering: 'endpoint-independent' } as const;

for (const [seed, kind] of [
  [940, 'public'],
  [941, 'public'],
  [942, 'behind an open NAT'],
  [943, 'behind an open NAT'],
] as const)
  test(`the only peer moves while its only client (${kind}) is off for a day: it calls, and they are in contact without a ticket (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const host = kind === 'public' ? world.publicHost() : world.hostAtHome(OPEN_NAT);
    const client = world.member(host, { role: 'client' });
    world.run(1_000);
    world.started(client);
    t.true(world.allReady([client]));
    world.run(60_000);
    client.kill();
    moveTo(world, world.founder, '203.0.113.200');
    world.run(86_400_000);
    client.start();
    const back = world.now;
    t.true(world.until(() => client.ready && client.isLinkedTo(world.founder), 660_000));
    t.log(`back after ${(world.now - back).toFixed(0)} ms`);
    // It writes down where the peer is now.
    world.run(2_000);
    client.kill();
    world.run(60_000);
    client.start();
    t.true(world.until(() => client.ready, 10_000));
  });

for (const [seed, idleMs] of [
  [945, 0],
  [946, 600_000],
  [947, 7_200_000],
] as const)
  test(`the only peer moves hard, ${idleMs / 1000} s after the last word, linked with a public client and one behind an open NAT: both find back (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const clients = [
      world.member(world.publicHost(), { role: 'client' }),
      world.member(world.hostAtHome(OPEN_NAT), { role: 'client' }),
    ];
    world.run(1_000);
    world.started(...clients);
    t.true(world.allReady(clients));
    world.run(idleMs);
    moveTo(world, world.founder, '203.0.113.200');
    const moved = world.now;
    world.run(1_000);
    for (const client of clients) {
      let sent = 0;
      t.true(
        world.until(() => {
          if (world.now >= moved + 1_000 + sent * 500) client.send(world.founder.address, `word ${++sent}`);
          return world.founder.received(client).length > 0;
        }, 60_000),
      );
    }
    t.log(`heard of after ${(world.now - moved).toFixed(0)} ms`);
    world.run(20_000);
    for (const client of clients) t.deepEqual(whereabouts(world, client, world.founder), ['203.0.113.200']);
  });

for (const seed of [950, 951, 952])
  test(`a member that was off while a peer moved reads at a third one where that is: the third may die, and it finds back (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const { founder } = world;
    const mover = world.member(world.publicHost());
    const member = world.member(world.hostAtHome());
    world.run(1_000);
    world.started(mover);
    t.true(world.allReady([mover]));
    world.started(member);
    t.true(world.allReady([member]));
    world.run(30_000);
    member.kill();
    world.run(60_000);
    moveTo(world, mover, '203.0.113.222');
    world.run(60_000);
    member.start();
    t.true(world.allReady([member]));
    world.run(30_000);
    const known = member.engine.contacts.find(({ hit }) => hit === mover.hit)?.locators[0]?.address;
    t.is(known, '203.0.113.222');
    member.kill();
    founder.kill();
    world.run(120_000);
    member.start();
    t.true(world.until(() => member.ready && member.isLinkedTo(mover), 15_000));
  });

test('who becomes no member of the overlay any more takes its record away', (t) => {
  const world = new AgentWorld(t, 955);
  const [leaver, reader] = [1, 2].map(() => world.member(world.publicHost())) as [SimAgent, SimAgent];
  world.run(1_000);
  world.started(leaver, reader);
  t.true(world.allReady([leaver, reader]));
  t.deepEqual(whereabouts(world, reader, leaver), ['203.0.113.2']);
  leaver.leave();
  world.run(20_000);
  t.false(leaver.running);
  t.deepEqual(whereabouts(world, reader, leaver), []);
});
