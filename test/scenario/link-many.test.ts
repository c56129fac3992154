import test from 'ava';
import type { ExecutionContext } from 'ava';
import { SimNetwork } from '../sim/network/network.ts';
import { simHit, SimNode } from '../sim/network/sim-node.ts';
import type { SimOverlay } from '../sim/network/sim-node.ts';
import { Voice } from '../sim/network/voice.ts';

const LINKS = 1_000;
const CALL_BEFORE_MS = 3_000;
const CALL_AFTER_MS = 5_000;
const LATENCY_MS = 10;
/** Home network, Internet and back. */
const ROUND_TRIP_MS = 2 * (LATENCY_MS + 1);
/** RFC 8445 s14.2 paces checks; a burst of so many small datagrams is a few packets for each core of a home router. */
const MOST_AT_ONCE = 64;
const CALLED = LINKS / 2;

interface Move {
  /** Datagrams of the mover in each instant from its move on, with their destinations. */
  readonly sent: Map<number, string[]>;
  readonly called: string;
  readonly voices: readonly [toMover: Voice, fromMover: Voice];
  readonly handshakes: number;
}

/** A host at home with links to many public ones, a call with one of them, moves behind another NAT. */
function moveWithManyLinks(t: ExecutionContext, seed: number): Move {
  t.log(`seed ${seed}`);
  const network = new SimNetwork(seed, { latencyMs: LATENCY_MS });
  const { loop } = network;
  const overlay: SimOverlay = { nodes: new Map(), via: simHit(1) };
  const homes = ['home-a', 'home-b'].map((name, i) => network.home(name, `198.51.100.${i + 1}`).lan);
  const [first, second] = homes;
  if (first === undefined || second === undefined) throw new Error('no homes');
  const mover = new SimNode(network, network.host(first, '10.0.1.2'), simHit(0xffff), overlay);
  const others = Array.from({ length: LINKS }, (_, i) => {
    const host = network.host(network.internet, `203.0.${113 + Math.floor(i / 250)}.${1 + (i % 250)}`);
    return new SimNode(network, host, simHit(1 + i), overlay);
  });
  for (const [i, node] of others.entries()) loop.after(i * 2, () => mover.dial(node));
  const linked = (): boolean => others.every(({ hit }) => mover.links.isUp(hit));
  for (let second = 0; second < 30 && !linked(); second++) loop.run(1_000);
  t.true(linked());
  loop.run(10_000);
  const called = others[CALLED];
  if (called === undefined) throw new Error('nobody to call');
  const ms = CALL_BEFORE_MS + CALL_AFTER_MS;
  const voices = [new Voice(loop, called, mover, ms), new Voice(loop, mover, called, ms)] as const;
  loop.run(CALL_BEFORE_MS);
  const sent: Move['sent'] = new Map();
  second.isCut = ({ source, destination }) => {
    if (source.address === '10.0.2.9') sent.set(loop.now, [...(sent.get(loop.now) ?? []), destination.address]);
    return false;
  };
  mover.host.move(second, '10.0.2.9');
  loop.run(CALL_AFTER_MS + 100);
  const handshakes = mover.links.snapshot().links.reduce((sum, link) => sum + link.handshakes, 0);
  return { sent, called: called.host.addresses[0] ?? '', voices, handshakes };
}

let made: Move | undefined;
/** One for all: a thousand hosts are many. */
function theMove(t: ExecutionContext): Move {
  made ??= moveWithManyLinks(t, 1);
  return made;
}

test(`a mover with ${LINKS} links and a call with one of them sends to that one first`, (t) => {
  const { sent, called } = theMove(t);
  const [[, atOnce] = [0, []]] = sent;
  t.is(atOnce[0], called);
});

test(`a mover with ${LINKS} links sends at most ${MOST_AT_ONCE} datagrams in one instant`, (t) => {
  const { sent } = theMove(t);
  const most = Math.max(...[...sent.values()].map(({ length }) => length));
  t.true(most <= MOST_AT_ONCE, `${most} datagrams`);
});

test(`a mover with ${LINKS} links: its call is silent for at most 60 ms and a round trip, and no link is made anew`, (t) => {
  const { voices, handshakes } = theMove(t);
  for (const [i, voice] of voices.entries()) {
    const { silenceMs } = voice.heard();
    t.log(`${i === 0 ? 'the mover' : 'the other'} hears nothing for ${silenceMs.toFixed(0)} ms`);
    t.true(silenceMs <= 60 + ROUND_TRIP_MS, `${silenceMs} ms`);
  }
  t.is(handshakes, LINKS);
});
