import { request } from '../../../src/control/client.ts';
import { Agent } from '../agent.ts';
import { knownRoamers } from '../contenders.ts';
import { INNER } from '../contenders/contender.ts';
import { ScriptError } from '../command.ts';
import { Crowd } from '../crowd.ts';
import type { Lab, Namespace } from '../lab.ts';
import { METERED, Meter } from '../metered-agent.ts';
import type { Scene } from './scene.ts';

/** What carries the call between the ends of a scene. */
export interface Tunnel {
  readonly addressOfA: string;
  readonly addressOfB: string;
  /** Control sockets of a and b; absent: not of idloc. */
  readonly sockets?: readonly string[];
  /** Handshakes so far at both ends; undefined: nobody counts them. */
  handshakes(): Promise<number | undefined>;
  /** The longest turn of the mover's event loop since the last time, ms of CPU; absent: it is not measured. */
  worstTurnMs?(): Promise<number>;
  /** False: not all that was there at the beginning survived a move; it is to be made anew. */
  isWhole?(): Promise<boolean>;
}

/** On a machine that others use too. */
const START_TIMEOUT_MS = 90_000;
const AGENT_PORT = 6084;
/** Each a handshake of both ends on the cores that there are. */
const GROW_TIMEOUT_MS = 300_000;
const COUNT_TIMEOUT_MS = 10_000;
/** What a thousand hosts do is not to take the cores of the two that talk. */
const CROWD_NICENESS = 19;

type TunnelMaker = (scene: Scene) => Promise<Tunnel>;

/** In the order of the tables. */
export function knownTunnels(): ReadonlyMap<string, TunnelMaker> {
  const rivals = [...knownRoamers()].map(([who, make]) => [who, rivalTunnel(make)] as const);
  return new Map([['idloc', idlocTunnel], ...rivals]);
}

async function idlocTunnel(scene: Scene): Promise<Tunnel> {
  return scene.kind === 'crowd' ? crowdTunnel(scene) : pairTunnel(scene);
}

/** Two members who were let in by a public one. */
async function pairTunnel({ lab, publicHost, a, b }: Scene): Promise<Tunnel> {
  const founder = await readyFounder(lab, publicHost.namespace);
  const ends = await Promise.all([
    readyMember(lab, founder, a.host.namespace, 'alice'),
    readyMember(lab, founder, b.host.namespace, 'bob'),
  ]);
  return tunnelOf(ends);
}

/** The mover has let in everybody: whom it calls, and the crowd, on the public host. */
async function crowdTunnel({ lab, publicHost, a, b, links }: Scene): Promise<Tunnel> {
  const mover = await readyFounder(lab, a.host.namespace, METERED);
  const meter = new Meter(mover);
  const tunnel = await tunnelOf([mover, await readyMember(lab, mover, b.host.namespace, 'bob')]);
  const reached = { address: a.reachedAt, port: AGENT_PORT };
  const crowd = await Crowd.start(publicHost.namespace, mover.state, reached, CROWD_NICENESS);
  await crowd.ask('grow', links, GROW_TIMEOUT_MS);
  return {
    ...tunnel,
    worstTurnMs: async () => (await meter.read()).worstMs,
    isWhole: async () => {
      const { linked } = await crowd.ask('count', 0, COUNT_TIMEOUT_MS);
      return linked === links;
    },
  };
}

async function readyFounder(
  lab: Lab,
  namespace: Namespace,
  environment: Readonly<Record<string, string>> = {},
): Promise<Agent> {
  const founder = Agent.launch(lab, {
    namespace,
    name: 'founder',
    overlay: { create: 'handover.example' },
    environment,
  });
  await founder.ready(START_TIMEOUT_MS);
  return founder;
}

/** As a phone or a laptop: it is on nobody's route. */
async function readyMember(lab: Lab, founder: Agent, namespace: Namespace, name: string): Promise<Agent> {
  const overlay = { join: await founder.invite() };
  const member = Agent.launch(lab, { namespace, name, overlay, configuration: 'role = "client"\n' });
  await member.ready(START_TIMEOUT_MS);
  return member;
}

async function tunnelOf(ends: readonly [Agent, Agent]): Promise<Tunnel> {
  const [a, b] = [await ends[0].status(), await ends[1].status()];
  return {
    addressOfA: a.hit,
    addressOfB: b.hit,
    sockets: ends.map(({ socket }) => socket),
    handshakes: async () => {
      const counters = await Promise.all(ends.map(async ({ socket }) => request(socket, 'counters', {})));
      return counters.reduce((sum, { handshakesCompleted = 0 }) => sum + handshakesCompleted, 0);
    },
  };
}

/** As they come, each told where the other is when it begins. */
function rivalTunnel(make: NonNullable<ReturnType<ReturnType<typeof knownRoamers>['get']>>): TunnelMaker {
  return async ({ lab, kind, publicHost, a, b }) => {
    if (kind === 'crowd') throw new ScriptError('only members of idloc come in crowds here');
    await make(lab, {
      a: a.host.namespace,
      b: b.host.namespace,
      // A NAT that both can pass leaves them their ports.
      underlay: { a: kind === 'nat' ? null : a.reachedAt, b: b.reachedAt },
      ...(kind === 'nats' ? { isBehindNats: true, third: publicHost } : {}),
    });
    return { addressOfA: INNER.a.ipv4, addressOfB: INNER.b.ipv4, handshakes: async () => Promise.resolve(undefined) };
  };
}
