import test, { type ExecutionContext } from 'ava';
import { IdlocError } from '../../src/base/errors.ts';
import type { Hit } from '../../src/base/node-id.ts';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import { problemOf } from '../../src/agent/problem.ts';
import { AgentWorld, type Joining } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

// Names and tickets where several hosts may let others in: nobody takes what is another's, and nobody comes back who was thrown out.

const OVERLAY = 'home.example';
const LIFE_MS = 600_000;
const user = (name: string): string => `${name}@${OVERLAY}`;

/** A founder, a second host with the right to invite, and more peers in a ring. */
class Offices extends AgentWorld {
  readonly second: SimAgent;
  readonly peers: readonly SimAgent[];

  constructor(t: ExecutionContext, seed: number, options: { peers?: number; lifetimeMs?: number } = {}) {
    const { peers = 0, lifetimeMs } = options;
    const life = lifetimeMs === undefined ? {} : { lifetimeMs };
    super(t, seed, life);
    this.run(1_000);
    this.second = this.member(this.publicHost(), { role: 'peer', user: user('second'), ...life });
    this.peers = Array.from({ length: peers }, (_, i) =>
      this.member(this.publicHost(), { role: 'peer', user: user(`peer${i}`) }),
    );
    this.started(this.second, ...this.peers);
    if (!this.allReady([this.second, ...this.peers])) throw new Error('the peers are not in the overlay');
    this.grant(this.second);
  }

  at(agent: SimAgent): readonly SocketAddress[] {
    return agent.host.addresses.map((address) => ({ address, port: 6084 }));
  }

  /** Hosts that a name leads to. */
  hostsOf(asker: SimAgent, name: string): readonly Hit[] {
    const asked = asker.lookupName(user(name));
    this.until(() => asked.answer !== undefined, 20_000);
    return asked.answer?.ok === true ? asked.answer.value.map(({ hit }) => hit) : [];
  }

  rename(by: SimAgent, host: SimAgent, name: string): boolean {
    let renamed: boolean | undefined;
    const whom = { hit: host.hit, spki: host.identity.spki };
    by.act(({ membership }, now) => membership.office.rename(whom, user(name), now, (ok) => (renamed = ok)));
    this.until(() => renamed !== undefined, 20_000);
    return renamed === true;
  }

  revoke(by: SimAgent, host: SimAgent): void {
    by.act(({ membership }, now) => membership.office.revoke([host.hit], now));
    this.run(5_000);
  }
}

for (const seed of [820, 821])
  test(`seed ${seed}: a renewal at an inviter that has not seen the host since does not undo what another one called it`, (t) => {
    const world = new Offices(t, seed, { peers: 6, lifetimeMs: LIFE_MS });
    const { founder, second, peers } = world;
    const carol = world.member(world.hostAtHome(), { user: user('carol') });
    carol.start({ start: peers.flatMap((peer) => world.at(peer)) });
    t.true(world.allReady([carol]));
    founder.kill();
    world.run(5_000);
    t.true(world.rename(second, carol, 'dora'));
    t.is(carol.user, user('dora'));
    // Whoever gave it the name knows so at once, and whoever is asked for the renewal by then.
    t.deepEqual(second.register.hostsOf(user('dora')), [carol.hit]);
    founder.start();
    t.true(world.allReady([founder]));
    second.kill();
    const { expires } = carol.engine.membership;
    t.true(world.until(() => carol.engine.membership.expires > expires, LIFE_MS));
    t.is(carol.user, user('dora'));
    t.deepEqual(founder.register.hostsOf(user('dora')), [carol.hit]);
  });

