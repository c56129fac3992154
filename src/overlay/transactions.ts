import type { Timed } from '../base/clock.ts';
import type { NodeId } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { ERROR_CODES, type ErrorResponse } from '../reload/index.ts';
import { MAX_TRANSACTIONS, MAX_TRANSMISSIONS, TRANSACTIONS_PER_TURN } from './constants.ts';
import { OverlayBusyError, type OverlayError, OverlayTimeoutError, remoteError } from './errors.ts';
import type { Answer, OutgoingRequest, RequestDone, RequestResult } from './requester.ts';

/** Of nodes that are not in the ring: so many are followed by another try, the first at once, the others after this, doubled. */
const MAX_REFUSALS = 5;
const REFUSAL_PAUSE_MS = 50;
/**
 * Who reads waits for it, and a question is lost wherever the ring has just moved on: its first repetition comes after this, as
 * after the first timeout of TCP (RFC 6298 s2), or after the overlay's own timer if that is shorter.
 */
const FIRST_READ_PAUSE_MS = 1_000;
const READS: ReadonlySet<string> = new Set(['fetch_req', 'stat_req', 'find_req']);

/** A request that waits for its answer. */
export interface PendingRequest {
  readonly transactionId: bigint;
  readonly request: OutgoingRequest;
  /** Milliseconds: it has failed then, however often it was sent. */
  readonly endsAt: number;
  transmissions: number;
  /** Contents and security block, once they were made: retransmissions are the same bytes (s6.2.1). */
  payload: Uint8Array | undefined;
  /** Where it was sent last; a retransmission tries another way. */
  lastHop: NodeId | undefined;
  /** Who refused it although they may not: passed over while there is another way. */
  readonly avoided: Set<NodeId>;
  /** How often a node that is not in the ring has refused it. */
  refusals: number;
  /** Why it fails if no answer comes that ends it. */
  hint: OverlayError | undefined;
  /** Refused since the documents differ: sent again as soon as they are alike. */
  awaitsConfiguration: boolean;
  /** The answer, or the error, that `done` gets at the next timeout: never inside the call that made the request. */
  outcome: RequestResult | undefined;
  readonly done: RequestDone;
}

/**
 * End-to-end reliability of requests (RFC 6940 s6.2.1): retransmitted with the same transaction id until the answer
 * comes, five times in all; a read for the first time sooner than the overlay's timer says.
 */
export class Transactions implements Timed {
  private readonly random: Random;
  private readonly intervalMs: number;
  private readonly transmit: (pending: PendingRequest, now: number) => void;
  private readonly pending = new Map<bigint, PendingRequest>();
  private readonly timers = new TimerQueue<bigint>();

  constructor(components: {
    random: Random;
    intervalMs: number;
    transmit: (pending: PendingRequest, now: number) => void;
  }) {
    this.random = components.random;
    this.intervalMs = components.intervalMs;
    this.transmit = components.transmit;
  }

  get size(): number {
    return this.pending.size;
  }

  start(request: OutgoingRequest, now: number, done: RequestDone): bigint {
    const transactionId = this.freshId();
    const pending: PendingRequest = {
      transactionId,
      request,
      endsAt: now + MAX_TRANSMISSIONS * this.intervalMs,
      transmissions: 0,
      payload: undefined,
      lastHop: undefined,
      avoided: new Set(),
      refusals: 0,
      hint: undefined,
      awaitsConfiguration: false,
      outcome: undefined,
      done,
    };
    this.pending.set(transactionId, pending);
    if (this.pending.size > MAX_TRANSACTIONS)
      this.finishSoon(pending, { ok: false, error: new OverlayBusyError('requests') }, now);
    else this.send(pending, now);
    return transactionId;
  }

  find(transactionId: bigint): PendingRequest | undefined {
    return this.pending.get(transactionId);
  }

  /** The answer came over the network. */
  answered(pending: PendingRequest, answer: Answer, now: number): void {
    this.drop(pending.transactionId);
    pending.done(resultOf(pending, answer), now);
  }

  /**
   * An error came that does not end the request: it goes on, at once by another way the first time, and fails with
   * `hint` when nothing better comes.
   * @param by who signed it
   */
  refusedOnTheWay(pending: PendingRequest, by: NodeId, hint: OverlayError | undefined, now: number): void {
    pending.avoided.add(by);
    pending.hint = hint ?? pending.hint;
    // The hop before it is good: when it sees the request again it takes another way itself.
    pending.lastHop = undefined;
    // Once only: whoever refuses without delay could otherwise use up all transmissions before another way answers.
    if (pending.avoided.size === 1 && pending.transmissions === 1) this.timers.set(pending.transactionId, now);
  }

