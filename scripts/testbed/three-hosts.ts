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
 * @param options.configuration of the peer, which decides about the overlay
 * @param options.bobs configuration of bob's host
 */
export async function threeHosts(
  lab: Lab,
  onProgress: (text: string) => void = () => undefined,
  { bobs, ...options }: { readonly configuration?: string; readonly bobs?: string } = {},
): Promise<ThreeHosts> {
  onProgress('network: two homes behind NATs, a third place, a public peer');
  const homes = await twoHomes(lab);
  onProgress(`peer creates ${OVERLAY}`);
  const peer = await Agent.start(lab, {
    namespace: homes.peer.namespace,
    name: 'peer',
    overlay: { create: OVERLAY },
    ...options,
  });
  const ticketForAlice = await peer.invite();
  const ticketForBob = await peer.invite();
  onProgress('alice and bob join by ticket');
  const [alice, bob] = await Promise.all([
    Agent.start(lab, { namespace: homes.a.namespace, name: 'alice', overlay: { join: ticketForAlice } }),
    Agent.start(lab, {
      ...{ namespace: homes.b.namespace, name: 'bob', overlay: { join: ticketForBob } },
      ...(bobs !== undefined && { configuration: bobs }),
    }),
  ]);
  return { homes, peer, alice, bob };
}
