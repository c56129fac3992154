import type { NodeId, ResourceId } from '../../base/node-id.ts';
import {
  INITIAL_COPY_WINDOW,
  MAX_COPY_WINDOW,
  MAX_REFUSAL_PAUSE_MS,
  MAX_SILENCE_PAUSE_MS,
  REFUSAL_PAUSE_MS,
  SILENCE_PAUSE_MS,
} from '../constants.ts';
import type { HandOver } from './hand-over.ts';

/** Why a copy is to go to a peer. */
export type CopyReason =
  /** It is in the replica set. */
  | 'replica'
  /** It is responsible, or knows who is: the copy is sent to the resource, past it if need be. */
  | 'responsible';

/**
 * One peer that copies go to: what waits for it, how much may be under way, and when it is left alone because it is silent
 * or refuses. Nothing of it holds up copies for others.
 */
export class CopyTarget {
  readonly nodeId: NodeId;
  /** A resource is in it once, however often it changes. */
  readonly queue = new Map<ResourceId, CopyReason>();
  handOver: HandOver | undefined;
  inFlight = 0;
  private window = INITIAL_COPY_WINDOW;
  private failures = 0;
  private until: number | undefined;

  constructor(nodeId: NodeId) {
    this.nodeId = nodeId;
  }

  /** Nothing waits and nothing is under way. */
  get isIdle(): boolean {
    return this.inFlight === 0 && !this.hasWork && this.handOver === undefined;
  }

  /** Something is to be sent. */
  get hasWork(): boolean {
    return this.queue.size > 0 || this.handOver?.isOver === false;
  }

  /** Until when it is left alone. */
  get pausedUntil(): number | undefined {
    return this.until;
  }

  mayTake(now: number): boolean {
    return this.hasWork && this.inFlight < this.window && (this.until ?? now) <= now;
  }

  answered(): void {
    this.failures = 0;
    this.until = undefined;
    this.window = Math.min(this.window + 1, MAX_COPY_WINDOW);
  }

  silent(now: number): void {
    this.pause(now, SILENCE_PAUSE_MS, MAX_SILENCE_PAUSE_MS);
  }

  refused(now: number): void {
    this.pause(now, REFUSAL_PAUSE_MS, MAX_REFUSAL_PAUSE_MS);
  }

  /** What was under way at once counts as one failure. */
  private pause(now: number, firstMs: number, longestMs: number): void {
    if (this.until !== undefined && this.until > now) return;
    this.until = now + Math.min(firstMs * 2 ** this.failures, longestMs);
    this.failures = Math.min(this.failures + 1, 30);
    this.window = 1;
  }
}
