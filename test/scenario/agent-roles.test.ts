import test from 'ava';
import { silentLogger, type LogFields, type Logger } from '../../src/base/logger.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import type { Datagram } from '../sim/network/datagram.ts';

const MINUTE_MS = 60_000;
const HOME_ADDRESS = '10.0.0.2';

/** What a person finds in the log about roles. */
class RoleLog {
  readonly lines: LogFields[] = [];
  readonly logger: Logger = {
    ...silentLogger,
    info: (event, fields = {}) => {
      if (event === 'role changed') this.lines.push(fields);
    },
  };
}

/** @returns users whose name some agent does not find. */
function notFound(world: AgentWorld, agents: readonly SimAgent[]): string[] {
  const asked = agents.flatMap((from) => agents.map(({ user, hit }) => ({ user, hit, result: from.lookupName(user) })));
  world.run(15_000);
  return asked.flatMap(({ user, hit, result: { answer } }) =>
    answer?.ok === true && answer.value.some((host) => host.hit === hit) ? [] : [user],
  );
}

/** @returns those of `others` that a packet of `from` does not get to in a while, link or not. */
function notReached(world: AgentWorld, from: SimAgent, others: readonly SimAgent[]): string[] {
  const payload = `at ${world.now.toFixed(0)}`;
  for (const other of others) from.send(other.address, payload);
  world.run(10_000);
  return others.filter((other) => !other.received(from).includes(payload)).map(({ user }) => user);
}

/** Whether the peers' rings are one: each has all the others around it. */
function isOneRing(world: AgentWorld, agents: readonly SimAgent[]): boolean {
  const peers = agents.filter(({ role }) => role === 'peer');
  return peers.every(({ engine, hit }) => {
    const { successors } = engine.overlay?.snapshot(world.now) ?? { successors: [] };
    const others = peers.filter((peer) => peer.hit !== hit).map((peer) => peer.hit);
    return others.length <= 3
      ? [...successors].sort().join() === others.sort().join()
      : successors.every((id) => others.includes(id));
  });
}

function knowsAsPeer(agent: SimAgent, other: SimAgent): boolean | undefined {
  return agent.engine.contacts.find(({ hit }) => hit === other.hit)?.peer;
}

