import test from 'ava';
import type { ConnectResult } from '../../src/overlay/attacher.ts';
import type { PingResult } from '../../src/overlay/overlay-node.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { settled } from '../sim/overlay/records.ts';

const SEED = 20261124;

function ping(world: OverlayWorld, from: SimNode, to: SimNode): PingResult {
  return settled<PingResult>(world, from, (now, done) => from.overlay.ping(to.id, now, done));
}

function connect(world: OverlayWorld, from: SimNode, to: SimNode): ConnectResult {
  return settled<ConnectResult>(world, from, (now, done) => from.overlay.connect(to.id, now, done));
}

function withClients(clients: number): { world: OverlayWorld; clients: SimNode[] } {
  const world = new OverlayWorld({ seed: SEED });
  const peers = world.grow(12);
  world.settle(30_000);
  const added = Array.from({ length: clients }, () => world.add('client'));
  for (const client of added) {
    const bootstrap = world.pick(peers);
    if (bootstrap !== undefined) world.join(client, bootstrap);
    world.loop.run(2_000);
  }
  return { world, clients: added };
}

test('clients attach to the peers that are responsible for them and reach each other', (t) => {
  t.log(`seed ${SEED}`);
  const { world, clients } = withClients(6);
  for (const client of clients) {
    t.is(client.overlay.state, 'joined');
    t.is(client.overlay.snapshot(world.now).responsiblePeer, world.responsible(client.id));
    for (const other of clients) if (other !== client) t.true(ping(world, client, other).ok);
  }
  for (const peer of world.peers) for (const client of clients) t.true(ping(world, peer, client).ok);
});

test('a client moves to a newcomer that becomes responsible for it, and stays reachable', (t) => {
  t.log(`seed ${SEED}`);
  const { world, clients } = withClients(4);
  for (let i = 0; i < 15; i++) {
    const bootstrap = world.pick(world.peers);
    if (bootstrap !== undefined) world.join(world.add(), bootstrap);
    world.loop.run(1_000);
  }
  t.true(world.settle(30_000));
  world.loop.run(5_000);
  for (const client of clients) {
    t.is(client.overlay.snapshot(world.now).responsiblePeer, world.responsible(client.id));
    const peer = world.pick(world.peers);
    if (peer !== undefined) t.true(ping(world, peer, client).ok);
  }
});

test('a client finds its next responsible peer when the one it had crashes', (t) => {
  t.log(`seed ${SEED}`);
  const { world, clients } = withClients(4);
  for (const client of clients) {
    const responsible = world.nodes.get(world.responsible(client.id) ?? '');
    if (responsible === undefined) return;
    world.crash(responsible);
    world.loop.run(20_000);
    const [rescuer] = world.peers;
    // Both of its links may have been to peers that crashed: then it says so, and its agent finds another way in.
    if (client.links.up.size === 0 && rescuer !== undefined) {
      t.is(
        client.events.some(({ type }) => type === 'isolated'),
        true,
      );
      world.join(client, rescuer);
    }
    world.loop.run(70_000);
    t.is(client.overlay.snapshot(world.now).responsiblePeer, world.responsible(client.id));
    const peer = world.pick(world.peers);
    if (peer !== undefined) t.true(ping(world, peer, client).ok);
  }
});

test('two clients that never met get a link from one request, also when both ask at once', (t) => {
  t.log(`seed ${SEED}`);
  const { world, clients } = withClients(4);
  const [a, b, c, d] = clients;
  if (a === undefined || b === undefined || c === undefined || d === undefined) return;
  t.true(connect(world, a, b).ok);
  world.loop.run(1_000);
  t.true(a.links.isUp(b.id) && b.links.isUp(a.id));
  let answers = 0;
  for (const [from, to] of [
    [c, d],
    [d, c],
  ] as const)
    world.run(from, (now) =>
      from.overlay.connect(to.id, now, (result) => {
        if (result.ok) answers += 1;
      }),
    );
  world.loop.run(5_000);
  t.is(answers, 2);
  t.true(c.links.isUp(d.id) && d.links.isUp(c.id));
});

test('a request for a node that does not exist fails after the lifetime of a request', (t) => {
  t.log(`seed ${SEED}`);
  const { world, clients } = withClients(1);
  const [client] = clients;
  if (client === undefined) return;
  const stranger = world.add('client');
  const startedAt = world.now;
  const result = connect(world, client, stranger);
  t.false(result.ok);
  t.is(!result.ok && result.error.code, 'request_timeout');
  t.is(world.now - startedAt, 15_000);
});
