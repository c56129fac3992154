import test from 'ava';
import { type LogFields, silentLogger } from '../../src/base/logger.ts';
import type { Random } from '../../src/base/random.ts';
import { OverlayAuthority } from '../../src/identity/authority.ts';
import { EnrollmentError } from '../../src/identity/errors.ts';
import { EnrollmentRegister } from '../../src/identity/enrollment-register.ts';
import { EnrollmentServer } from '../../src/identity/enrollment.ts';
import { Inviter, type Issuer } from '../../src/identity/issuer.ts';
import { TrustStore } from '../../src/identity/trust-store.ts';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import { HOME_NAT } from '../sim/network/nat.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

/** RTT near 0, as in one house. */
const NEAR = { latencyMs: 0.2, jitterMs: 0, loss: 0 };
const CROWD = 12;
const SECOND_MS = 1_000;
const JOINED_MS = 2_000;

/** RELOAD messages until all are in, requests and answers; each is signed and verified. */
const MAX_MESSAGES_EACH = 30;
/** Until all are peers, public hosts that they are. */
const MAX_PEER_MESSAGES_EACH = 400;

function sentBy(agent: SimAgent | undefined): number {
  return agent?.act((engine, now) => engine.overlay?.snapshot(now).counters.sent) ?? 0;
}

for (const [place, seed] of [
  ['public', 950],
  ['public', 951],
  ['behind NATs', 952],
  ['behind NATs', 953],
] as const)
  test.serial(
    `${CROWD} newcomers (${place}) in the same second are all in two seconds after the last one, with few messages (seed ${seed})`,
    (t) => {
      const world = new AgentWorld(t, seed, { internet: NEAR });
      world.run(1_000);
      world.started();
      t.true(world.allReady([world.founder]));
      const { loop, random } = world.network;
      const hosts = Array.from({ length: CROWD }, () => (place === 'public' ? world.publicHost() : world.hostAtHome()));
      const begun = world.now;
      const joinings: ReturnType<AgentWorld['join']>[] = [];
      const times: number[] = [];
      for (const [i, host] of hosts.entries()) {
        const at = random.float() * SECOND_MS;
        const ticket = world.ticket(null);
        loop.after(at, () => joinings.push(world.join(host, ticket, `new${i}@home.example`)));
        times.push(at);
      }
      world.run(SECOND_MS);
      t.true(
        world.until(() => joinings.length === CROWD && joinings.every(({ agent }) => agent?.joined === true), 30_000),
      );
      const tookMs = world.now - begun - Math.max(...times);
      const sentEach = (): number =>
        joinings.reduce((sum, { agent }) => sum + sentBy(agent), sentBy(world.founder)) / CROWD;
      const sent = sentEach();
      t.log(`${sent.toFixed(0)} messages for each newcomer`);
      t.true(sent <= MAX_MESSAGES_EACH, `${sent.toFixed(0)} messages`);
      t.log(`everyone joined ${tookMs.toFixed(0)} ms after the last start`);
      t.true(
        world.until(() => joinings.every(({ agent }) => agent?.ready === true), 5_000),
        'addresses',
      );
      t.log(`ready ${(world.now - begun - Math.max(...times)).toFixed(0)} ms after the last start`);
      t.true(tookMs <= JOINED_MS, `${tookMs.toFixed(0)} ms`);
      t.is(new Set(joinings.map(({ agent }) => agent?.ipv4)).size, CROWD);
      const roles = (): Set<string | undefined> => new Set(joinings.map(({ agent }) => agent?.role));
      t.deepEqual(roles(), new Set(['client']));
      if (place !== 'public') return;
      t.true(
        world.until(() => [...roles()].join() === 'peer', 30_000),
        'peers',
      );
      const asPeers = sentEach();
      t.log(`${asPeers.toFixed(0)} messages for each newcomer until it is a peer`);
      t.true(asPeers <= MAX_PEER_MESSAGES_EACH, `${asPeers.toFixed(0)} messages`);
      t.log(`all are peers ${(world.now - begun - Math.max(...times)).toFixed(0)} ms after the last start`);
    },
  );

test('newcomers whose inviter takes four seconds over each certificate link with it alone meanwhile', (t) => {
  const world = new AgentWorld(t, 955, { internet: NEAR, board: true });
  world.run(1_000);
  const member = world.member(world.publicHost(), { role: 'peer', board: true });
  world.started(member);
  t.true(world.allReady([world.founder, member]));
  const { membership } = world.founder.engine;
  const answerGuest = membership.answerGuest.bind(membership);
  Object.assign(membership, {
    answerGuest: (...request: Parameters<typeof membership.answerGuest>) => {
      world.network.loop.after(4_000, () => answerGuest(...request));
    },
  });
  const addresses = [world.founder, member]
    .flatMap(({ host }) => host.addresses)
    .map((address) => ({ address, port: 6084 }));
  let links = 0;
  let enrolled = 0;
  const count = (event: string): void => {
    if (event === 'link.up') links += 1;
    if (event === 'link.closed') enrolled += 1;
  };
  const logger = { ...silentLogger, info: count };
  const joinings = Array.from({ length: 4 }, (_, i) =>
    world.join(world.publicHost(), world.ticket(null, addresses), `new${i}@home.example`, { board: true, logger }),
  );
  t.true(
    world.until(() => enrolled === joinings.length, 10_000),
    'enrolled',
  );
  t.is(links, joinings.length);
  t.true(
    world.until(() => joinings.every(({ agent }) => agent?.ready === true), 10_000),
    'members',
  );
});

