import test from 'ava';
import { createMembership } from '../../src/agent/membership.ts';
import { SimAgent } from '../sim/agent/sim-agent.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

/** A host that made an overlay of the same name for itself: its certificates are of another authority. */
function stranger(world: AgentWorld): SimAgent {
  const { network, clock } = world;
  const identity = world.newIdentity();
  const options = { overlay: 'home.example', user: 'eve@home.example', ipv4Prefix: null };
  const membership = createMembership(world.newStore(), identity, options, { random: network.random, clock });
  return new SimAgent(
    { network, clock, host: world.publicHost(), identity, membership: { ...membership, founder: undefined } },
    { role: 'peer' },
  );
}

test('a host with a certificate of another authority gets no link, no answer and no packet in', (t) => {
  const world = new TwoClients(t, 500);
  const eve = stranger(world);
  eve.start({ start: [world.founderLocator] });
  world.run(5_000);
  eve.send(world.founder.address, 'let me in');
  eve.send(world.a.address, 'let me in');
  world.run(30_000);
  t.is(eve.engine.overlay, undefined);
  t.deepEqual(eve.engine.links.snapshot().links, []);
  t.deepEqual([world.founder.received(eve), world.a.received(eve)], [[], []]);
  t.false(world.founder.isLinkedTo(eve));
  t.is(world.founder.engine.userOf(eve.hit), null);
  t.true(world.call());
});

test('a guest that has not enrolled cannot send packets, nor ask the overlay anything', (t) => {
  const world = new TwoClients(t, 501);
  const before = world.founder.engine.overlay?.snapshot(world.now).counters.delivered;
  const joining = world.join(
    world.publicHost(),
    { ...world.ticket(null), code: new Uint8Array(16) },
    'eve@home.example',
  );
  world.run(2_000);
  t.false(joining.result?.ok);
  t.is(world.founder.engine.overlay?.snapshot(world.now).counters.delivered, before);
  t.deepEqual(world.founder.dataPlane.delivered, []);
});
