import test, { type ExecutionContext } from 'ava';
import { overlayHandlers } from '../../src/agent/overlay-operations.ts';
import type { Params, Result } from '../../src/control/schemas.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import { HOME_NAT } from '../sim/network/nat.ts';

const OVERLAY = 'home.example';
const DAY_S = 86_400;

/** What `idloc overlay` says on a host, or is told there. */
function overlayOn(agent: SimAgent, params: Params<'overlay'> = {}): Result<'overlay'> {
  const { engine, membership } = agent;
  const { authority, secret } = membership;
  const driver = { run: <T>(input: (now: number) => T): T => agent.act((_, now) => input(now)) };
  const { overlay } = overlayHandlers({ engine, driver, authority, canMeet: secret !== null });
  return overlay(params, AbortSignal.any([])) as Result<'overlay'>;
}

const sequencesOf = (agents: readonly SimAgent[]): number[] =>
  agents.map(({ engine }) => engine.membership.configuration.sequence);

/** Life of the certificate that is in force, seconds from the time it was issued. */
const lifeOf = ({ engine }: SimAgent, issuedAt: number): number =>
  Math.round((engine.membership.expires - issuedAt) / 1000);

/** The founder, three more public peers, two clients behind NATs. */
class Village extends AgentWorld {
  readonly peers: readonly SimAgent[];
  readonly clients: readonly SimAgent[];

  constructor(t: ExecutionContext, seed: number) {
    super(t, seed);
    this.run(1_000);
    this.peers = Array.from({ length: 3 }, (_, i) =>
      this.member(this.publicHost(), { user: `peer${i}@${OVERLAY}`, role: 'peer' }),
    );
    this.started(...this.peers);
    if (!this.allReady(this.peers)) throw new Error('the peers are not in the overlay');
    this.clients = ['alice', 'bob'].map((name) => this.member(this.hostAtHome(), { user: `${name}@${OVERLAY}` }));
    this.started(...this.clients);
    if (!this.allReady(this.clients)) throw new Error('the clients are not in the overlay');
  }

  get all(): SimAgent[] {
    return [this.founder, ...this.peers, ...this.clients];
  }

  peer(index: number): SimAgent {
    const peer = this.peers[index];
    if (peer === undefined) throw new Error('no such peer');
    return peer;
  }

  client(index: number): SimAgent {
    const client = this.clients[index];
    if (client === undefined) throw new Error('no such client');
    return client;
  }

  wallNow(): number {
    return this.clock.wall();
  }
}

test('the founder changes the life of certificates twice: all have it within seconds, a member that was away when it comes back', (t) => {
  const world = new Village(t, 1101);
  const away = [world.peer(0), world.client(0)];
  const others = world.all.filter((agent) => !away.includes(agent));
  for (const agent of away) agent.kill();
  world.run(2_000);
  t.like(overlayOn(world.founder, { certificateLifetimeS: 90 * DAY_S }), { sequence: 2, changed: true });
  t.like(overlayOn(world.founder, { certificateLifetimeS: 90 * DAY_S }), { sequence: 2, changed: false });
  t.like(overlayOn(world.founder, { certificateLifetimeS: 30 * DAY_S }), { sequence: 3, changed: true });
  t.true(world.until(() => sequencesOf(others).every((sequence) => sequence === 3), 10_000));
  world.run(120_000);
  for (const agent of away) agent.start();
  t.true(world.allReady(away));
  t.true(world.until(() => sequencesOf(away).every((sequence) => sequence === 3), 10_000));
  for (const agent of world.all)
    t.like(overlayOn(agent), { sequence: 3, certificateLifetimeS: 30 * DAY_S, rendezvous: 'none', changed: false });
  // It is on the disk: also without a neighbor a member begins its next life with it.
  const [restarted] = away;
  restarted?.kill();
  world.run(1_000);
  restarted?.start();
  t.is(restarted?.engine.membership.configuration.sequence, 3);
  t.true(restarted !== undefined && world.allReady([restarted]));
});

test('a member has a document, goes, and comes back within a minute: it has the next one within seconds', (t) => {
  // Nobody but the founder can tell it.
  const world = new AgentWorld(t, 1106);
  world.run(1_000);
  const member = world.member(world.publicHost(), { user: `alice@${OVERLAY}` });
  world.started(member);
  t.true(world.allReady([member]));
  overlayOn(world.founder, { certificateLifetimeS: 90 * DAY_S });
  t.true(world.until(() => sequencesOf([member])[0] === 2, 10_000));
  member.stop();
  world.run(5_000);
  overlayOn(world.founder, { certificateLifetimeS: 30 * DAY_S });
  world.run(1_000);
  member.start();
  t.true(world.until(() => member.ready, 30_000));
  t.true(world.until(() => sequencesOf([member])[0] === 3, 10_000));
});

