import test, { type ExecutionContext } from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

// A client none of whose links works, though it has lost none yet.

/** RTT near 0, as in one house. */
const NEAR = { latencyMs: 0.2, jitterMs: 0, loss: 0 };
const PEERS = 6;

interface Scene {
  readonly world: AgentWorld;
  readonly client: SimAgent;
  /** Those that the client is linked with. */
  readonly linked: readonly SimAgent[];
}

/** A founder and six more peers, a client behind a NAT. */
function scene(t: ExecutionContext, seed: number): Scene {
  const world = new AgentWorld(t, seed, { internet: NEAR });
  const peers = Array.from({ length: PEERS }, () => world.member(world.publicHost()));
  const client = world.member(world.hostAtHome());
  world.run(1_000);
  world.started(...peers, client);
  t.true(world.allReady([world.founder, ...peers, client], 60_000));
  world.run(10_000);
  t.is(client.role, 'client');
  return { world, client, linked: [world.founder, ...peers].filter((peer) => client.isLinkedTo(peer)) };
}

/** 24 s: shortly before the consent of its links ends (RFC 7675 s5.1), so that one answer comes at most. */
for (const downMs of [24_000, 27_000, 33_000])
  for (const seed of [911, 912])
    test(`all peers of a client restart after ${downMs / 1_000} s: it is back 3 s after they are up (seed ${seed})`, (t) => {
      const { world, client, linked } = scene(t, seed);
      for (const peer of linked) peer.kill();
      world.run(downMs);
      for (const peer of linked) peer.start();
      const since = world.now;
      t.true(world.until(() => linked.every(({ joined }) => joined), 3_000));
      const upAt = world.now;
      let lookup = client.lookupName(world.founder.user);
      while (lookup.answer?.ok !== true && world.now < since + 60_000) {
        world.run(100);
        if (lookup.answer?.ok === false) lookup = client.lookupName(world.founder.user);
      }
      t.log(`${(world.now - upAt).toFixed(0)} ms`);
      t.true(world.now - upAt <= 3_000);
    });

for (const cutMs of [20_000, 28_000])
  test(`the own network of a client is gone for ${cutMs / 1_000} s: its links go on, and there is no other handshake`, (t) => {
    const { world, client, linked } = scene(t, 920);
    const before = linked.map((peer) => client.handshakes(peer));
    world.network.internet.isCut = ({ source, destination }) =>
      [source, destination].some(({ address }) => address.startsWith('198.51.100.'));
    world.run(cutMs);
    world.network.internet.isCut = () => false;
    world.run(10_000);
    t.deepEqual(
      linked.map((peer) => client.handshakes(peer)),
      before,
    );
  });
