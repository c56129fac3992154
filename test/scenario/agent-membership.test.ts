import test, { type ExecutionContext } from 'ava';
import { fromHex } from '../../src/base/bytes.ts';
import { parseIpv4Prefix } from '../../src/base/ipv4-prefix.ts';
import type { Hit, ResourceId } from '../../src/base/node-id.ts';
import type { HostIdentity } from '../../src/identity/host-identity.ts';
import { decodeTicket } from '../../src/identity/ticket.ts';
import { GATHER_MS } from '../../src/membership/constants.ts';
import { orchidRing } from '../../src/overlay/chord/ring.ts';
import { ipv4Choice } from '../../src/overlay/ipv4-choice.ts';
import { toNode } from '../../src/overlay/requester.ts';
import { IDLOC_HOST, IDLOC_IPV4, IDLOC_MEMBER, IDLOC_NAME, type Kind } from '../../src/overlay/storage/kinds.ts';
import { memberShardName, memberShardOf } from '../../src/overlay/storage/member-value.ts';
import { ipv4ResourceName } from '../../src/overlay/storage/values.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import { TwoClients } from '../sim/agent/two-clients.ts';

const TWO_MINUTES_MS = 120_000;
const TEN_MINUTES_MS = 600_000;
const OVERLAY = 'home.example';
const DAY_MS = 86_400_000;
/** So few addresses that a host is soon made whose first choice is a given one. */
const SMALL_PREFIX = '198.18.0.0/26';

/**
 * A founder that may vanish: a second inviter and another peer with public addresses, two clients behind NATs.
 */
class Company extends AgentWorld {
  readonly second: SimAgent;
  readonly third: SimAgent;
  readonly alice: SimAgent;
  readonly bob: SimAgent;

  constructor(t: ExecutionContext, seed: number, lifetimeMs = TWO_MINUTES_MS, ipv4Prefix?: string) {
    super(t, seed, { lifetimeMs, ...(ipv4Prefix !== undefined && { ipv4Prefix }) });
    this.run(1_000);
    this.second = this.member(this.publicHost(), { user: `second@${OVERLAY}`, role: 'peer', lifetimeMs });
    this.third = this.member(this.publicHost(), { user: `third@${OVERLAY}`, role: 'peer' });
    this.started(this.second, this.third);
    if (!this.allReady([this.second, this.third])) throw new Error('the peers are not in the overlay');
    this.alice = this.member(this.hostAtHome(), { user: `alice@${OVERLAY}` });
    this.bob = this.member(this.hostAtHome(), { user: `bob@${OVERLAY}` });
    // As configurations and tickets say it: more than one way in, or who knew the founder alone would be gone with it.
    const start = [this.founderLocator, this.locatorOf(this.second), this.locatorOf(this.third)];
    for (const client of [this.alice, this.bob]) client.start({ start });
    if (!this.allReady(this.all)) throw new Error('they are not in the overlay');
    this.grant(this.second);
  }

  get all(): SimAgent[] {
    return [this.founder, this.second, this.third, this.alice, this.bob];
  }

  locatorOf(agent: SimAgent): { address: string; port: number } {
    return { address: agent.host.addresses[0] ?? '', port: 6084 };
  }

  /** As `idloc resolve` says. */
  find(asker: SimAgent, user: string): Hit | undefined {
    const { answer } = this.lookup(asker, user);
    return answer?.ok === true ? answer.value[0]?.hit : undefined;
  }

  revoke(inviter: SimAgent, hit: Hit): void {
    inviter.act(({ membership }, now) => membership.office.revoke([hit], now));
  }

  /** A host that asks for this address first. */
  heirOf(address: string): HostIdentity {
    for (;;) {
      const identity = this.newIdentity();
      if (ipv4Choice(parseIpv4Prefix(SMALL_PREFIX), identity.hit, 0) === address) return identity;
    }
  }

