import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { SocketAddress } from '../../src/base/socket-address.ts';
import type { Datagram } from '../sim/network/datagram.ts';
import { HOME_NAT, LINUX_NAT } from '../sim/network/nat.ts';
import type { NatBehaviour } from '../sim/network/nat.ts';
import type { SimNode } from '../sim/network/sim-node.ts';
import { ThreeHosts } from '../sim/network/three-hosts.ts';
import type { ThreeHostsOptions } from '../sim/network/three-hosts.ts';
import { Voice } from '../sim/network/voice.ts';

/**
 * How long a call is silent when something happens to the network, in virtual time: each situation with five seeds and two
 * distances, each seed with an instant of its own.
 */
const SEEDS = [1, 2, 3, 4, 5];
/** One way on the Internet. With the two home networks the round-trip time is 6 and 60 ms. */
const LATENCIES_MS = [1, 28];
const LAN_MS = 1;
const BEFORE_MS = 2_000;
const INSTANTS_MS = 1_000;
/** Longer than every bound. */
const AFTER_MS = 10_000;

const SECOND_ADDRESS = '10.0.3.9';
/** After a restart the port is another one, and the far end's NAT lets in only what it knows. */
const STRICT_NAT: NatBehaviour = { ...HOME_NAT, portPreservation: false };

const AWAY_MS = 3_000;
const FORGETS_EVERY_MS = 2_000;

type Senders = 'both send' | 'only A sends' | 'only B sends';
const ALL_SENDERS: readonly Senders[] = ['both send', 'only A sends', 'only B sends'];

interface Situation {
  readonly options?: ThreeHostsOptions;
  /** Before the hosts join. */
  readonly prepare?: (world: ThreeHosts) => void;
  readonly happens: (world: ThreeHosts) => void;
  readonly senders: Senders;
  /** How long it goes on happening, ms; absent: an instant. */
  readonly lastsMs?: number;
  /** Of silence: so many ms, and so many round trips. */
  readonly boundMs: number;
  readonly roundTrips: number;
  /** Instead: nothing may be lost or come out of order. */
  readonly nothingLost?: boolean;
}

interface Worst {
  readonly name: string;
  silenceMs: number;
  lost: number;
  reordered: number;
  /** The one that is the farthest above its bound. */
  overMs: number;
}

function inCall(t: ExecutionContext, seed: number, latencyMs: number, situation: Situation): ThreeHosts {
  const world = new ThreeHosts(t, seed, { internet: { latencyMs }, ...situation.options });
  situation.prepare?.(world);
  t.true(world.join());
  t.true(world.call());
  return world;
}

function hear(t: ExecutionContext, situation: Situation): void {
  const toA: Worst = { name: 'A hears B', silenceMs: 0, lost: 0, reordered: 0, overMs: -Infinity };
  const toB: Worst = { ...toA, name: 'B hears A' };
  for (const latencyMs of LATENCIES_MS)
    for (const seed of SEEDS) {
      const world = inCall(t, seed, latencyMs, situation);
      const { a, b, network } = world;
      const afterMs = AFTER_MS + (situation.lastsMs ?? 0);
      const ids = [world.linkId(a, b), world.linkId(b, a)];
      const voice = (from: SimNode, to: SimNode): Voice =>
        new Voice(network.loop, from, to, BEFORE_MS + INSTANTS_MS + afterMs);
      const voices = [
        ...(situation.senders === 'only A sends' ? [] : [{ worst: toA, flow: voice(b, a) }]),
        ...(situation.senders === 'only B sends' ? [] : [{ worst: toB, flow: voice(a, b) }]),
      ];
      network.loop.run(BEFORE_MS + network.random.float() * INSTANTS_MS);
      situation.happens(world);
      network.loop.run(INSTANTS_MS + afterMs + 100);
      const bound = situation.boundMs + situation.roundTrips * 2 * (latencyMs + 2 * LAN_MS);
      for (const { worst, flow } of voices) {
        const { silenceMs, lost, reordered } = flow.heard();
        worst.silenceMs = Math.max(worst.silenceMs, silenceMs);
        worst.lost = Math.max(worst.lost, lost);
        worst.reordered = Math.max(worst.reordered, reordered);
        worst.overMs = Math.max(worst.overMs, silenceMs - bound);
      }
      t.deepEqual([world.linkId(a, b), world.linkId(b, a)], ids, `seed ${seed}: another association`);
      t.is(world.handshakes(a, b), 1);
    }
  for (const { name, silenceMs, lost, reordered } of [toA, toB])
    t.log(`${name}: silent for ${silenceMs.toFixed(0)} ms, ${lost} lost, ${reordered} reordered`);
  for (const { name, overMs, lost, reordered } of [toA, toB]) {
    if (situation.nothingLost === true) t.deepEqual({ lost, reordered }, { lost: 0, reordered: 0 }, name);
    else t.true(overMs <= 0, `${name}: ${overMs.toFixed(0)} ms longer than may be`);
  }
}

