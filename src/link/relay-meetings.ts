import type { Hit } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { IceAgent } from '../ice/ice-agent.ts';

/** A member that hands datagrams on, and where the end that named it finds it. */
export interface NamedRelay {
  readonly hit: Hit;
  readonly address: SocketAddress | undefined;
}

/** By whom the two ends of a negotiation may come together. */
export interface Meeting {
  /** Those that the other end has named come first. */
  readonly relays: readonly NamedRelay[];
  readonly theirs: number;
  /** When they are tried, unless a direct path works by then; after that, when more of them are. */
  at: number | undefined;
  /** Their ways are among the agent's. */
  tried: boolean;
}

/** Looked through for those that are over when there are so many, and then twice as many as were not. */
const FIRST_SWEEP = 64;

/** The meeting of each negotiation's agent, and which of them a relay is in: links come and go by the thousand, relays are few. */
export class RelayMeetings {
  private readonly isOver: (agent: IceAgent) => boolean;
  private readonly byAgent = new Map<IceAgent, Meeting>();
  private readonly byRelay = new Map<Hit, Set<IceAgent>>();
  private sweepAt = FIRST_SWEEP;

  /** @param isOver whether the agent is nobody's any more */
  constructor(isOver: (agent: IceAgent) => boolean) {
    this.isOver = isOver;
  }

  get size(): number {
    return this.byAgent.size;
  }

  of(agent: IceAgent): Meeting | undefined {
    return this.byAgent.get(agent);
  }

  set(agent: IceAgent, meeting: Meeting): void {
    this.forget(agent);
    if (this.byAgent.size >= this.sweepAt) this.sweep();
    this.byAgent.set(agent, meeting);
    for (const { hit } of meeting.relays) {
      const agents = this.byRelay.get(hit);
      if (agents === undefined) this.byRelay.set(hit, new Set([agent]));
      else agents.add(agent);
    }
  }

  /** Whose meetings the relay is in. */
  withRelay(relay: Hit): Iterable<IceAgent> {
    return this.byRelay.get(relay) ?? [];
  }

  private sweep(): void {
    for (const agent of this.byAgent.keys()) if (this.isOver(agent)) this.forget(agent);
    this.sweepAt = Math.max(FIRST_SWEEP, 2 * this.byAgent.size);
  }

  private forget(agent: IceAgent): void {
    for (const { hit } of this.byAgent.get(agent)?.relays ?? []) {
      const agents = this.byRelay.get(hit);
      agents?.delete(agent);
      if (agents?.size === 0) this.byRelay.delete(hit);
    }
    this.byAgent.delete(agent);
  }
}
