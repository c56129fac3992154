import { Agent } from './agent.ts';
import { Lab } from './lab.ts';
import { twoHomes } from './topology.ts';
import type { TwoHomes } from './topology.ts';

export const OVERLAY = 'first-call.example';

/** The overlay of the first call: a peer that made it, alice and bob behind a NAT each, who came by ticket. */
export interface ThreeHosts {
  readonly homes: TwoHomes;
  readonly peer: Agent;
  alice: Agent;
  bob: Agent;
}

/**
 * @param onProgress told what is done next
 * @param options.configuration of the peer, which decides about the overlay; `alice` and `bob`: of theirs, once the network is there
 */
export async function threeHosts(
  lab: Lab,
  onProgress: (text: string) => void = () => undefined,
  options: {
    readonly configuration?: string;
    readonly alice?: (homes: TwoHomes) => Promise<string>;
    readonly bob?: (homes: TwoHomes) => Promise<string>;
  } = {},
): Promise<ThreeHosts> {
  onProgress('network: two homes behind NATs, a third place, a public peer');
  const homes = await twoHomes(lab);
  onProgress(`peer creates ${OVERLAY}`);
  const peer = await Agent.start(lab, {
    namespace: homes.peer.namespace,
    name: 'peer',
    overlay: { create: OVERLAY },
    ...(options.configuration !== undefined && { configuration: options.configuration }),
  });
  const configured = async (of: 'alice' | 'bob'): Promise<{ readonly configuration?: string }> => {
    const configuration = await options[of]?.(homes);
    return configuration === undefined ? {} : { configuration };
  };
  const ticketForAlice = await peer.invite();
  const ticketForBob = await peer.invite();
  onProgress('alice and bob join by ticket');
  const [ofAlice, ofBob] = [await configured('alice'), await configured('bob')];
  const [alice, bob] = await Promise.all([
    Agent.start(lab, { namespace: homes.a.namespace, name: 'alice', overlay: { join: ticketForAlice }, ...ofAlice }),
    Agent.start(lab, { namespace: homes.b.namespace, name: 'bob', overlay: { join: ticketForBob }, ...ofBob }),
  ]);
  return { homes, peer, alice, bob };
}
