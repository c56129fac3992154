import test from 'ava';
import { ByteWriter } from '../../src/base/bytes.ts';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { orchidRing } from '../../src/overlay/chord/ring.ts';
import { TURN_SERVICE } from '../../src/overlay/storage/kinds.ts';
import { turnServiceResource } from '../../src/overlay/turn-records.ts';
import { encodeTurnServer } from '../../src/reload/index.ts';
import { SYMMETRIC_NAT } from '../sim/network/nat.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

/** Nobody hands on as a hop: where no direct way leads, a TURN server is all that is left. */
const APART = { natA: SYMMETRIC_NAT, natB: SYMMETRIC_NAT, relayBytesPerSecond: 0 };
const SERVER = {
  ...{ members: true, realm: 'idloc', users: [] },
  ...{ bytesPerSecond: 4_000_000, allocations: 64, allocationsPerUser: 8, allowPrivate: false },
};

function pathOf(from: SimAgent, to: SimAgent): { type?: string; via?: string; over?: string } {
  return from.engine.links.snapshot().links.find(({ hit }) => hit === to.hit)?.path ?? {};
}

/** Counts what a host asks random places from now on. */
function lookupsOf(agent: SimAgent): { count: number } {
  const asked = { count: 0 };
  const requester = agent.engine.overlay?.requester;
  if (requester === undefined) throw new Error('it has no node');
  const request = requester.request.bind(requester);
  requester.request = (outgoing, ...rest) => {
    if (outgoing.body.type === 'find_req') asked.count += 1;
    return request(outgoing, ...rest);
  };
  return asked;
}

/** The host says that it is a TURN server there. */
function store(agent: SimAgent, address: SocketAddress): void {
  const writer = new ByteWriter();
  encodeTurnServer(writer, { iteration: 1, address });
  const value = { model: 'single' as const, exists: true, value: writer.finish() };
  const resource = turnServiceResource(orchidRing, agent.hit, 1);
  agent.act((engine, now) =>
    engine.overlay?.store({ resource, kind: TURN_SERVICE.id, value, lifetimeS: 3_600 }, now, () => {}),
  );
}

test('two clients behind symmetric NATs call each other by a TURN server that a member is, with nothing configured', (t) => {
  const world = new TwoClients(t, 1, { ...APART, turnServer: SERVER });
  world.run(10_000);
  const called = world.now;
  world.a.send(world.b.address, 'first');
  t.true(world.until(() => world.b.received(world.a).length > 0, 15_000));
  t.log(`${world.now - called} ms to the first packet`);
  t.true(world.now - called < 2_000);
  world.b.send(world.a.address, 'answer');
  t.true(world.until(() => world.a.received(world.b).length > 0, 5_000));
  t.like(pathOf(world.a, world.b), { type: 'relay', over: 'turn' });
});

test('who finds a direct way asks the overlay for no TURN server, and neither does who is handed on by a member', (t) => {
  for (const options of [{}, { natA: SYMMETRIC_NAT, natB: SYMMETRIC_NAT }]) {
    const world = new TwoClients(t, 2, { ...options, turnServer: SERVER });
    const asked = [world.a, world.b].map(lookupsOf);
    t.true(world.call());
    world.run(60_000);
    t.deepEqual(
      asked.map(({ count }) => count),
      [0, 0],
    );
    t.false(world.a.engine.links.turn.isRelayed);
  }
});

test('the relayed call outlives a move of the host that has the relayed address, and the server is left when nobody has needed it for a while', (t) => {
  const world = new TwoClients(t, 3, { ...APART, turnServer: SERVER });
  world.run(10_000);
  t.true(world.call());
  world.a.host.move(world.home(SYMMETRIC_NAT), '10.0.0.9');
  world.run(10_000);
  world.a.send(world.b.address, 'after the move');
  t.true(world.until(() => world.b.received(world.a).includes('after the move'), 20_000));
  // Used, it stays.
  world.run(3_600_000);
  t.true(world.a.engine.links.turn.isRelayed);
  t.true(world.a.isLinkedTo(world.b));
  world.b.kill();
  world.run(3_600_000);
  t.false(world.a.engine.links.turn.isRelayed);
});

test('a server that starts anew serves again, and the call goes on', (t) => {
  const world = new TwoClients(t, 7, APART);
  const server = world.member(world.publicHost(), { turnServer: SERVER, relayBytesPerSecond: 0 });
  world.started(server);
  t.true(world.allReady([server]));
  world.run(30_000);
  t.true(world.call());
  server.kill();
  world.run(2_000);
  server.start();
  world.a.send(world.b.address, 'again');
  const since = world.now;
  world.a.stream(world.b.address, 60_000);
  t.true(world.until(() => world.b.dataPlane.delivered.some(({ at }) => at > since + 1_000), 60_000));
  t.log(`${world.now - since} ms`);
  t.like(pathOf(world.a, world.b), { type: 'relay', over: 'turn' });
});

test('a server that leaves is found no more, and calls in vain look for another one with back-off', (t) => {
  const world = new TwoClients(t, 4, APART);
  const server = world.member(world.publicHost(), { turnServer: SERVER, relayBytesPerSecond: 0 });
  world.started(server);
  t.true(world.allReady([server]));
  world.run(30_000);
  t.true(world.call());
  t.like(pathOf(world.a, world.b), { type: 'relay', over: 'turn' });
  server.leave();
  world.run(60_000);
  t.false(world.a.engine.links.turn.isRelayed);
  const asked = lookupsOf(world.a);
  const before = world.b.received(world.a).length;
  for (let i = 0; i < 30; i++) {
    world.a.send(world.b.address, 'in vain');
    world.run(60_000);
  }
  t.is(world.b.received(world.a).length, before);
  t.log(`${asked.count} lookups in half an hour`);
  t.true(asked.count > 0 && asked.count <= 60, String(asked.count));
});

test('a record that names the address of somebody else brings him a few handshakes, and nothing of TURN', (t) => {
  const world = new TwoClients(t, 5, APART);
  const liar = world.member(world.publicHost(), { role: 'client' });
  world.started(liar);
  t.true(world.allReady([liar]));
  const victim = world.publicHost();
  const came: number[] = [];
  victim.bind(6084, ({ data }) => came.push(data[0] ?? 0));
  store(liar, { address: victim.addresses[0] ?? '', port: 6084 });
  world.run(2_000);
  for (let i = 0; i < 30; i++) {
    world.a.send(world.b.address, 'in vain');
    world.run(60_000);
    // The record has to be there all the time.
    if (i % 10 === 9) store(liar, { address: victim.addresses[0] ?? '', port: 6084 });
  }
  t.log(`${came.length} datagrams in half an hour`);
  t.true(came.length > 0 && came.length <= 120, String(came.length));
  // STUN begins with 0 to 3, ChannelData with 64 to 79.
  t.false(came.some((first) => first < 4 || (first >= 64 && first < 80)));
});

test('who is revoked loses its allocation with its links, and gets none any more', (t) => {
  const world = new TwoClients(t, 6, { ...APART, turnServer: SERVER });
  world.run(10_000);
  t.true(world.call());
  t.true(world.a.engine.links.turn.isRelayed);
  t.is(world.founder.dataPlane.turn.allocationCount, 1);
  world.founder.act((engine, now) => engine.membership.office.revoke([world.a.hit], now));
  world.run(5_000);
  t.is(world.founder.dataPlane.turn.allocationCount, 0);
  world.run(30_000);
  t.is(world.founder.dataPlane.turn.allocationCount, 0);
});