test('newcomers that find each other while their inviter is off link once, and are let in when it is there', (t) => {
  const world = new AgentWorld(t, 960, { internet: NEAR, board: true });
  world.run(1_000);
  const tickets = Array.from({ length: 4 }, () => world.ticket(null));
  world.run(1_000);
  world.founder.kill();
  let replaced = 0;
  const count = (event: string, fields: LogFields = {}): void => {
    if (event === 'link.closed' && fields['reason'] === 'replaced') replaced += 1;
  };
  const logger = { ...silentLogger, info: count };
  const joinings = tickets.map((ticket, i) =>
    world.join(world.publicHost(), ticket, `new${i}@home.example`, { board: true, logger }),
  );
  world.run(20_000);
  t.is(replaced, 0);
  world.founder.start();
  t.true(
    world.until(() => joinings.every(({ agent }) => agent?.ready === true), 30_000),
    'all are members',
  );
});

/** Answers in the name of an issuer of its own choice, which knows no ticket. */
function refusing(issuer: Issuer, random: Random): EnrollmentServer {
  const { overlay, root } = issuer;
  const trust = new TrustStore({ overlay, mode: 'invite', authority: new Uint8Array(32) });
  return new EnrollmentServer({
    ...{ issuer, trust, random },
    register: new EnrollmentRegister({ overlay }),
    configuration: () => root,
    secret: () => null,
    lifetimeMs: () => 1,
  });
}

for (const [liar, seed] of [
  ['with a key of its own', 970],
  ['that is an inviter itself', 971],
] as const)
  test(`a member ${liar} refuses a newcomer on its way to the inviter, which lets it in (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    const { random } = world.network;
    world.run(1_000);
    const member = world.member(world.publicHost(), { role: 'peer' });
    world.started(member);
    t.true(world.allReady([world.founder, member]));
    const { founder } = world.founder.membership;
    const wallNow = world.clock.wall();
    const issuer =
      liar === 'that is an inviter itself' && founder !== undefined
        ? new Inviter(
            member.identity,
            founder.authority.grant(member.identity.spki, wallNow, random),
            founder.authority.certificate,
          )
        : OverlayAuthority.create({ overlay: 'home.example', wallNow, random });
    const server = refusing(issuer, random);
    let lies = 0;
    Object.assign(member.engine.membership, {
      answerGuest: (...[request, , now, done]: Parameters<typeof member.engine.membership.answerGuest>) => {
        if (request.type !== 'enroll') return;
        lies += 1;
        done(server.handle({ bytes: request.request, spki: request.spki }, wallNow), now);
      },
    });
    const address = { address: member.host.addresses[0] ?? '', port: 6084 };
    const ticket = world.ticket(null, [address, world.founderLocator]);
    const joining = world.join(world.hostAtHome(), ticket, 'new@home.example');
    t.true(world.until(() => joining.agent?.ready === true, 10_000));
    t.true(lies > 0);
    // Where nobody else can be reached, what was said is the reason at the end.
    const alone = world.join(world.hostAtHome(), world.ticket(null, [address]), 'alone@home.example');
    t.true(world.until(() => alone.result !== undefined, 40_000));
    const error = alone.result?.ok === false ? alone.result.error : undefined;
    t.false(error instanceof EnrollmentError);
    t.regex(
      error?.message ?? '',
      /somebody who may not refuse says: the ticket is not known here|not the one that the overlay/,
    );
  });

for (const seed of [980, 981])
  test(`an inviter behind a NAT makes tickets that let hosts behind other NATs in, by a public peer, not by a revoked one (seed ${seed})`, (t) => {
    const world = new AgentWorld(t, seed);
    world.run(1_000);
    const [peer, gone] = [0, 1].map(() => world.member(world.publicHost(), { role: 'peer' })) as [SimAgent, SimAgent];
    const deputy = world.member(world.hostAtHome());
    world.started(peer, gone, deputy);
    t.true(world.allReady([world.founder, peer, gone, deputy]));
    world.grant(deputy);
    world.founder.act((engine, now) => engine.membership.office.revoke([gone.hit], now));
    world.run(10_000);
    const { warning } = world.invite(deputy, { user: null });
    t.is(warning, undefined);
    const ticket = world.ticket(null, undefined, deputy);
    const named = ticket.addresses.map(({ address }) => address);
    t.is(named.includes(peer.host.addresses[0] ?? ''), true);
    t.is(named.includes(gone.host.addresses[0] ?? ''), false);
    world.founder.kill();
    const joining = world.join(world.hostAtHome(), ticket, 'new@home.example');
    t.true(world.until(() => joining.agent?.ready === true, 30_000));
  });

test('a founder at home that nobody outside can reach says so with its ticket', (t) => {
  const world = new AgentWorld(t, 982, { founderNat: HOME_NAT });
  world.run(1_000);
  t.regex(world.invite(world.founder, { user: null }).warning ?? '', /outside this network .*`advertise`/);
  const open = new AgentWorld(t, 983);
  open.run(1_000);
  t.is(open.invite(open.founder, { user: null }).warning, undefined);
});