  /** How many values a peer itself holds in a place. */
  heldBy(peer: SimAgent, resource: ResourceId, kind: Kind, key?: Hit): number {
    const specifier =
      kind.dataModel === 'dictionary'
        ? { model: 'dictionary' as const, keys: key === undefined ? [] : [fromHex(key)] }
        : { model: 'single' as const };
    const body = { type: 'fetch_req' as const, resource, specifiers: [{ kind: kind.id, generation: 0n, specifier }] };
    let count: number | undefined;
    const asker = peer === this.founder ? this.second : this.founder;
    asker.act(({ overlay }, now) =>
      overlay?.requester.request({ destination: [toNode(peer.hit)], body }, now, (result) => {
        if (!result.ok || result.body.type !== 'fetch_ans') return;
        count = result.body.kindResponses[0]?.values.filter(({ value }) => value.exists).length;
      }),
    );
    this.until(() => count !== undefined, 20_000);
    if (count === undefined) throw new Error('it does not answer');
    return count;
  }

  private lookup(asker: SimAgent, user: string): ReturnType<SimAgent['lookupName']> {
    const asked = asker.lookupName(user);
    this.run(5_000);
    return asked;
  }
}

const left = (world: AgentWorld, agent: SimAgent): number => agent.engine.membership.expires - world.clock.wall();

test('certificates of two minutes over ten minutes of a call: not one packet is lost, no link is made anew', (t) => {
  const world = new TwoClients(t, 700, { lifetimeMs: TWO_MINUTES_MS });
  t.true(world.call());
  const { a, b } = world;
  const before = { links: [a.linkId(b), b.linkId(a)], received: [a.received(b).length, b.received(a).length] };
  const serials = new Set<number>();
  a.stream(b.address, TEN_MINUTES_MS);
  b.stream(a.address, TEN_MINUTES_MS);
  for (let at = 0; at < TEN_MINUTES_MS; at += 5_000) {
    world.run(5_000);
    serials.add(a.engine.membership.expires);
    t.true(left(world, a) > 0 && left(world, b) > 0);
  }
  world.run(1_000);
  t.log(`${serials.size} certificates`);
  t.true(serials.size >= 6);
  t.deepEqual([a.linkId(b), b.linkId(a)], before.links);
  t.is(a.handshakes(b), 1);
  t.is(a.received(b).length - (before.received[0] ?? 0), TEN_MINUTES_MS / 20);
  t.is(b.received(a).length - (before.received[1] ?? 0), TEN_MINUTES_MS / 20);
  const asked = a.lookupName('bob@home.example');
  world.run(2_000);
  t.is(asked.answer?.ok === true ? asked.answer.value[0]?.hit : undefined, b.hit);
});

test('the founder is dead for good: newcomers come in, certificates are renewed, revocations and names go on', (t) => {
  const world = new Company(t, 701);
  const { founder, second, third, alice, bob } = world;
  founder.kill();
  world.run(TEN_MINUTES_MS);
  for (const agent of [second, third, alice, bob]) t.true(left(world, agent) > 0);
  // One ticket is used at the inviter itself, the other at a peer that may not invite.
  const tickets = [second, third].map((peer) => world.ticket(null, [world.locatorOf(peer)], second));
  const joins = tickets.map((ticket, i) => world.join(world.hostAtHome(), ticket, `new${i}@${OVERLAY}`));
  t.true(world.until(() => joins.every(({ agent }) => agent?.ready === true), 30_000));
  t.deepEqual(
    joins.map(({ agent }) => agent?.user),
    [`new0@${OVERLAY}`, `new1@${OVERLAY}`],
  );
  world.run(5_000);
  t.is(world.find(alice, `new1@${OVERLAY}`), joins[1]?.agent?.hit);
  t.is(world.find(bob, `alice@${OVERLAY}`), alice.hit);
  // A name that another inviter gave away is nobody else's.
  const thief = world.join(world.hostAtHome(), world.ticket(null, [world.locatorOf(third)], second), `bob@${OVERLAY}`);
  t.true(world.until(() => thief.result !== undefined, 30_000));
  t.false(thief.result?.ok);
  world.revoke(second, bob.hit);
  world.run(5_000);
  t.deepEqual(
    [second, third, alice].map((agent) => agent.isLinkedTo(bob)),
    [false, false, false],
  );
});