for (const seed of [830, 831, 832])
  test(`seed ${seed}: whoever was thrown out does not come back with the ticket that it has still, whoever revoked it`, (t) => {
    const world = new Offices(t, seed);
    const { founder, second } = world;
    const by = seed % 2 === 0 ? founder : second;
    const ticket = world.ticket(null, [world.founderLocator], founder, 50);
    const untouched = world.ticket(null, [world.founderLocator], founder, 50);
    const mallory = world.join(world.hostAtHome(), ticket, user('mallory'));
    const alice = world.join(world.hostAtHome(), ticket, user('alice'));
    t.true(world.until(() => mallory.agent?.ready === true && alice.agent?.ready === true, 60_000));
    world.run(5_000);
    t.is(founder.register.openTickets(world.clock.wall()).length, 2);
    if (mallory.agent !== undefined) world.revoke(by, mallory.agent);
    t.is(mallory.agent?.engine.membership.state, 'revoked');
    const again = world.join(world.hostAtHome(), ticket, user('mallory2'));
    const other = world.join(world.hostAtHome(), untouched, user('dave'));
    t.true(world.until(() => again.result !== undefined && other.result !== undefined, 60_000));
    t.false(again.result?.ok);
    t.regex(again.result?.ok === false ? again.result.error.message : '', /the ticket was withdrawn/);
    t.true(other.result?.ok);
    t.is(alice.agent?.engine.membership.state, 'member');
    t.is(founder.register.openTickets(world.clock.wall()).length, 1);
  });

for (const seed of [840, 841, 842, 843])
  test(`seed ${seed}: two newcomers who want one name of two inviters in the same second: one of them has it`, (t) => {
    const world = new Offices(t, seed);
    const { founder, second } = world;
    const tickets = [world.ticket(null), world.ticket(null, world.at(second), second)];
    const joins = tickets.map((ticket) => world.join(world.hostAtHome(), ticket, user('bob')));
    t.true(world.until(() => joins.every(({ result }) => result !== undefined), 60_000));
    t.is(joins.filter(({ result }) => result?.ok).length, 1);
    const refused = joins.map(({ result }) => (result?.ok === false ? result.error.message : '')).join('');
    t.regex(refused, /bob@home\.example is taken/);
    world.run(20_000);
    const [bob] = joins.flatMap(({ agent }) => agent ?? []);
    for (const asker of [founder, second]) t.deepEqual(world.hostsOf(asker, 'bob'), [bob?.hit]);
  });

for (const seed of [850, 851, 852])
  test(`seed ${seed}: a name that waits for the holder of a ticket is given to nobody by another inviter; it then is the holder's`, (t) => {
    const world = new Offices(t, seed);
    const { founder, second } = world;
    const forCarol = world.ticket(user('carol'));
    const open = (): ReturnType<AgentWorld['ticket']> => world.ticket(null, world.at(second), second);
    const stranger = world.join(world.hostAtHome(), open(), user('carol'));
    t.true(world.until(() => stranger.result !== undefined, 60_000));
    t.false(stranger.result?.ok);
    // Also when the inviter that made the ticket is off, and for whoever is a member already.
    founder.kill();
    world.run(60_000);
    const again = world.join(world.hostAtHome(), open(), user('carol'));
    t.true(world.until(() => again.result !== undefined, 60_000));
    t.false(again.result?.ok);
    founder.start();
    t.true(world.allReady([founder]));
    const carol = world.join(world.hostAtHome(), forCarol, null);
    t.true(world.until(() => carol.agent?.ready === true, 60_000));
    world.run(20_000);
    for (const asker of [founder, second]) t.deepEqual(world.hostsOf(asker, 'carol'), [carol.agent?.hit]);
    // The user's next host has a ticket of the other inviter, which was made for it.
    const laptop = world.join(world.hostAtHome(), world.ticket(user('carol'), world.at(second), second), null);
    t.true(world.until(() => laptop.agent?.ready === true, 60_000));
    world.run(20_000);
    t.is(world.hostsOf(founder, 'carol').length, 2);
  });