function secondUplink(world: ThreeHosts): void {
  world.a.host.plug(world.thirdHome, SECOND_ADDRESS);
}

/** From which `node` sends to `peer`. */
function usedAddress(node: SimNode, peer: SimNode): string {
  return node.links.snapshot().links.find(({ hit }) => hit === peer.hit)?.path?.local?.address ?? '';
}

function usedNat({ a, b, natA, thirdNat }: ThreeHosts): ThreeHosts['natA'] {
  return usedAddress(a, b) === SECOND_ADDRESS ? thirdNat : natA;
}

interface Description extends Omit<Situation, 'senders'> {
  /** Tried with a member that hands on as well, as overlays mostly have it. */
  readonly handedOn?: readonly Senders[];
}

/** One test for each choice of senders. */
function situation(title: string, what: Description): void {
  const { handedOn = [], ...rest } = what;
  const trips = what.roundTrips === 1 ? 'a round trip' : `${what.roundTrips} round trips`;
  const bound =
    what.nothingLost === true
      ? 'nothing is lost or out of order'
      : `at most ${what.boundMs} ms and ${trips} of silence`;
  for (const senders of ALL_SENDERS) test(`${title}, ${senders}: ${bound}`, hear, { ...rest, senders });
  const handsOn = { ...rest, options: { ...rest.options, relay: true } };
  for (const senders of handedOn)
    test(`${title}, a member hands on, ${senders}: ${bound}`, hear, { ...handsOn, senders });
}

function innerOf(a: SimNode): SocketAddress {
  return { address: '10.0.0.2', port: a.dataPlane.port };
}

function remoteOf(a: SimNode, b: SimNode): SocketAddress {
  const remote = a.links.snapshot().links.find(({ hit }) => hit === b.hit)?.path?.remote;
  if (remote === undefined) throw new Error('no path');
  return remote;
}

function rebind({ natA, a, b }: ThreeHosts): void {
  natA.rebind(innerOf(a), remoteOf(a, b));
}

// What the kernel tells of

situation('A moves behind another NAT', {
  happens: ({ a, thirdHome }) => a.host.move(thirdHome, SECOND_ADDRESS),
  ...{ boundMs: 60, roundTrips: 2 },
  handedOn: ['both send', 'only B sends'],
});

situation('B moves behind another NAT', {
  happens: ({ b, thirdHome }) => b.host.move(thirdHome, SECOND_ADDRESS),
  ...{ boundMs: 60, roundTrips: 2 },
  handedOn: ['both send', 'only A sends'],
});

situation('A moves twenty times, once a second', {
  happens: ({ a, network, thirdHome, fourthHome }) => {
    for (let i = 0; i < 20; i++)
      network.loop.after(i * 1_000, () => a.host.move(i % 2 === 0 ? thirdHome : fourthHome, `10.0.3.${20 + i}`));
  },
  ...{ lastsMs: 20_000, boundMs: 60, roundTrips: 2 },
  handedOn: ['both send', 'only B sends'],
});

situation('A moves from IPv4 to IPv6, and back five seconds later', {
  prepare: ({ b, peer, network }) => {
    peer.host.plug(network.internet, '2001:db8:1::1');
    b.host.plug(network.internet, '2001:db8:b::10');
  },
  happens: ({ a, network, thirdHome }) => {
    a.host.move(network.internet, '2001:db8:a::10');
    network.loop.after(5_000, () => a.host.move(thirdHome, SECOND_ADDRESS));
  },
  ...{ lastsMs: 5_000, boundMs: 60, roundTrips: 2 },
  handedOn: ALL_SENDERS,
});