for (const seed of [940, 941, 942]) {
  test(`a client whose host gets a public address becomes a peer; its call loses nothing, and no name is lost (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const log = new RoleLog();
    const peers = [world.member(world.publicHost()), world.member(world.publicHost())];
    const mover = world.member(world.hostAtHome(), { logger: log.logger });
    const friend = world.member(world.hostAtHome());
    world.started(...peers, mover, friend);
    const all = [world.founder, ...peers, mover, friend];
    t.true(world.allReady(all));
    t.is(mover.role, 'client');
    mover.send(friend.address, 'call');
    t.true(world.until(() => mover.isLinkedTo(friend) && friend.isLinkedTo(mover), 10_000));
    mover.host.move(world.network.internet, '203.0.113.150');
    const moved = world.now;
    world.run(170_000);
    t.is(mover.role, 'client');
    const handshakes = [mover.handshakes(friend), friend.handshakes(mover)];
    const before = [friend.received(mover).length, mover.received(friend).length];
    mover.stream(friend.address, 2 * MINUTE_MS);
    friend.stream(mover.address, 2 * MINUTE_MS);
    t.true(world.until(() => mover.role === 'peer', 100_000));
    t.log(`a peer after ${((world.now - moved) / 1000).toFixed(0)} s`);
    t.true(world.now - moved >= 3 * MINUTE_MS);
    t.true(mover.joined);
    t.like(log.lines, [{ role: 'peer', why: 'others see this host at its own address 203.0.113.150' }]);
    world.run(3 * MINUTE_MS);
    t.deepEqual(
      [friend.received(mover).length - (before[0] ?? 0), mover.received(friend).length - (before[1] ?? 0)],
      [6_000, 6_000],
    );
    t.deepEqual([mover.handshakes(friend), friend.handshakes(mover)], handshakes);
    t.true(isOneRing(world, all));
    t.deepEqual(notFound(world, all), []);
    for (const peer of peers) t.true(knowsAsPeer(peer, mover));
  });

  test(`a peer that ends up behind a NAT becomes a client; no name is lost, and all reach it (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const log = new RoleLog();
    const peers = [world.member(world.publicHost()), world.member(world.publicHost())];
    const mover = world.member(world.publicHost(), { logger: log.logger });
    const client = world.member(world.hostAtHome());
    world.started(...peers, mover, client);
    const all = [world.founder, ...peers, mover, client];
    t.true(world.allReady(all));
    t.is(mover.role, 'peer');
    log.lines.splice(0);
    mover.host.move(world.home(), HOME_ADDRESS);
    const moved = world.now;
    t.true(world.until(() => mover.role === 'client', 10 * MINUTE_MS));
    t.log(`a client after ${((world.now - moved) / 1000).toFixed(0)} s`);
    t.true(world.now - moved >= 5 * MINUTE_MS);
    t.true(mover.joined);
    t.is(log.lines.length, 1);
    t.regex(String(log.lines[0]?.['why']), /^a NAT is in front of this host: others see it at 198\.51\.100\./);
    world.run(MINUTE_MS);
    t.true(isOneRing(world, all));
    t.deepEqual(notFound(world, all), []);
    t.deepEqual(notReached(world, world.founder, [mover]), []);
    t.deepEqual(notReached(world, client, [mover]), []);
    t.is(knowsAsPeer(world.founder, mover), false);
    const roles = world.founder.act((engine, now) => {
      const found: { roles: Map<string, string> | undefined } = { roles: undefined };
      engine.roster?.list(now, ({ entries }) => (found.roles = new Map(entries.map(({ hit, role }) => [hit, role]))));
      return found;
    });
    world.run(10_000);
    t.is(roles.roles?.get(mover.hit), 'client');
  });

  test(`four peers, three of them moved behind NATs in the same second: two stay peers, and no name is lost (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const movers = [1, 2, 3].map(() => world.member(world.publicHost()));
    world.started(...movers);
    const all = [world.founder, ...movers];
    t.true(world.allReady(all));
    for (const { host } of movers) host.move(world.home(), HOME_ADDRESS);
    t.true(world.until(() => movers.filter(({ role }) => role === 'client').length === 2, 10 * MINUTE_MS));
    world.run(10 * MINUTE_MS);
    t.deepEqual(movers.map(({ role }) => role).sort(), ['client', 'client', 'peer']);
    t.deepEqual(notFound(world, all), []);
    t.true(isOneRing(world, all));
  });

  test(`the last two peers stay peers behind NATs (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const member = world.member(world.publicHost());
    const client = world.member(world.hostAtHome());
    world.started(member, client);
    const all = [world.founder, member, client];
    t.true(world.allReady(all));
    member.host.move(world.home(), HOME_ADDRESS);
    world.run(15 * MINUTE_MS);
    t.deepEqual([world.founder.role, member.role], ['peer', 'peer']);
    t.deepEqual(notFound(world, all), []);
  });

  test(`a host that changes its network every seven minutes changes its role three times an hour at most, and no name is lost (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const log = new RoleLog();
    const peers = [world.member(world.publicHost()), world.member(world.publicHost())];
    const mover = world.member(world.publicHost(), { logger: log.logger });
    world.started(...peers, mover);
    const all = [world.founder, ...peers, mover];
    t.true(world.allReady(all));
    log.lines.splice(0);
    const home = world.home();
    for (let i = 0; i < 17; i++) {
      if (i % 2 === 0) mover.host.move(home, HOME_ADDRESS);
      else mover.host.move(world.network.internet, '203.0.113.150');
      world.run(7 * MINUTE_MS);
    }
    t.log(`${log.lines.length} changes in two hours`);
    t.true(log.lines.length >= 4 && log.lines.length <= 7);
    t.deepEqual(notFound(world, all), []);
    t.true(isOneRing(world, all));
  });

  test(`a newcomer that took itself for a client since the answers came late is a peer when they are there (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const log = new RoleLog();
    const late = world.member(world.publicHost(), { logger: log.logger });
    const until = world.now + 1_200;
    world.network.internet.isCut = ({ destination, data }: Datagram): boolean =>
      world.now < until && late.host.addresses.includes(destination.address) && (data[0] ?? 255) < 4;
    world.started(late);
    t.true(world.until(() => late.role === 'client', 1_200));
    t.true(world.until(() => late.ready && late.role === 'peer', 5_000));
    t.like(log.lines, [{ role: 'peer', why: 'others see this host at its own address' }]);
    t.true(world.until(() => isOneRing(world, [world.founder, late]), 5_000));
    t.deepEqual(notFound(world, [world.founder, late]), []);
  });
}

test('a host that lost its public address for four minutes, or has one for two, stays what it is', (t) => {
  const world = new AgentWorld(t, 943);
  const peers = [world.member(world.publicHost()), world.member(world.publicHost())];
  const mover = world.member(world.publicHost());
  const client = world.member(world.hostAtHome());
  world.started(...peers, mover, client);
  t.true(world.allReady([world.founder, ...peers, mover, client]));
  const home = world.home();
  for (let i = 0; i < 5; i++) {
    mover.host.move(home, HOME_ADDRESS);
    client.host.move(world.network.internet, '203.0.113.151');
    world.run(2 * MINUTE_MS);
    client.host.move(world.home(), HOME_ADDRESS);
    world.run(2 * MINUTE_MS);
    mover.host.move(world.network.internet, '203.0.113.150');
    world.run(2 * MINUTE_MS);
    t.deepEqual([mover.role, client.role], ['peer', 'client']);
  }
});
