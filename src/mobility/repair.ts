import {
  FORGOTTEN_LIMIT_MS,
  FORGOTTEN_VERIFY_MS,
  REPAIR_FIRST_RETRY_MS,
  REPAIR_LIMIT_MS,
  REPAIR_MAX_RETRY_MS,
  REPAIR_REACHABLE_GRACE_MS,
} from './constants.ts';

/**
 * `broken`: the path is gone. `forgotten`, `silent`: it may be; the peer does not know our credentials, or acknowledges nothing.
 * `remapped`: our reflexive address changed, so that the NAT of the peer may not let us in any more; or, on a relayed path, any.
 */
export type RepairCause = 'broken' | 'forgotten' | 'silent' | 'remapped';

/** The mending of one link's path through the overlay: when to ask for it, when to give up. */
export class Repair {
  readonly cause: RepairCause;
  /** That the peer had sent on the association when it began. */
  readonly packetsBefore: bigint;
  private readonly since: number;
  private askAt: number;
  private retryMs = REPAIR_FIRST_RETRY_MS;
  /** Set while asking is of no use: no overlay link works, or an ICE restart is under way. */
  private blocked = false;

  /** @param reachable everyone reaches the peer, so that our checks alone will mend the path. */
  constructor(cause: RepairCause, now: number, reachable: boolean, packetsBefore = 0n) {
    this.cause = cause;
    this.packetsBefore = packetsBefore;
    this.since = now;
    const grace = cause === 'forgotten' ? FORGOTTEN_VERIFY_MS : 0;
    this.askAt = now + (reachable ? REPAIR_REACHABLE_GRACE_MS : grace);
  }

  get limitAt(): number {
    return this.since + (this.cause === 'forgotten' ? FORGOTTEN_LIMIT_MS : REPAIR_LIMIT_MS);
  }

  /** The peer had its time to prove that it still has the association. */
  isForgotten(now: number): boolean {
    return this.cause === 'forgotten' && now >= this.since + FORGOTTEN_VERIFY_MS;
  }

  /** Whether the overlay should be asked now. `possible`: see `blocked`. */
  shouldAsk(now: number, possible: boolean): boolean {
    this.blocked = !possible;
    if (!possible || now < this.askAt) return false;
    this.askAt = now + this.retryMs;
    this.retryMs = Math.min(this.retryMs * 2, REPAIR_MAX_RETRY_MS);
    return true;
  }

  /** The peer is to hear of another address of ours: what it was told before may lead nowhere. */
  askAnew(now: number): void {
    if (this.cause !== 'forgotten') this.askAt = Math.min(this.askAt, now);
  }

  /** What was in the way may be gone: to be asked again when its time has come. */
  unblock(): void {
    this.blocked = false;
  }

  /** Whoever unblocks it otherwise calls `shouldAsk`. */
  nextTimeout(): number {
    return this.blocked ? this.limitAt : Math.min(this.askAt, this.limitAt);
  }
}
