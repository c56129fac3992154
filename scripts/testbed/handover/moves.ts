import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../watched-call.ts';
import type { MovingHost, Scene, SceneKind } from './scene.ts';

const OVERLAP_MS = 1000;
const TWENTY = 20;
const TWENTY_EVERY_MS = 1000;
/** A second way of a host is found and tried in this time. */
const SECOND_WAY_MS = 4000;
/** Enough of a call to see which way it takes. */
const SAMPLE_MS = 300;

/** What is not to be exceeded by the median: silence in milliseconds and round trips. */
export interface Bound {
  readonly ms: number;
  readonly roundTrips: number;
}

export interface Move {
  readonly scene: SceneKind;
  /** Absent: the call has to be up afterwards. */
  readonly bound?: Bound;
  readonly losesNothing?: boolean;
  /** Before the call begins. */
  readonly prepare?: (scene: Scene) => Promise<void>;
  readonly act: (scene: Scene) => Promise<void>;
  /** Takes back what `act` did to routers. */
  readonly undo?: (scene: Scene) => Promise<void>;
}

const hard = async ({ a }: Scene): Promise<void> => a.moveAtOnce();
const reboot = async ({ a }: Scene): Promise<void> => a.network.reboot();
const rebind = async ({ a }: Scene): Promise<void> => a.network.rebind();

const deadPath: Pick<Move, 'prepare' | 'act' | 'undo'> = {
  prepare: async ({ a }) => {
    await a.useBoth();
    await delay(SECOND_WAY_MS);
  },
  act: async ({ a }) => (await busiest(a)).set({ blackhole: 'on' }),
  undo: async ({ a }) => {
    for (const network of a.networks) await network.set({ blackhole: 'off' });
    await a.useOne();
  },
};

/** The names are a contract; `_nat`: the far end is behind a NAT as well. After a hard move that one has to learn of the way: a round trip more. */
export const MOVES: Readonly<Record<string, Move>> = {
  hard: { scene: 'open', bound: { ms: 60, roundTrips: 1 }, act: hard },
  many: { scene: 'crowd', bound: { ms: 60, roundTrips: 1 }, act: hard },
  hard_nat: { scene: 'nats', bound: { ms: 60, roundTrips: 2 }, act: hard },
  overlap: {
    scene: 'open',
    losesNothing: true,
    act: async ({ a }) => a.moveOverlapping(async () => delay(OVERLAP_MS)),
  },
  both: {
    scene: 'open',
    bound: { ms: 300, roundTrips: 2 },
    act: async ({ a, b }) => {
      await Promise.all([a.moveAtOnce(), b.moveAtOnce()]);
    },
  },
  nat_reboot: { scene: 'nat', bound: { ms: 400, roundTrips: 2 }, act: reboot },
  nat_reboot_nat: { scene: 'nats', bound: { ms: 400, roundTrips: 2 }, act: reboot },
  rebind: { scene: 'nat', bound: { ms: 200, roundTrips: 1 }, act: rebind },
  rebind_nat: { scene: 'nats', bound: { ms: 200, roundTrips: 1 }, act: rebind },
  dead_path: { scene: 'nat', bound: { ms: 120, roundTrips: 1 }, ...deadPath },
  // The other way is known to both already.
  dead_path_nat: { scene: 'nats', bound: { ms: 120, roundTrips: 1 }, ...deadPath },
  // To IPv6 alone and back in turn.
  families: { scene: 'families', act: hard },
  twenty: {
    scene: 'open',
    act: async ({ a }) => {
      const from = monotonicMs();
      for (let i = 1; i <= TWENTY; i++) {
        await a.moveAtOnce();
        // Long enough after the move to be no part of it.
        await delay(TWENTY_EVERY_MS / 2);
        await a.ready();
        if (i < TWENTY) await delay(Math.max(from + i * TWENTY_EVERY_MS - monotonicMs(), 0));
      }
    },
  },
};

/** The network that carries the call: counted, not guessed. */
async function busiest({ networks }: MovingHost): Promise<MovingHost['networks'][number]> {
  const forwarded = async (): Promise<number[]> =>
    Promise.all(networks.map(async (network) => (await network.state()).forwarded));
  const before = await forwarded();
  await delay(SAMPLE_MS);
  const carried = (await forwarded()).map((count, i) => count - (before[i] ?? 0));
  const most = networks[carried.indexOf(Math.max(...carried))];
  if (most === undefined) throw new Error('a host has networks');
  return most;
}
