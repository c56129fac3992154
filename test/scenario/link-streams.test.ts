import test, { type ExecutionContext } from 'ava';
import { HOME_NAT } from '../sim/network/nat.ts';
import type { SegmentQuality } from '../sim/network/segment.ts';
import { simHit, SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';
import { Voice } from '../sim/network/voice.ts';

const SEEDS = Array.from({ length: 20 }, (_, i) => 400 + i);
const LATENCIES = [0, 5, 30, 80];
const STREAM_PORT = 443;

/** A's router drops UDP; the peer accepts streams, and hands on. */
function blocked(t: ExecutionContext, seed: number, internet: SegmentQuality): ThreeHosts {
  const world = new ThreeHosts(t, seed, { natA: HOME_NAT, natB: HOME_NAT, relay: true, streams: true, internet });
  world.homeA.isCut = ({ transport }) => transport !== 'tcp';
  return world;
}

function pathOf(from: SimNode, to: SimNode): { type?: string; via?: string; over?: string } {
  return from.links.snapshot().links.find(({ hit }) => hit === to.hit)?.path ?? {};
}

/** A is linked with the peer by a stream, B by UDP, and with each other through it. */
function linked(t: ExecutionContext, world: ThreeHosts): void {
  const { a, b, peer } = world;
  b.dial(peer);
  a.dialStream(peer);
  t.true(world.until(() => a.links.isUp(peer.hit) && b.links.isUp(peer.hit), 10_000));
  world.network.loop.run(1_000);
  a.connect(b.hit);
  t.true(world.until(() => world.linked, 10_000));
  world.network.loop.run(3_000);
  t.like(pathOf(a, peer), { over: 'tls' });
  t.like(pathOf(a, b), { type: 'relay', via: peer.hit });
}

/** Of both hosts to each other and of A to the peer, and back. */
function waysOf({ a, b, peer }: ThreeHosts): (readonly [SimNode, SimNode])[] {
  return [
    [a, b],
    [b, a],
    [a, peer],
    [peer, a],
  ];
}

/** From the first of each to the second. */
function voicesOf({ network }: ThreeHosts, ways: readonly (readonly [SimNode, SimNode])[], forMs: number): Voice[] {
  return ways.map(([from, to]) => new Voice(network.loop, from, to, forMs));
}

function heard(t: ExecutionContext, voices: readonly Voice[]): ReturnType<Voice['heard']>[] {
  return voices.map((voice, i) => {
    const found = voice.heard();
    t.log(`voice ${i}: ${JSON.stringify(found)}`);
    return found;
  });
}

for (const seed of SEEDS) {
  const latencyMs = LATENCIES[seed % LATENCIES.length] ?? 0;
  test(`UDP passes again: links go over to it in both directions, and no packet is lost (seed ${seed}, latency ${latencyMs} ms)`, (t) => {
    const world = blocked(t, seed, { latencyMs, jitterMs: 4 });
    const { a, b, peer, network } = world;
    linked(t, world);
    const voices = voicesOf(world, waysOf(world), 50_000);
    network.loop.run(1_000 + network.random.float() * 4_000);
    world.homeA.isCut = () => false;
    const since = a.now;
    t.true(world.until(() => pathOf(a, peer).over === undefined, 60_000));
    t.log(`the peer by UDP after ${(a.now - since).toFixed(0)} ms`);
    t.true(world.until(() => pathOf(a, b).type !== 'relay' && pathOf(b, a).type !== 'relay', 60_000));
    t.log(`directly after ${(a.now - since).toFixed(0)} ms`);
    network.loop.run(52_000);
    for (const { lost, silenceMs } of heard(t, voices)) {
      t.is(lost, 0);
      t.true(silenceMs < 200, `${silenceMs} ms`);
    }
    t.is(world.handshakes(a, b), 1);
    t.is(world.handshakes(a, peer), 1);
  });
}

for (const seed of SEEDS)
  test(`the line is dead for three seconds: the link by a stream and the one through it go on, with the same associations (seed ${seed})`, (t) => {
    const world = blocked(t, seed, { latencyMs: 15, jitterMs: 10, loss: seed % 2 === 0 ? 0 : 0.02 });
    const { a, b, peer, network } = world;
    linked(t, world);
    const voices = voicesOf(world, waysOf(world).slice(0, 3), 20_000);
    network.loop.run(2_000 + network.random.float() * 1_000);
    world.homeA.isCut = () => true;
    network.loop.run(3_000);
    world.homeA.isCut = ({ transport }) => transport !== 'tcp';
    network.loop.run(25_000);
    for (const { silenceMs, lost } of heard(t, voices)) {
      t.true(silenceMs < 3_000 + 1_500, `${silenceMs} ms`);
      t.true(lost < 250, `${lost} lost`);
    }
    t.is(world.handshakes(a, b), 1);
    t.is(world.handshakes(a, peer), 1);
    t.is(a.count('down') + b.count('down'), 0);
  });

for (const seed of SEEDS)
  test(`the host that accepts the streams dies: what went through it goes through another one, and the link with it ends (seed ${seed})`, (t) => {
    const world = blocked(t, seed, { latencyMs: 15, jitterMs: 5 });
    const { a, b, peer, network, overlay } = world;
    const address = '203.0.113.9';
    const other = new SimNode(network, network.host(network.internet, address), simHit(9), overlay, {
      streams: [{ address, port: STREAM_PORT }],
    });
    other.dataPlane.setRelay(1_000_000);
    b.dial(other);
    a.dialStream(other);
    t.true(world.until(() => a.links.isUp(other.hit) && b.links.isUp(other.hit), 10_000));
    b.dial(peer);
    a.dialStream(peer);
    t.true(world.until(() => a.links.isUp(peer.hit) && b.links.isUp(peer.hit), 10_000));
    network.loop.run(1_000);
    a.connect(b.hit);
    t.true(world.until(() => world.linked, 10_000));
    network.loop.run(5_000);
    const [dead, left] = pathOf(a, b).via === peer.hit ? [peer, other] : [other, peer];
    const voices = voicesOf(
      world,
      [
        [a, b],
        [b, a],
      ],
      30_000,
    );
    network.loop.run(1_000 + network.random.float() * 2_000);
    dead.kill();
    network.loop.run(90_000);
    for (const { silenceMs } of heard(t, voices)) {
      t.true(silenceMs < 500, `${silenceMs} ms`);
    }
    t.is(pathOf(a, b).via, left.hit);
    t.true(a.events.some((event) => event.type === 'down' && event.hit === dead.hit));
    t.is(world.handshakes(a, b), 1);
    t.true(a.links.isUp(left.hit));
  });

for (const seed of SEEDS)
  test(`UDP is dropped from one moment on: the link with the peer goes on by a stream, and the direct one through the peer (seed ${seed})`, (t) => {
    const latencyMs = LATENCIES[seed % LATENCIES.length] ?? 0;
    const world = blocked(t, seed, { latencyMs, jitterMs: 4 });
    const { a, b, peer, network } = world;
    world.homeA.isCut = () => false;
    t.true(world.join());
    t.true(world.call());
    t.not(pathOf(a, b).type, 'relay');
    const voices = voicesOf(world, waysOf(world), 20_000);
    network.loop.run(1_000 + network.random.float() * 2_000);
    world.homeA.isCut = ({ transport }) => transport !== 'tcp';
    network.loop.run(25_000);
    for (const { silenceMs } of heard(t, voices)) {
      t.true(silenceMs < 3_500, `${silenceMs} ms`);
    }
    t.like(pathOf(a, peer), { over: 'tls' });
    t.like(pathOf(a, b), { type: 'relay', via: peer.hit });
    t.is(world.handshakes(a, b), 1);
    t.is(world.handshakes(a, peer), 1);
  });

for (const seed of SEEDS)
  test(`a host on a stream moves to another network that drops UDP: the links go on by another stream (seed ${seed})`, (t) => {
    const latencyMs = LATENCIES[seed % LATENCIES.length] ?? 0;
    const world = blocked(t, seed, { latencyMs, jitterMs: 4 });
    const { a, b, peer, network } = world;
    world.thirdHome.isCut = world.homeA.isCut;
    linked(t, world);
    const voices = voicesOf(world, waysOf(world), 20_000);
    network.loop.run(1_000 + network.random.float() * 2_000);
    a.host.move(world.thirdHome, '10.0.3.9');
    network.loop.run(25_000);
    for (const { silenceMs } of heard(t, voices)) {
      t.true(silenceMs < 1_000, `${silenceMs} ms`);
    }
    t.like(pathOf(a, peer), { over: 'tls' });
    t.is(world.handshakes(a, b), 1);
    t.is(world.handshakes(a, peer), 1);
  });

for (const seed of SEEDS)
  test(`the router reboots under a stream: the links go on, with the same associations (seed ${seed})`, (t) => {
    const latencyMs = LATENCIES[seed % LATENCIES.length] ?? 0;
    const world = blocked(t, seed, { latencyMs, jitterMs: 4 });
    const { a, b, peer, network } = world;
    linked(t, world);
    const voices = voicesOf(world, waysOf(world), 20_000);
    network.loop.run(1_000 + network.random.float() * 2_000);
    world.natA.reboot('198.51.100.77');
    network.loop.run(25_000);
    for (const { silenceMs } of heard(t, voices)) {
      t.true(silenceMs < 1_500, `${silenceMs} ms`);
    }
    t.like(pathOf(a, peer), { over: 'tls' });
    t.is(world.handshakes(a, b), 1);
    t.is(world.handshakes(a, peer), 1);
  });