test('a revoked member is out everywhere within five seconds, also where somebody was away, and stays out', (t) => {
  const world = new Company(t, 702, 86_400_000);
  const { founder, second, third, alice, bob } = world;
  alice.send(bob.address, 'call');
  t.true(world.until(() => alice.isLinkedTo(bob), 10_000));
  world.run(6_000);
  third.kill();
  world.run(2_000);
  world.revoke(second, bob.hit);
  world.run(5_000);
  for (const agent of [founder, second, alice]) t.false(agent.isLinkedTo(bob));
  t.true(bob.events.some(({ type }) => type === 'revoked'));
  t.is(bob.engine.membership.state, 'revoked');
  const heard = alice.received(bob).length;
  bob.send(alice.address, 'still there');
  world.run(5_000);
  t.is(alice.received(bob).length, heard);
  // Somebody was away: it is told at its first link.
  third.start();
  t.true(world.until(() => third.ready, 30_000));
  world.run(5_000);
  t.true(third.engine.membership.revoked.has(bob.hit));
  // The revoked host starts anew with what it has on its disk: nobody lets it in.
  bob.kill();
  bob.start({ start: [world.founderLocator, world.locatorOf(third)] });
  world.run(60_000);
  for (const agent of [founder, second, third, alice]) t.false(agent.isLinkedTo(bob));
  t.false(bob.ready);
  t.is(bob.engine.membership.state, 'revoked');
});

test('a host that was off while it was revoked, by an inviter, is told by whoever it links with, and links with nobody more', (t) => {
  const world = new Company(t, 712, 86_400_000);
  const { founder, second, third, alice, bob } = world;
  bob.kill();
  world.run(2_000);
  world.revoke(second, bob.hit);
  world.run(5_000);
  second.kill();
  bob.start({ start: [world.locatorOf(third)] });
  t.true(world.until(() => bob.engine.membership.state === 'revoked', 10_000));
  t.true(bob.events.some(({ type }) => type === 'revoked'));
  world.run(60_000);
  for (const agent of [founder, third, alice]) t.false(agent.isLinkedTo(bob));
  t.is(alice.engine.membership.state, 'member');
});

test('a certificate ended while its host was off: it gets a new one as a guest, with the same user and address', (t) => {
  const world = new Company(t, 703);
  const { founder, third, alice } = world;
  const { ipv4 } = alice;
  alice.kill();
  world.run(TEN_MINUTES_MS);
  t.true(alice.membership.certificates.length > 0);
  founder.kill();
  world.run(5_000);
  // Whoever it finds first is no inviter.
  alice.start({ start: [world.locatorOf(third)] });
  t.true(world.until(() => alice.ready, 60_000));
  t.log(`ready again after ${(world.now % TEN_MINUTES_MS).toFixed(0)} ms`);
  t.is(alice.user, `alice@${OVERLAY}`);
  t.is(alice.ipv4, ipv4);
  t.true(left(world, alice) > 0);
  alice.send(world.second.address, 'here again');
  t.true(world.until(() => world.second.received(alice).includes('here again'), 20_000));
});

for (const inviters of [1, 2])
  test(`everybody is off for 400 days, ${inviters} of them may invite: all are back with new certificates, and a newcomer comes in`, (t) => {
    const world = new AgentWorld(t, 711);
    const members = [world.member(world.publicHost()), world.member(world.hostAtHome())];
    world.started(...members);
    const all = [world.founder, ...members];
    t.true(world.allReady(all));
    if (inviters === 2) world.grant(members[0] as SimAgent);
    world.run(20_000);
    const before = all.map(({ ipv4, user }) => [ipv4, user]);
    for (const agent of all) agent.kill();
    world.run(400 * DAY_MS);
    for (const agent of all) agent.start();
    t.true(world.until(() => all.every(({ ready }) => ready), 300_000));
    t.true(all.every((agent) => left(world, agent) > 300 * DAY_MS));
    t.deepEqual(
      all.map(({ ipv4, user }) => [ipv4, user]),
      before,
    );
    const joining = world.join(world.hostAtHome(), world.ticket(null), `new@${OVERLAY}`);
    t.true(world.until(() => joining.agent?.ready === true, 30_000));
  });

test('hosts that are on for ten minutes every ten days are members after two years', (t) => {
  const world = new AgentWorld(t, 712);
  const member = world.member(world.publicHost());
  world.started(member);
  const all = [world.founder, member];
  t.true(world.allReady(all));
  for (let day = 0; day < 730; day += 10) {
    for (const agent of all) agent.kill();
    world.run(10 * DAY_MS - TEN_MINUTES_MS);
    for (const agent of all) agent.start();
    world.run(TEN_MINUTES_MS);
    t.true(
      all.every((agent) => agent.ready && left(world, agent) > 0),
      `day ${day + 10}`,
    );
  }
});

