import test, { type ExecutionContext } from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import type { SimHost } from '../sim/network/host.ts';
import { HOME_NAT } from '../sim/network/nat.ts';
import { BOARD } from '../sim/network/sim-board.ts';

// Halves of an overlay that have no address of each other any more: what is left is the meeting place.

const SPLIT_MS = 600_000;
/** From contact on. */
const BOUND_MS = 300_000;
/** Within this all hosts move, one after another. */
const MOVES_MS = 180_000;
/** Fourteen addresses for ten hosts: hosts that come to both halves take the same one. */
const PREFIX = '198.18.0.0/28';

type Kind = 'with public addresses' | 'behind NATs';

interface Situation {
  readonly seed: number;
  readonly kind: Kind;
  readonly board: boolean;
  readonly hosts?: number;
  /** That come while there are two halves. */
  readonly later?: number;
}

/** An overlay, and hosts that come to it while it is in two halves. */
class Halves {
  readonly world: AgentWorld;
  readonly all: readonly SimAgent[];
  readonly sides: readonly [SimAgent[], SimAgent[]] = [[], []];
  readonly first: readonly SimAgent[];
  readonly later: readonly SimAgent[];
  private readonly kind: Kind;
  /** Which side an address of the internet is on; absent: everyone's. */
  private readonly sideOf = new Map<string, number>();
  private moves = 0;

  constructor(t: ExecutionContext, { seed, kind, board, hosts = 6, later = 4 }: Situation) {
    this.kind = kind;
    this.world = new AgentWorld(t, seed, {
      ...{ board, ipv4Prefix: PREFIX },
      ...(kind === 'behind NATs' && { founderNat: HOME_NAT }),
    });
    const { world } = this;
    const others = Array.from({ length: hosts + later - 1 }, () =>
      world.member(kind === 'behind NATs' ? world.hostAtHome() : world.publicHost(), { board }),
    );
    this.all = [world.founder, ...others];
    this.first = this.all.slice(0, hosts);
    this.later = this.all.slice(hosts);
    for (const [i, agent] of this.all.entries()) this.sides[i % 2]?.push(agent);
    for (const agent of this.first.slice(1))
      agent.start({ start: kind === 'behind NATs' ? [] : [world.founderLocator] });
  }

  /** @param boardSide whose the board is from now on; absent: both halves reach it. */
  cut(boardSide?: number): void {
    for (const agent of this.all) this.note(agent);
    if (boardSide !== undefined) this.sideOf.set(BOARD.address, boardSide);
    this.world.network.internet.isCut = ({ source, destination }) => {
      const [a, b] = [this.sideOf.get(source.address), this.sideOf.get(destination.address)];
      return a !== undefined && b !== undefined && a !== b;
    };
  }

  heal(): void {
    this.world.network.internet.isCut = () => false;
  }

  /** To an address that nobody has known before. */
  move(agent: SimAgent): void {
    const { world } = this;
    this.moves += 1;
    if (this.kind === 'behind NATs') agent.host.move(world.home(), '10.0.0.9');
    else agent.host.move(world.network.internet, `203.0.113.${100 + this.moves}`);
    this.note(agent);
  }

  /** With the addresses of those of its half, as a ticket of one of them has them. */
  start(agent: SimAgent): void {
    const side = this.sides.find((one) => one.includes(agent)) ?? [];
    const beside = side.filter((other) => this.first.includes(other));
    agent.start({ start: beside.map(({ host }) => ({ address: outerAddress(host), port: 6084 })) });
  }

  private note(agent: SimAgent): void {
    this.sideOf.set(
      outerAddress(agent.host),
      this.sides.findIndex((side) => side.includes(agent)),
    );
  }
}

/** As AgentWorld gives them: of the NAT in front of it, or its own. */
function outerAddress(host: SimHost): string {
  const [device = ''] = host.uplinks;
  return device.startsWith('home-') ? device.replace('home-', '198.51.100.') : (host.addresses[0] ?? '');
}