  /** A node on the way is not in the ring yet, and will be in a moment: it does not count as a try then. */
  refusedByNewcomer(pending: PendingRequest, by: NodeId, hint: OverlayError, now: number): void {
    this.refusedOnTheWay(pending, by, hint, now);
    if (pending.refusals >= MAX_REFUSALS) return;
    this.timers.set(
      pending.transactionId,
      pending.refusals === 0 ? now : now + REFUSAL_PAUSE_MS * 2 ** pending.refusals,
    );
    pending.refusals += 1;
    pending.transmissions -= 1;
  }

  /** Configuration documents have become alike, here or elsewhere. */
  configurationChanged(now: number): void {
    for (const pending of this.pending.values()) {
      if (!pending.awaitsConfiguration) continue;
      pending.awaitsConfiguration = false;
      this.timers.set(pending.transactionId, now);
    }
  }

  /** The next hop did not acknowledge what went that way: it is sent again where `mayGo`, which counts as the same send. */
  hopLost(hop: NodeId, now: number, mayGo: (pending: PendingRequest) => boolean): void {
    for (const pending of this.pending.values()) {
      if (pending.lastHop !== hop || pending.outcome !== undefined || !mayGo(pending)) continue;
      pending.transmissions -= 1;
      this.timers.set(pending.transactionId, now);
    }
  }

  /** The outcome is known while the request is being made: `done` waits for the next timeout. */
  finishSoon(pending: PendingRequest, outcome: RequestResult, now: number): void {
    pending.outcome = outcome.ok ? resultOf(pending, outcome) : outcome;
    this.timers.set(pending.transactionId, now);
  }

  cancel(transactionId: bigint): void {
    this.drop(transactionId);
  }

  /** Every request fails: the node leaves. */
  failAll(error: RequestResult & { ok: false }, now: number): void {
    const all = [...this.pending.values()];
    for (const { transactionId } of all) this.drop(transactionId);
    for (const pending of all) pending.done(error, now);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  /** Of many that are due at once some; the others are due still. */
  handleTimeout(now: number): void {
    for (let i = 0; i < TRANSACTIONS_PER_TURN; i++) {
      const id = this.timers.due(now);
      if (id === undefined) return;
      const pending = this.pending.get(id);
      if (pending === undefined) continue;
      if (pending.outcome !== undefined) {
        this.drop(id);
        pending.done(pending.outcome, now);
      } else if (pending.transmissions < MAX_TRANSMISSIONS && now < pending.endsAt) this.send(pending, now);
      else {
        this.drop(id);
        pending.done({ ok: false, error: pending.hint ?? new OverlayTimeoutError(pending.request.body.type) }, now);
      }
    }
  }

  private send(pending: PendingRequest, now: number): void {
    pending.transmissions += 1;
    this.timers.set(pending.transactionId, Math.min(now + this.pauseAfter(pending), pending.endsAt));
    this.transmit(pending, now);
  }

  /** The repetitions of a read that follow are so much farther apart that the last one goes as late as those of others. */
  private pauseAfter({ transmissions, request }: PendingRequest): number {
    if (transmissions >= MAX_TRANSMISSIONS) return Infinity;
    if (!READS.has(request.body.type)) return this.intervalMs;
    const first = Math.min(FIRST_READ_PAUSE_MS, this.intervalMs);
    const others = MAX_TRANSMISSIONS - 2;
    return transmissions === 1 ? first : this.intervalMs + (this.intervalMs - first) / others;
  }

  private drop(transactionId: bigint): void {
    this.pending.delete(transactionId);
    this.timers.clear(transactionId);
  }

  private freshId(): bigint {
    for (;;) {
      const id = (BigInt(this.random.uint32()) << 32n) | BigInt(this.random.uint32());
      if (!this.pending.has(id)) return id;
    }
  }
}

/** An error response is a failure of the request. */
function resultOf(pending: PendingRequest, answer: Answer): RequestResult {
  return answer.body.type === 'error' ? { ok: false, error: errorOf(pending, answer.body) } : answer;
}

export function errorOf({ request }: PendingRequest, { code, info }: ErrorResponse): OverlayError {
  const what = request.body.type;
  return code === ERROR_CODES.request_timeout ? new OverlayTimeoutError(what) : remoteError(code, info, what);
}