situation('A is without a network for three seconds and comes up behind another NAT', {
  happens: ({ a, network, thirdHome }) => {
    a.host.unplug('10.0.0.2');
    network.loop.after(AWAY_MS, () => a.host.plug(thirdHome, SECOND_ADDRESS));
  },
  ...{ lastsMs: AWAY_MS, boundMs: AWAY_MS + 60, roundTrips: 2 },
  handedOn: ['both send', 'only B sends'],
});

situation('both move at once', {
  happens: ({ a, b, thirdHome, fourthHome }) => {
    a.host.move(thirdHome, SECOND_ADDRESS);
    b.host.move(fourthHome, '10.0.4.9');
  },
  ...{ boundMs: 300, roundTrips: 2 },
});

situation('a better uplink comes up and the first goes two seconds later', {
  happens: ({ a, network, thirdHome }) => {
    a.host.plug(thirdHome, SECOND_ADDRESS);
    a.host.setDefaultRoute(thirdHome.name, 50);
    network.loop.after(2_000, () => a.host.unplug('10.0.0.2'));
  },
  ...{ lastsMs: 2_000, boundMs: 0, roundTrips: 0, nothingLost: true },
});

situation('the only default route goes to another uplink and the addresses stay', {
  prepare: (world) => {
    secondUplink(world);
    world.a.host.moveDefaultRoute('home-a');
  },
  happens: ({ a }) => a.host.moveDefaultRoute('home-c'),
  // Until consent would end at the side that hears nothing.
  ...{ lastsMs: 25_000, boundMs: 60, roundTrips: 2 },
  handedOn: ['both send', 'only A sends'],
});

situation('of two default routes the other one becomes the better', {
  prepare: secondUplink,
  happens: ({ a }) => a.host.setDefaultRoute('home-c', 50),
  ...{ boundMs: 0, roundTrips: 0, nothingLost: true },
});

situation('a temporary IPv6 address is deprecated and removed three seconds later', {
  options: { ipv6: true },
  happens: ({ a, network }) => {
    a.host.plug(network.internet, '2001:db8:a::20');
    a.host.deprecate('2001:db8:a::10');
    network.loop.after(3_000, () => a.host.unplug('2001:db8:a::10'));
  },
  ...{ lastsMs: 3_000, boundMs: 60, roundTrips: 1 },
});

// What nobody tells

situation('the used path dies silently and a second uplink is healthy', {
  prepare: secondUplink,
  happens: (world) => usedNat(world).die(),
  ...{ boundMs: 120, roundTrips: 1 },
  handedOn: ['both send'],
});

situation('the used path dies silently, five seconds after a second uplink came up', {
  happens: (world) => {
    secondUplink(world);
    world.network.loop.after(5_000, () => usedNat(world).die());
  },
  ...{ lastsMs: 5_000, boundMs: 120, roundTrips: 1 },
  handedOn: ['both send'],
});

function isBetween({ source, destination }: Datagram, one: string, other: string): boolean {
  const ends = [source.address, destination.address];
  return ends.includes(one) && ends.includes(other);
}

situation('the used path dies silently and a second uplink leads to the member that hands on alone', {
  options: { relay: true },
  prepare: (world) => {
    secondUplink(world);
    world.network.internet.isCut = (datagram) => isBetween(datagram, '198.51.100.3', '198.51.100.2');
  },
  happens: ({ natA }) => natA.die(),
  // One after the other the path to B is found silent, and that to the member is another one.
  ...{ boundMs: 400, roundTrips: 5 },
});

situation('the router of the used uplink loses its line', {
  prepare: secondUplink,
  happens: (world) => usedNat(world).loseLine(),
  ...{ boundMs: 120, roundTrips: 1 },
  handedOn: ['both send'],
});

