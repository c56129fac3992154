import { request } from '../../../src/control/client.ts';
import { Agent } from '../agent.ts';
import { knownRoamers } from '../contenders.ts';
import { INNER } from '../contenders/contender.ts';
import type { Namespace } from '../lab.ts';
import type { Scene } from './scene.ts';

/** What carries the call between the ends of a scene. */
export interface Tunnel {
  readonly addressOfA: string;
  readonly addressOfB: string;
  /** Handshakes so far at both ends; undefined: nobody counts them. */
  handshakes(): Promise<number | undefined>;
}

/** On a machine that others use too. */
const START_TIMEOUT_MS = 90_000;

type TunnelMaker = (scene: Scene) => Promise<Tunnel>;

/** In the order of the tables. */
export function knownTunnels(): ReadonlyMap<string, TunnelMaker> {
  const rivals = [...knownRoamers()].map(([who, make]) => [who, rivalTunnel(make)] as const);
  return new Map([['idloc', idlocTunnel], ...rivals]);
}

/** Two members who were let in by a public one. */
async function idlocTunnel({ lab, publicHost, a, b }: Scene): Promise<Tunnel> {
  const founder = Agent.launch(lab, {
    namespace: publicHost.namespace,
    name: 'founder',
    overlay: { create: 'handover.example' },
  });
  await founder.ready(START_TIMEOUT_MS);
  const member = async (namespace: Namespace, name: string): Promise<Agent> =>
    Agent.launch(lab, {
      namespace,
      name,
      overlay: { join: await founder.invite() },
      // As a phone or a laptop: it is on nobody's route.
      configuration: 'role = "client"\n',
    });
  const ends = await Promise.all([member(a.host.namespace, 'alice'), member(b.host.namespace, 'bob')]);
  const [one, two] = await Promise.all(ends.map(async (agent) => agent.ready(START_TIMEOUT_MS)));
  return {
    addressOfA: one?.hit ?? '',
    addressOfB: two?.hit ?? '',
    handshakes: async () => {
      const counters = await Promise.all(ends.map(async ({ socket }) => request(socket, 'counters', {})));
      return counters.reduce((sum, { handshakesCompleted = 0 }) => sum + handshakesCompleted, 0);
    },
  };
}

/** As they come, each told where the other is when it begins. */
function rivalTunnel(make: NonNullable<ReturnType<ReturnType<typeof knownRoamers>['get']>>): TunnelMaker {
  return async ({ lab, kind, a, b }) => {
    await make(lab, {
      a: a.host.namespace,
      b: b.host.namespace,
      // A NAT that both can pass leaves them their ports.
      underlay: { a: kind === 'nat' ? null : a.reachedAt, b: b.reachedAt },
      isBehindNats: kind === 'nats',
    });
    return { addressOfA: INNER.a.ipv4, addressOfB: INNER.b.ipv4, handshakes: async () => Promise.resolve(undefined) };
  };
}
