import type { ExecutionContext } from 'ava';
import { HOME_NAT, type NatBehaviour } from '../network/nat.ts';
import type { TurnServiceOptions } from '../../../src/link/turn-service.ts';
import type { SegmentQuality } from '../network/segment.ts';
import { AgentWorld } from './agent-world.ts';
import type { SimAgent } from './sim-agent.ts';

export interface TwoClientsOptions {
  /** Of the certificates of A and B. */
  readonly lifetimeMs?: number;
  readonly internet?: SegmentQuality;
  readonly natA?: NatBehaviour;
  readonly natB?: NatBehaviour;
  /** What the founder hands on between them. */
  readonly relayBytesPerSecond?: number;
  /** The founder as a TURN server. */
  readonly turnServer?: TurnServiceOptions;
}

/** The first call: the founder is the overlay's only peer, A and B are clients behind NATs, without a link between them. */
export class TwoClients extends AgentWorld {
  readonly a: SimAgent;
  readonly b: SimAgent;

  constructor(t: ExecutionContext, seed: number, options: TwoClientsOptions = {}) {
    super(t, seed, options);
    this.a = this.member(this.hostAtHome(options.natA ?? HOME_NAT), { user: 'alice@home.example' });
    this.b = this.member(this.hostAtHome(options.natB ?? HOME_NAT), { user: 'bob@home.example' });
    this.run(1_000);
    this.started(this.a, this.b);
    if (!this.allReady([this.founder, this.a, this.b])) throw new Error('they are not in the overlay');
  }

  get linked(): boolean {
    return this.a.isLinkedTo(this.b) && this.b.isLinkedTo(this.a);
  }

  /** A has called B; what follows a new link has settled. @returns whether it worked. */
  call(): boolean {
    this.a.send(this.b.address, 'call');
    const linked = this.until(() => this.linked, 10_000);
    this.run(6_000);
    return linked;
  }
}
