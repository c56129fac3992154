import test, { type ExecutionContext } from 'ava';
import { AgentWorld } from '../sim/agent/agent-world.ts';
import type { SimAgent } from '../sim/agent/sim-agent.ts';
import type { Segment, SegmentQuality } from '../sim/network/segment.ts';

const SEEDS = Array.from({ length: 20 }, (_, i) => 300 + i);
const ACCEPTED = [{ address: '203.0.113.1', port: 443 }];
/** A round trip of 45 to 65 ms, and one datagram in 50 lost. */
const INTERNET: SegmentQuality = { latencyMs: 20, jitterMs: 10, loss: 0.02 };

/** The founder accepts streams, and hands on for others. */
class StreamWorld extends AgentWorld {
  constructor(t: ExecutionContext, seed: number, internet = INTERNET) {
    super(t, seed, { internet, streams: ACCEPTED });
    this.run(1_000);
  }

  /** A host at home behind a router that drops UDP, or lets it pass. */
  guest(user: string, udp: 'dropped' | 'passes'): { agent: SimAgent; lan: Segment } {
    const lan = this.home();
    if (udp === 'dropped') lan.isCut = ({ transport }) => transport !== 'tcp';
    const agent = this.member(this.network.host(lan, '10.0.0.2'), { user: `${user}@home.example` });
    return { agent, lan };
  }
}

function pathOf(from: SimAgent, to: SimAgent): { type?: string; via?: string; over?: string } {
  return from.engine.links.snapshot().links.find(({ hit }) => hit === to.hit)?.path ?? {};
}

for (const seed of SEEDS)
  test(`a host whose router drops UDP is in the overlay by a stream, and calls another one through the peer (seed ${seed})`, (t) => {
    const world = new StreamWorld(t, seed);
    const { agent: a } = world.guest('alice', 'dropped');
    const { agent: b } = world.guest('bob', 'passes');
    world.started(b);
    t.true(world.allReady([b]));
    const begun = world.now;
    world.started(a);
    t.true(world.until(() => a.isLinkedTo(world.founder), 10_000));
    t.log(`linked after ${(world.now - begun).toFixed(0)} ms`);
    t.true(world.now - begun < 2_500, `${world.now - begun} ms`);
    t.true(world.until(() => a.ready, 10_000));
    t.log(`ready after ${(world.now - begun).toFixed(0)} ms`);
    t.like(pathOf(a, world.founder), { type: 'relay', over: 'tls' });
    const called = world.now;
    a.send(b.address, 'first');
    t.true(world.until(() => b.received(a).length > 0, 10_000));
    t.log(`called in ${(world.now - called).toFixed(0)} ms`);
    t.true(world.now - called < 2_000, `${world.now - called} ms`);
    t.like(pathOf(a, b), { type: 'relay', via: world.founder.hit });
    b.send(a.ipv4 ?? '', 'answer');
    t.true(world.until(() => a.received(b).length > 0, 5_000));
  });

for (const seed of SEEDS)
  test(`two hosts whose routers drop UDP call each other through the peer that accepts their streams (seed ${seed})`, (t) => {
    const world = new StreamWorld(t, seed, { latencyMs: 20, jitterMs: 10 });
    const { agent: a } = world.guest('alice', 'dropped');
    const { agent: b } = world.guest('bob', 'dropped');
    world.started(a, b);
    t.true(world.allReady([a, b]));
    const called = world.now;
    a.send(b.address, 'first');
    t.true(world.until(() => b.received(a).length > 0, 10_000));
    t.log(`called in ${(world.now - called).toFixed(0)} ms`);
    t.true(world.now - called < 1_500, `${world.now - called} ms`);
    t.like(pathOf(a, b), { type: 'relay', via: world.founder.hit });
    t.like(pathOf(b, a), { type: 'relay', via: world.founder.hit });
    const since = world.now;
    a.stream(b.address, 20_000);
    b.stream(a.address, 20_000);
    world.run(21_000);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      t.true(to.gap(from, since, since + 20_000) <= 100, `${to.gap(from, since, since + 20_000)} ms`);
      t.is(to.received(from).length, from === a ? 1_001 : 1_000);
    }
    t.is(a.handshakes(b), 1);
  });