test('half of the members are cut off while the overlay changes twice: the others follow at once, the half as soon as it can be reached', (t) => {
  const world = new Village(t, 1102);
  const apart = [world.peer(1), world.peer(2), world.client(1)];
  const together = world.all.filter((agent) => !apart.includes(agent));
  // The client's home is the world's second.
  const addresses = new Set([...apart.flatMap(({ host }) => host.addresses), '198.51.100.2']);
  world.network.internet.isCut = ({ source, destination }) =>
    addresses.has(source.address) !== addresses.has(destination.address);
  world.run(120_000);
  overlayOn(world.founder, { certificateLifetimeS: 90 * DAY_S });
  world.run(60_000);
  overlayOn(world.founder, { rendezvous: 'mainline' });
  world.run(60_000);
  t.deepEqual(sequencesOf(together), [3, 3, 3]);
  t.deepEqual(sequencesOf(apart), [1, 1, 1]);
  world.network.internet.isCut = () => false;
  t.true(world.until(() => sequencesOf(apart).every((sequence) => sequence === 3), 300_000));
  for (const agent of world.all) t.like(overlayOn(agent), { certificateLifetimeS: 90 * DAY_S, rendezvous: 'mainline' });
});

test('every inviter issues for as long as the document in force says, and gives newcomers that document; renewals too', (t) => {
  const world = new Village(t, 1103);
  const inviter = world.peer(0);
  world.grant(inviter);
  overlayOn(world.founder, { certificateLifetimeS: 90 * DAY_S });
  world.run(5_000);
  for (const [i, host] of [world.founder, inviter].entries()) {
    const issuedAt = world.wallNow();
    const ticket = world.ticket(null, [{ address: host.host.addresses[0] ?? '', port: 6084 }], host);
    const { agent } = joined(world, ticket, `new${i}@${OVERLAY}`);
    t.is(Math.round(lifeOf(agent, issuedAt) / DAY_S), 90);
    // From its first moment on: not learned from a neighbor afterwards.
    t.like(agent.membership.configuration, { sequence: 2, certificateLifetimeS: 90 * DAY_S });
  }
  // An inviter that has missed a change is told of it before it issues again.
  inviter.kill();
  overlayOn(world.founder, { certificateLifetimeS: 60 });
  inviter.start();
  t.true(world.allReady([inviter]));
  const issuedAt = world.wallNow();
  const { agent } = joined(
    world,
    world.ticket(null, [{ address: inviter.host.addresses[0] ?? '', port: 6084 }], inviter),
    `late@${OVERLAY}`,
  );
  t.true(lifeOf(agent, issuedAt) <= 75);
  const before = agent.engine.membership.expires;
  world.founder.kill();
  world.run(120_000);
  t.true(agent.engine.membership.expires > before);
  t.true(agent.engine.membership.expires - world.wallNow() <= 60_000);
  t.false(agent.engine.membership.lapsed);
});

function joined(world: AgentWorld, ticket: Parameters<AgentWorld['join']>[1], user: string): { agent: SimAgent } {
  const joining = world.join(world.hostAtHome(), ticket, user);
  if (!world.until(() => joining.agent?.ready === true, 30_000) || joining.agent === undefined)
    throw new Error('the newcomer is not in the overlay');
  return { agent: joining.agent };
}

test('only the authority changes anything: another host, an inviter too, is told in a line who may', (t) => {
  const world = new Village(t, 1104);
  const inviter = world.peer(0);
  const asked = (agent: SimAgent): Error | undefined =>
    t.throws(() => overlayOn(agent, { rendezvous: 'mainline' }), { code: 'no_authority' });
  t.is(
    asked(world.client(0))?.message,
    `only with the authority's key can ${OVERLAY} be changed: run this where it is (founder@${OVERLAY}), or \`idloc authority import\` it`,
  );
  world.grant(inviter);
  t.regex(asked(inviter)?.message ?? '', /run this where it is \(founder@home\.example\), or/);
  t.regex(asked(world.client(1))?.message ?? '', /\(one of .*founder@home\.example/);
  t.true(sequencesOf(world.all).every((sequence) => sequence === 1));
});

test('meeting places go on and off in running agents: two homes without a server find each other only while they are on', (t) => {
  const world = new AgentWorld(t, 1105, { founderNat: HOME_NAT, board: 'configured' });
  const joinable = (user: string): { agent: SimAgent | undefined } =>
    world.join(world.hostAtHome(), world.ticket(null, []), user, { board: 'configured' });
  const { founder, board } = world;
  world.run(600_000);
  t.is(board.visits, 0);
  overlayOn(founder, { rendezvous: 'mainline' });
  world.run(2_000);
  const visits = board.visits;
  t.true(visits > 0, 'it is come to at once');
  const { agent } = awaited(world, joinable(`alice@${OVERLAY}`));
  t.is(overlayOn(agent).rendezvous, 'mainline');
  // Both move: neither has an address of the other.
  const meet = (): boolean => {
    founder.host.move(world.home(), '10.0.0.7');
    agent.host.move(world.home(), '10.0.0.8');
    world.run(20_000);
    const heard = founder.received(agent).length;
    for (let i = 0; i < 40; i++) {
      agent.send(founder.address, 'are you there');
      world.run(1_000);
    }
    return founder.received(agent).length > heard;
  };
  t.true(meet());
  world.run(10_000);
  overlayOn(founder, { rendezvous: 'none' });
  t.true(world.until(() => overlayOn(agent).rendezvous === 'none', 10_000));
  const before = board.visits;
  t.false(meet());
  world.run(600_000);
  t.is(board.visits, before, 'nobody comes there any more');
});

function awaited(world: AgentWorld, joining: { agent: SimAgent | undefined }): { agent: SimAgent } {
  if (!world.until(() => joining.agent?.ready === true, 30_000) || joining.agent === undefined)
    throw new Error('the newcomer is not in the overlay');
  return { agent: joining.agent };
}