for (const seed of [860, 861])
  test(`seed ${seed}: a ticket that was withdrawn keeps its name from nobody after five minutes, at whichever inviter`, (t) => {
    const world = new Offices(t, seed);
    const { founder, second } = world;
    world.ticket(user('carol'));
    world.run(2_000);
    const [ticket] = founder.register.openTickets(world.clock.wall());
    founder.register.withdraw(ticket?.id ?? '');
    founder.ticketsChanged();
    world.run(310_000);
    const joining = world.join(world.hostAtHome(), world.ticket(null, world.at(second), second), user('carol'));
    t.true(world.until(() => joining.result !== undefined, 60_000));
    t.true(joining.result?.ok);
  });

const TEN_MINUTES_MS = 600_000;
const reasonOf = ({ result }: Joining): string => (result?.ok === false ? result.error.message : '');

/** Let in and switched off in the same moment: nobody has ever linked with it as a member. */
function cutOff(t: ExecutionContext, world: Offices, name: string, ticket = world.ticket(null)): SimAgent {
  const joining = world.join(world.hostAtHome(), ticket, user(name));
  t.true(world.until(() => joining.agent !== undefined, 60_000));
  const { agent } = joining;
  if (agent === undefined) throw new Error('it was not let in');
  agent.kill();
  return agent;
}