for (const means of ['a ticket in place of its hosts', 'a revocation, and a ticket for its user'] as const)
  test(`a lost key is replaced by ${means}: the user keeps its name, the old key is revoked everywhere`, (t) => {
    const world = new Company(t, 704, 86_400_000);
    const { founder, second, third, alice, bob } = world;
    const replaces = means === 'a ticket in place of its hosts';
    bob.kill();
    if (!replaces) world.revoke(second, bob.hit);
    world.run(1_000);
    const { ticket } = world.invite(second, { user: `bob@${OVERLAY}`, addresses: [world.founderLocator], replaces });
    t.is(founder.engine.membership.revoked.has(bob.hit), !replaces);
    const joining = world.join(world.hostAtHome(), decodeTicket(ticket, 0), null);
    t.true(world.until(() => joining.agent?.ready === true, 30_000));
    world.run(5_000);
    t.is(joining.agent?.user, `bob@${OVERLAY}`);
    t.is(world.find(founder, `bob@${OVERLAY}`), joining.agent?.hit);
    for (const { engine } of [founder, second, third, alice]) t.true(engine.membership.revoked.has(bob.hit));
    bob.start({ start: [world.founderLocator] });
    world.run(30_000);
    t.false(bob.ready);
    t.is(bob.engine.membership.state, 'revoked');
    t.is(world.find(founder, `bob@${OVERLAY}`), joining.agent?.hit);
  });

test('a member gets another name while it runs: found under it, and the old one is free', (t) => {
  const world = new Company(t, 705, 86_400_000);
  const { second, third, alice } = world;
  let renamed: boolean | undefined;
  const host = { hit: alice.hit, spki: alice.identity.spki };
  second.act(({ membership }, now) =>
    membership.office.rename(host, `anna@${OVERLAY}`, now, (result) => (renamed = result)),
  );
  world.run(10_000);
  t.true(renamed);
  t.is(alice.user, `anna@${OVERLAY}`);
  t.is(world.find(third, `anna@${OVERLAY}`), alice.hit);
  t.is(world.find(third, `alice@${OVERLAY}`), undefined);
  alice.kill();
  alice.start();
  t.true(world.until(() => alice.ready, 30_000));
  t.is(alice.user, `anna@${OVERLAY}`);
});

test('a host that leaves gives back name and address: the next one that wants them has them at once', (t) => {
  const world = new Company(t, 707, DAY_MS, SMALL_PREFIX);
  const { founder, second, third, alice, bob } = world;
  const address = bob.ipv4 ?? '';
  alice.send(address, 'to bob');
  t.true(world.until(() => bob.received(alice).includes('to bob'), 20_000));
  world.run(30_000);
  bob.leave();
  const leftAt = world.now;
  t.true(world.until(() => !bob.running, 5_000));
  t.log(`left within ${(world.now - leftAt).toFixed(0)} ms`);
  for (const [resource, kind] of [
    [orchidRing.resourceIdOf(ipv4ResourceName(address)), IDLOC_IPV4],
    [orchidRing.resourceIdOf(fromHex(bob.hit)), IDLOC_HOST],
    [orchidRing.resourceIdOf(`bob@${OVERLAY}`), IDLOC_NAME],
    [orchidRing.resourceIdOf(memberShardName(memberShardOf(bob.hit))), IDLOC_MEMBER],
  ] as const)
    t.true([founder, second, third].every((peer) => world.heldBy(peer, resource, kind, bob.hit) === 0));
  // The ticket of another inviter than bob's, for whoever comes.
  const ticket = world.ticket(null, [world.locatorOf(third)], second);
  const identity = world.heirOf(address);
  const joining = world.join(world.publicHost(), ticket, `bob@${OVERLAY}`, { role: 'client', identity });
  t.true(world.until(() => joining.agent?.ready === true, 20_000));
  t.is(joining.agent?.ipv4, address);
  world.run(5_000);
  t.is(world.find(alice, `bob@${OVERLAY}`), joining.agent?.hit);
  // The first packet may still be for bob, whom alice knew: it finds out that he is gone.
  alice.send(address, 'to bob');
  world.run(12_000);
  alice.send(address, 'to whom it belongs now');
  t.true(world.until(() => joining.agent?.received(alice).includes('to whom it belongs now') === true, 20_000));
});