situation('the used path of B dies silently and B has a second uplink', {
  prepare: ({ b, thirdHome }) => b.host.plug(thirdHome, SECOND_ADDRESS),
  happens: (world) => (usedAddress(world.b, world.a) === SECOND_ADDRESS ? world.thirdNat : world.natB).die(),
  ...{ boundMs: 120, roundTrips: 1 },
  handedOn: ['both send'],
});

for (const { what, end, alone } of [
  { what: 'what A sends by', end: 'source', alone: 'only A sends' },
  { what: 'what A is sent by', end: 'destination', alone: 'only B sends' },
] as const)
  situation(`${what} the used path is lost and a second uplink is healthy`, {
    prepare: secondUplink,
    happens: ({ a, b, homeA, thirdHome }) => {
      const address = usedAddress(a, b);
      (address === SECOND_ADDRESS ? thirdHome : homeA).isCut = (datagram) => datagram[end].address === address;
    },
    ...{ boundMs: 120, roundTrips: 1 },
    handedOn: ['both send', alone],
  });

situation('the only router of A is off the line for three seconds and has another address then', {
  happens: ({ natA, network }) => {
    natA.loseLine();
    network.loop.after(AWAY_MS, () => natA.reboot('198.51.100.77'));
  },
  ...{ lastsMs: AWAY_MS, boundMs: AWAY_MS + 400, roundTrips: 2 },
  handedOn: ['both send', 'only B sends'],
});

situation('a strict NAT restarts towards another strict one', {
  options: { natA: STRICT_NAT, natB: STRICT_NAT },
  happens: ({ natA }) => natA.reboot(),
  ...{ boundMs: 400, roundTrips: 2 },
  handedOn: ['both send', 'only B sends'],
});

situation('a strict NAT restarts with another address towards another strict one', {
  options: { natA: STRICT_NAT, natB: STRICT_NAT },
  happens: ({ natA }) => natA.reboot('198.51.100.77'),
  ...{ boundMs: 400, roundTrips: 2 },
  handedOn: ['both send', 'only B sends'],
});

situation('a mapping rebinds silently and the far NAT lets everything in', {
  options: { natB: { ...HOME_NAT, filtering: 'endpoint-independent' } },
  happens: rebind,
  ...{ boundMs: 200, roundTrips: 1 },
});

situation('a mapping rebinds silently towards a strict NAT', {
  options: { natA: STRICT_NAT, natB: STRICT_NAT },
  happens: rebind,
  ...{ boundMs: 400, roundTrips: 2 },
  handedOn: ['both send', 'only B sends'],
});

for (const [routers, nat] of [
  ['home NATs', HOME_NAT],
  ['Linux routers', LINUX_NAT],
] as const)
  situation(`between ${routers} that of A forgets the mapping`, {
    options: { natA: nat, natB: nat },
    happens: ({ natA, a, b }) => natA.forgetMapping(innerOf(a), remoteOf(a, b)),
    ...{ boundMs: 400, roundTrips: 2 },
  });

situation('between home NATs that of A forgets the mapping three times in a row', {
  happens: ({ natA, a, b, network }) => {
    for (let i = 0; i < 3; i++)
      network.loop.after(i * FORGETS_EVERY_MS, () => natA.forgetMapping(innerOf(a), remoteOf(a, b)));
  },
  ...{ lastsMs: 2 * FORGETS_EVERY_MS, boundMs: 400, roundTrips: 2 },
});

for (const senders of ALL_SENDERS)
  test(`the path between two homes is cut under a call, ${senders}: within half a second somebody asks the overlay`, (t) => {
    // It is asked after 30 s, when consent ends.
    for (const seed of SEEDS) {
      const world = new ThreeHosts(t, seed);
      t.true(world.join());
      t.true(world.call());
      const { a, b, network } = world;
      if (senders !== 'only B sends') new Voice(network.loop, a, b, 5_000);
      if (senders !== 'only A sends') new Voice(network.loop, b, a, 5_000);
      network.loop.run(BEFORE_MS);
      network.internet.isCut = ({ source, destination }) =>
        [source, destination].every(({ address }) => ['198.51.100.1', '198.51.100.2'].includes(address));
      t.true(world.until(() => a.count('needsRestart') + b.count('needsRestart') > 0, 500));
    }
  });