for (const [inviter, seed, named] of [
  ['same inviter', 870, false],
  ['same inviter', 871, true],
  ['other inviter', 872, false],
  ['other inviter', 873, false],
  ['other inviter', 874, true],
] as const)
  test(`seed ${seed}: a name whose host never came after it was let in is the next newcomer's at the ${inviter} in ten minutes; who comes too late is told`, (t) => {
    const world = new Offices(t, seed, { peers: seed % 2 === 0 ? 0 : 4 });
    const { founder, second } = world;
    const by = inviter === 'same inviter' ? founder : second;
    const late = cutOff(t, world, 'bob', world.ticket(named ? user('bob') : null));
    const ask = (): Joining => {
      const joining = world.join(world.hostAtHome(), world.ticket(null, world.at(by), by), user('bob'));
      t.true(world.until(() => joining.result !== undefined, 60_000));
      return joining;
    };
    world.run(60_000);
    t.regex(reasonOf(ask()), /bob@home\.example is taken.*choose another.*in 10 minutes/);
    world.run(TEN_MINUTES_MS);
    const { agent: next } = ask();
    t.true(world.until(() => next?.ready === true, 60_000));
    world.run(20_000);
    t.true(founder.engine.membership.revoked.has(late.hit));
    late.start({ start: [world.founderLocator] });
    t.true(world.until(() => late.engine.membership.state === 'revoked', 60_000));
    t.regex(problemOf(late.engine.membership) ?? '', /this host's key was revoked: .*join with a new ticket/);
    world.run(30_000);
    for (const asker of [founder, second]) t.deepEqual(world.hostsOf(asker, 'bob'), [next?.hit]);
    t.is(next?.engine.membership.state, 'member');
  });

test('a newcomer whose answer was lost gets in again with its ticket as long as nobody else has its name, and then is told', (t) => {
  const world = new Offices(t, 880);
  const { founder, second } = world;
  const { membership } = founder.engine;
  const lost = [0, 1].map(() => world.ticket(null, [world.founderLocator]));
  const identities = [world.newIdentity(), world.newIdentity()] as const;
  const ask = (i: 0 | 1): Joining => {
    const [name, ticket = world.ticket(null)] = [`new${i}`, lost[i]];
    return world.join(world.hostAtHome(), ticket, user(name), { identity: identities[i] });
  };
  const answerGuest = membership.answerGuest.bind(membership);
  Object.assign(membership, {
    answerGuest: (...[request, inviter, now]: Parameters<typeof answerGuest>) =>
      answerGuest(request, inviter, now, () => undefined),
  });
  const failed = [ask(0), ask(1)];
  t.true(world.until(() => failed.every(({ result }) => result !== undefined), 60_000));
  t.deepEqual(
    failed.map(({ result }) => result?.ok),
    [false, false],
  );
  Object.assign(membership, { answerGuest });
  world.run(TEN_MINUTES_MS);
  const other = world.join(world.hostAtHome(), world.ticket(null, world.at(second), second), user('new1'));
  t.true(world.until(() => other.agent?.ready === true, 60_000));
  world.run(20_000);
  const again = [ask(0), ask(1)];
  t.true(world.until(() => again.every(({ result }) => result !== undefined), 60_000));
  t.true(again[0]?.result?.ok);
  t.regex(reasonOf(again[1] ?? other), /this key was revoked: make a new one and ask for a new ticket/);
  // The ticket is as good as before: a new key is all that it takes, and another name.
  const anew = world.join(world.hostAtHome(), world.ticket(null), user('new2'));
  t.true(world.until(() => anew.agent?.ready === true, 60_000));
  t.deepEqual(world.hostsOf(founder, 'new1'), [other.agent?.hit]);
});

test('a member that its inviter has never been linked with loses neither its place in its ticket nor its name', (t) => {
  const world = new Offices(t, 890, { peers: 3 });
  const { founder, peers } = world;
  const ticket = world.ticket(null);
  const joining = world.join(world.hostAtHome(), ticket, user('carol'));
  t.true(world.until(() => joining.agent?.ready === true, 60_000));
  world.run(5_000);
  const { agent: carol } = joining;
  // As the register is when only others are linked with it.
  const member = founder.register.member(carol?.hit ?? '');
  Object.assign(member ?? {}, { seen: false });
  t.is(peers.length, 3);
  world.run(TEN_MINUTES_MS);
  const thieves = [
    world.join(world.hostAtHome(), ticket, user('mallory')),
    world.join(world.hostAtHome(), world.ticket(null), user('carol')),
  ];
  t.true(world.until(() => thieves.every(({ result }) => result !== undefined), 60_000));
  t.regex(thieves.map(reasonOf).join(), /the ticket was used by another host.*,.*carol@home\.example is taken/);
  t.is(carol?.engine.membership.state, 'member');
});

test('a rename to a name that is none of the overlay, or another host’s, is refused in words that say what to do', async (t) => {
  const world = new Offices(t, 895);
  const { founder, second } = world;
  const bob = world.member(world.publicHost(), { user: user('bob') });
  world.started(bob);
  t.true(world.allReady([bob]));
  const rename = async (name: string, by = founder): Promise<string> => {
    const { signal } = new AbortController();
    const asked = by.commands.rename({ target: 'bob', name }, signal);
    return world.settle(Promise.resolve(asked)).then(
      ({ renamed }) => renamed.map((host) => host.user ?? '').join(),
      (error: unknown) => (error instanceof IdlocError ? `${error.code}: ${error.message}` : String(error)),
    );
  };
  const grammar =
    /^bad_name: .* is no user of home\.example: use a-z, 0-9 and -, at most 63, such as alice or alice@home\.example$/;
  for (const name of [
    'x3@other.example',
    'bob.other.example',
    'a.b',
    'my_host',
    'Bob',
    '@home.example',
    'x'.repeat(64),
  ])
    t.regex(await rename(name), grammar, name);
  t.regex(await rename('second'), /^name_taken: second@home\.example is another host's: .*`idloc members`/);
  t.regex(await rename('x', bob), /^no_right: /);
  world.ticket(user('carol'), world.at(second), second);
  world.run(5_000);
  t.regex(
    await rename('carol'),
    /^name_taken: another inviter keeps carol@home\.example for a ticket, .*in 10 minutes/,
  );
  const late = cutOff(t, world, 'dora');
  t.regex(await rename('dora'), /^name_taken: dora@home\.example .* has not come yet: .*`idloc revoke /);
  t.true((await rename('dora')).includes(late.address));
  world.revoke(founder, late);
  t.is(await rename('dora'), user('dora'));
  t.is(bob.user, user('dora'));
});