test('an inviter that was off when a host left gives the name to whoever wants it; without a leave it does not', (t) => {
  const world = new Company(t, 709, DAY_MS);
  const { founder, second, third, alice, bob } = world;
  bob.send(second.address, 'known to it');
  t.true(world.until(() => second.received(bob).includes('known to it'), 20_000));
  // Until what it has seen of bob is written.
  world.run(GATHER_MS);
  second.kill();
  // Until the others know that it is gone.
  world.run(120_000);
  bob.leave();
  t.true(world.until(() => !bob.running, 5_000));
  second.start({ start: [world.founderLocator, world.locatorOf(third)] });
  t.true(world.until(() => second.ready, 30_000));
  world.run(5_000);
  t.deepEqual(second.register.hostsOf(`bob@${OVERLAY}`), [bob.hit]);
  const wish = (user: string): ReturnType<AgentWorld['join']> =>
    world.join(world.hostAtHome(), world.ticket(null, [world.locatorOf(second)], second), user);
  const [granted, refused] = [wish(`bob@${OVERLAY}`), wish(`alice@${OVERLAY}`)];

  t.true(world.until(() => granted.agent?.ready === true && refused.result !== undefined, 30_000));
  t.false(refused.result?.ok);
  world.run(5_000);
  t.is(world.find(founder, `bob@${OVERLAY}`), granted.agent?.hit);
  t.is(world.find(founder, `alice@${OVERLAY}`), alice.hit);
});

test('only the last host that may invite orphans the overlay when it leaves', (t) => {
  const world = new AgentWorld(t, 708);
  t.true(world.allReady([world.founder]));
  const second = world.member(world.publicHost(), { role: 'peer' });
  world.started(second);
  t.true(world.allReady([second]));
  t.true(world.founder.engine.membership.office.isOnlyInviter);
  world.grant(second);
  t.false(world.founder.engine.membership.office.isOnlyInviter);
  t.false(second.engine.membership.office.isOnlyInviter);
});

test('what a revoked host held is free at once, and copies of a peer that was away do not bring it back', (t) => {
  const world = new Company(t, 706, DAY_MS, SMALL_PREFIX);
  const { founder, second, third, alice, bob } = world;
  const address = bob.ipv4 ?? '';
  alice.send(address, 'to bob');
  t.true(world.until(() => bob.received(alice).includes('to bob'), 20_000));
  world.run(30_000);
  const places: readonly [ResourceId, Kind][] = [
    [orchidRing.resourceIdOf(ipv4ResourceName(address)), IDLOC_IPV4],
    [orchidRing.resourceIdOf(fromHex(bob.hit)), IDLOC_HOST],
    [orchidRing.resourceIdOf(`bob@${OVERLAY}`), IDLOC_NAME],
  ];
  const peers = [founder, second, third];
  const held = (): number[][] =>
    places.map(([resource, kind]) => peers.map((peer) => world.heldBy(peer, resource, kind)));
  t.deepEqual(held(), [
    [1, 1, 1],
    [1, 1, 1],
    [1, 1, 1],
  ]);
  const away = third.host.addresses[0];
  world.network.internet.isCut = ({ source, destination }) =>
    (source.address === away) !== (destination.address === away);
  world.run(60_000);

  world.revoke(second, bob.hit);
  world.run(1_000);
  const heir = world.member(world.publicHost(), {
    user: `bob@${OVERLAY}`,
    role: 'client',
    identity: world.heirOf(address),
  });
  world.started(heir);
  const revokedAt = world.now;
  t.true(world.until(() => heir.ready, 10_000));
  t.log(`${address} has another host ${((world.now - revokedAt) / 1_000).toFixed(1)} s later`);
  t.is(heir.ipv4, address);
  world.run(2_000);
  alice.send(address, 'to whom it belongs now');
  t.true(world.until(() => heir.received(alice).includes('to whom it belongs now'), 20_000));
  t.is(world.find(alice, `bob@${OVERLAY}`), heir.hit);

  // The one that was away holds all of it still.
  world.network.internet.isCut = () => false;
  t.true(world.until(() => third.isLinkedTo(founder) && third.isLinkedTo(second), 600_000));
  world.run(60_000);
  t.deepEqual(held(), [
    [1, 1, 1],
    [0, 0, 0],
    [1, 1, 1],
  ]);
  t.is(heir.ipv4, address);
  t.is(world.find(third, `bob@${OVERLAY}`), heir.hit);
});
