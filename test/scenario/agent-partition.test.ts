import test from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';

const SPLIT_MS = 600_000;
const BOUND_MS = 300_000;

/** Peers with public addresses. */
function peersOf(world: AgentWorld, count: number): SimAgent[] {
  const others = Array.from({ length: count - 1 }, () => world.member(world.publicHost()));
  world.started(...others);
  return [world.founder, ...others];
}

/** Nothing passes between the parts any more. */
function cut(world: AgentWorld, agents: readonly SimAgent[], partOf: (index: number) => number): void {
  const part = new Map(agents.flatMap(({ host }, i) => host.addresses.map((address) => [address, partOf(i)] as const)));
  world.network.internet.isCut = ({ source, destination }) =>
    part.get(source.address) !== part.get(destination.address);
}

/** Everyone knows everyone of a ring as small as that. */
function isOneRing(agents: readonly SimAgent[]): boolean {
  return agents.every((agent) => neighborsOf(agent) === agents.length - 1);
}

function neighborsOf({ engine }: SimAgent): number {
  const snapshot = engine.overlay?.snapshot(0);
  return new Set([...(snapshot?.predecessors ?? []), ...(snapshot?.successors ?? [])]).size;
}

for (const [title, partOf] of [
  ['halves', (i: number) => i % 2],
  ['one peer and the others', (i: number) => Math.min(i, 1)],
] as const)
  test(`agents whose network falls apart into ${title} for 10 minutes are one ring again within 5`, (t) => {
    const world = new AgentWorld(t, 700);
    const agents = peersOf(world, 6);
    t.true(world.allReady(agents));
    t.true(world.until(() => isOneRing(agents), 60_000));
    cut(world, agents, partOf);
    world.run(SPLIT_MS);
    t.false(isOneRing(agents));
    world.network.internet.isCut = () => false;
    const healedAt = world.now;
    t.true(world.until(() => isOneRing(agents), BOUND_MS));
    t.log(`one ring after ${((world.now - healedAt) / 1_000).toFixed(1)} s`);
  });