/** Everyone is in it, and every peer's next one, clockwise, is as a single ring has it. */
function isOneRing(agents: readonly SimAgent[]): boolean {
  const peers = agents.filter(({ role }) => role === 'peer');
  const hits = peers.map(({ hit }) => hit).sort();
  const follows = ({ hit, engine }: SimAgent): boolean => {
    const next = hits[(hits.indexOf(hit) + 1) % hits.length];
    return hits.length === 1 || engine.overlay?.snapshot(0).successors[0] === next;
  };
  return peers.length > 0 && agents.every(({ ready }) => ready) && peers.every(follows);
}

function addressesOf(agents: readonly SimAgent[]): Set<string | undefined> {
  return new Set(agents.map(({ ipv4 }) => ipv4));
}

/** What each of them finds under the name of the next one. */
function lookedUp(world: AgentWorld, agents: readonly SimAgent[]): unknown[] {
  const lookups = agents.map((agent, i) => agent.lookupName(agents[(i + 1) % agents.length]?.user ?? ''));
  world.run(10_000);
  return lookups.map(({ answer }) => (answer?.ok === true ? answer.value.map(({ hit, ipv4 }) => [hit, ipv4]) : answer));
}

/** The overlay falls apart, its hosts move, others come to both halves: two rings that live, ten minutes later. */
function fallApart(t: ExecutionContext, options: Situation): Halves {
  const halves = new Halves(t, options);
  const { world, first, later, sides } = halves;
  t.true(world.until(() => isOneRing(first), 120_000));
  world.run(60_000);
  // Hosts behind NATs find those of their own half at the board only.
  halves.cut(options.kind === 'behind NATs' ? undefined : 0);
  const cutAt = world.now;
  for (const agent of first) {
    world.run(MOVES_MS / first.length);
    halves.move(agent);
  }
  for (const agent of later) halves.start(agent);
  world.run(cutAt + SPLIT_MS - world.now);
  for (const side of sides) t.true(isOneRing(side));
  return halves;
}

for (const [kind, seed] of [
  ['with public addresses', 7300],
  ['with public addresses', 7302],
  ['behind NATs', 7300],
  ['behind NATs', 7302],
] as const)
  test(`two living rings whose hosts, ${kind}, have no address of each other meet at the meeting place: one ring, all names, no address twice (seed ${seed})`, (t) => {
    const halves = fallApart(t, { seed, kind, board: true });
    const { world, all } = halves;
    const twice = all.length - addressesOf(all).size;
    t.true(twice > 0, 'an address is held on both sides');
    halves.heal();
    const since = world.now;
    t.true(world.until(() => isOneRing(all), BOUND_MS));
    t.log(`one ring after ${((world.now - since) / 1_000).toFixed(1)} s; ${twice} addresses were held twice`);
    t.true(world.until(() => addressesOf(all).size === all.length, BOUND_MS));
    t.log(`each address is one host's after ${((world.now - since) / 1_000).toFixed(1)} s`);
    world.run(60_000);
    const wanted = all.map((_, i) => all[(i + 1) % all.length] ?? all[0]);
    t.deepEqual(
      lookedUp(world, all),
      wanted.map((host) => [[host?.hit, host?.ipv4]]),
    );
  });

for (const seed of [7312, 7313])
  test(`two pairs of peers with public addresses, who come to the meeting place seldom, are one ring within the same time (seed ${seed})`, (t) => {
    const halves = fallApart(t, { seed, kind: 'with public addresses', board: true, hosts: 4, later: 0 });
    halves.world.run(halves.world.network.random.float() * SPLIT_MS);
    halves.heal();
    const since = halves.world.now;
    t.true(halves.world.until(() => isOneRing(halves.all), BOUND_MS));
    t.log(`one ring after ${((halves.world.now - since) / 1_000).toFixed(1)} s`);
  });

test('without a meeting place they stay two rings: no other way is left', (t) => {
  const halves = fallApart(t, { seed: 7300, kind: 'with public addresses', board: false });
  halves.heal();
  t.false(halves.world.until(() => isOneRing(halves.all), BOUND_MS));
  for (const side of halves.sides) t.true(isOneRing(side));
});
