import test, { type ExecutionContext } from 'ava';
import { ping, resolve } from '../../src/agent/lookup-operations.ts';
import { hitToAddress } from '../../src/base/node-id.ts';
import type { Hit } from '../../src/base/node-id.ts';
import type { LookupAnswer } from '../../src/dns/name-lookup.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

// A user with several hosts: DNS tells all of them, `idloc resolve` and `idloc ping` try them in turn.

const BOB = 'bob@home.example';
const NEVER = new AbortController().signal;

/** A founder, alice, and three hosts of bob's behind NATs, each of which came later than the one before. */
class Hosts extends AgentWorld {
  readonly alice: SimAgent;
  readonly bobs: readonly [SimAgent, SimAgent, SimAgent];

  constructor(t: ExecutionContext, seed: number) {
    super(t, seed);
    this.run(1_000);
    this.alice = this.member(this.hostAtHome(), { user: 'alice@home.example' });
    this.started(this.alice);
    const bob = (): SimAgent => {
      const agent = this.member(this.hostAtHome(), { user: BOB });
      this.started(agent);
      if (!this.allReady([agent])) throw new Error('it is not in the overlay');
      return agent;
    };
    this.bobs = [bob(), bob(), bob()];
  }

  told(asker: SimAgent): Hit[] {
    let told: LookupAnswer | undefined;
    asker.directory.lookupName('bob', (answer) => (told = answer));
    this.until(() => told !== undefined, 20_000);
    return told?.status === 'found' ? told.hosts.map(({ hit }) => hit) : [];
  }

  link(a: SimAgent, b: SimAgent): boolean {
    a.send(b.address, 'call');
    return this.until(() => a.isLinkedTo(b), 20_000);
  }
}

const hits = (agents: readonly SimAgent[]): Hit[] => agents.map(({ hit }) => hit);

test('a host that was lost and whose record is the latest does not come first: DNS is told the living one before it, within a second', (t) => {
  const world = new Hosts(t, 371);
  const { alice, bobs } = world;
  const [first, second, third] = bobs;
  third.kill();
  world.run(60_000);
  const from = world.now;
  const told = world.told(alice);
  t.log(`told after ${(world.now - from).toFixed(0)} ms`);
  t.true(world.now - from < 1_000);
  t.deepEqual(told, hits([second, third, first]));
  second.kill();
  world.run(60_000);
  t.is(world.told(alice)[0], first.hit);
});

test('DNS is told all hosts of a user with their IPv4 addresses, the linked ones first, then the latest heard of', async (t) => {
  const world = new Hosts(t, 370);
  const { alice, bobs } = world;
  const [first, second, third] = bobs;
  t.deepEqual(world.told(alice), hits([third, second, first]));
  t.true(world.link(alice, first));
  t.deepEqual(world.told(alice), hits([first, third, second]));
  // The one that answered when DNS asked is linked still. Whose link has ended was heard of later than one that it never spoke with.
  first.stop();
  t.true(world.until(() => !alice.isLinkedTo(first), 60_000));
  t.deepEqual(world.told(alice), hits([third, first, second]));
  t.true(world.link(alice, second));
  t.deepEqual(world.told(alice), hits([second, third, first]));
  const resolved = await world.settle(resolve(alice.lookups, 'bob'));
  const { hosts, ...best } = resolved;
  t.deepEqual(
    hosts.map(({ hit, ipv4, name, user, linked }) => ({ hit, ipv4, name, user, linked })),
    [second, third, first].map((agent) => ({
      hit: agent.address,
      ipv4: agent === first ? (hosts[2]?.ipv4 ?? null) : (agent.ipv4 ?? null),
      name: 'bob.home.example',
      user: BOB,
      linked: agent !== first,
    })),
  );
  t.like(best, { target: 'bob', hit: second.address, ipv4: second.ipv4, user: BOB, name: 'bob.home.example' });
  t.is(best.saidBy[0]?.signer, second.address);
  // One host asked for is one host told.
  t.is((await world.settle(resolve(alice.lookups, third.address))).hosts.length, 1);
  // Its own hosts: the one that asks is the last.
  t.is(world.told(second).at(-1), second.hit);
});

test('what nobody can be called is said to be no name, and is asked for nowhere; a name of digits alone is one', async (t) => {
  const world = new Hosts(t, 373);
  const { alice } = world;
  const sent = (): number | undefined => alice.engine.overlay?.snapshot(world.now).counters.sent;
  const none = ['999.1.1.1', 'a_b', 'dave.jones', 'bob@other.example', 'x'.repeat(200), '', '::1::', '2001:db8::1'];
  for (const target of none) {
    const before = sent();
    const asked = resolve(alice.lookups, target);
    t.is(sent(), before);
    await t.throwsAsync(asked, { code: 'bad_target', message: /: neither a name in home\.example nor an address/ });
  }
  const before = sent();
  const asked = resolve(alice.lookups, '123');
  t.true((sent() ?? 0) > (before ?? 0));
  await t.throwsAsync(world.settle(asked), {
    code: 'not_found',
    message: /no host has the name 123@home\.example/,
  });
});

test('while the overlay cannot be asked all linked hosts of a user are told', (t) => {
  const world = new Hosts(t, 371);
  const { alice, bobs, founder } = world;
  const [first, second, third] = bobs;
  t.true(world.link(alice, first) && world.link(alice, third));
  founder.kill();
  second.kill();
  world.run(60_000);
  t.deepEqual(world.told(alice).sort(), hits([first, third]).sort());
});

test('a ping goes to the next host of a user when the first is off, and says so; to a linked one at once', async (t) => {
  const world = new Hosts(t, 372);
  const { alice, bobs } = world;
  const [first, second, third] = bobs;
  third.kill();
  const since = world.now;
  const pinged = await world.settle(ping(alice.lookups, 'bob', 1, NEVER));
  t.is(pinged.hit, second.address);
  t.is(pinged.rttMs.filter((rtt) => rtt !== null).length, 1);
  t.log(`answered after ${(world.now - since).toFixed(0)} ms`);
  t.true(world.now - since <= 5_000);
  second.kill();
  first.kill();
  world.run(60_000);
  await t.throwsAsync(world.settle(ping(alice.lookups, 'bob', 1, NEVER)), {
    code: 'unreachable',
    message: /^none of the 3 hosts of bob answers: /,
  });
  first.start();
  t.true(world.allReady([first]));
  const again = await world.settle(ping(alice.lookups, 'bob.home.example', 1, NEVER));
  t.is(again.hit, first.address);
  t.is((await world.settle(ping(alice.lookups, 'bob', 1, NEVER))).setup, undefined);
  t.is((await world.settle(ping(first.lookups, 'alice', 1, NEVER))).hit, hitToAddress(alice.hit));
});

test('a user pings its own other host, never the one that it sits at', async (t) => {
  const world = new Hosts(t, 373);
  const [first, second, third] = world.bobs;
  second.leave();
  third.leave();
  world.run(20_000);
  await t.throwsAsync(world.settle(ping(first.lookups, 'bob', 1, NEVER)), { code: 'own_address' });
  const other = world.member(world.hostAtHome(), { user: BOB });
  world.started(other);
  t.true(world.allReady([other]));
  t.is((await world.settle(ping(first.lookups, 'bob', 1, NEVER))).hit, other.address);
});
