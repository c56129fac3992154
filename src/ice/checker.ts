import { toHex } from '../base/bytes.ts';
import { earliest } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { TRANSACTION_ID_BYTES } from '../stun/constants.ts';
import type { StunMessage } from '../stun/message.ts';
import { authenticateAnswer } from './authentication.ts';
import { encodeCheck } from './binding-messages.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { localTypeOf, pathOf } from './candidate-pair.ts';
import type { CheckTransaction } from './check-transactions.ts';
import { CheckTransactions } from './check-transactions.ts';
import { Checklist } from './checklist.ts';
import {
  CHECK_PACING_MS,
  CHECK_RTO_MS,
  FEW_PAIRS,
  PATIENCE_LOOK_MS,
  PATIENCE_MS,
  QUICK_PACING_MS,
} from './constants.ts';
import type { Outbox } from './outbox.ts';
import type { Session } from './session.ts';
import { UnansweredChecks } from './unanswered-checks.ts';

/** What came of a check. */
export type CheckOutcome =
  /** `rttMs`: undefined when it is unclear which copy was answered. */
  | { readonly result: 'succeeded'; readonly transaction: CheckTransaction; readonly rttMs: number | undefined }
  | {
      /**
       * `disowned`: somebody there does not know our credentials, and the check goes on. `late`: a check of consent has no answer
       * yet. `nothing`: the answer said nothing new.
       */
      readonly result: 'failed' | 'roleConflict' | 'disowned' | 'late' | 'nothing';
      readonly transaction: CheckTransaction;
    };

/**
 * Our own connectivity checks (RFC 8445 s7.2): which pair is checked when, how often a check is repeated, what its answer
 * proves, and for how long all that goes on. What follows from an outcome is for others to decide.
 */
export class Checker {
  readonly checklist = new Checklist();
  readonly transactions = new CheckTransactions();
  private readonly session: Session;
  private readonly outbox: Outbox;
  private readonly random: Random;
  private readonly unanswered = new UnansweredChecks();
  private lastCheckAt = -Infinity;
  private checkingSince = 0;
  private patienceAt: number | undefined;

  constructor(components: { session: Session; outbox: Outbox; random: Random }) {
    this.session = components.session;
    this.outbox = components.outbox;
    this.random = components.random;
  }

  /** All pairs are being checked, until `pause`. */
  get isChecking(): boolean {
    return this.patienceAt !== undefined;
  }

  get isIdle(): boolean {
    return this.transactions.next() === undefined && !this.checklist.hasNext && !this.isChecking;
  }

  begin(now: number): void {
    this.checkingSince = now;
    this.patienceAt = now + PATIENCE_MS;
  }

  /** Only triggered checks are made from now on, and none is repeated. */
  pause(): void {
    this.checklist.pause();
    this.transactions.cancel();
    this.patienceAt = undefined;
  }

  isPatienceOver(now: number): boolean {
    return this.patienceAt !== undefined && now >= this.patienceAt;
  }

  /** What is still undecided at the end of patience gets a little more of it. @returns false: it had that. */
  extendPatience(now: number): boolean {
    if (now >= this.checkingSince + 2 * PATIENCE_MS) return false;
    this.patienceAt = now + PATIENCE_LOOK_MS;
    return true;
  }

  /** Sent anew as soon as there is a slot, in place of what is under way. */
  recheck(pair: CandidatePair, first = false): void {
    this.transactions.cancel(pair);
    this.checklist.trigger(pair, first);
  }

  /** Nothing is sent there, and no answer from there is taken. */
  remove(pair: CandidatePair): void {
    this.checklist.remove(pair);
    this.transactions.forget(pair);
  }

  /** The session rests: what is kept of it is what may still count. */
  tidy(now: number): void {
    this.unanswered.tidy(now);
  }

  nextTimeout(): number | undefined {
    return earliest(this.transactions.next(), this.checklist.hasNext ? this.nextSlotAt : undefined, this.patienceAt);
  }

  private get nextSlotAt(): number {
    const quick = this.checklist.hasTriggered || this.checklist.pairs.length <= FEW_PAIRS;
    return this.lastCheckAt + (quick ? QUICK_PACING_MS : CHECK_PACING_MS);
  }

  /** Sends the next check, when it is time for one. Call until undefined. */
  check(now: number): CheckTransaction | undefined {
    const pair = now >= this.nextSlotAt ? this.checklist.next() : undefined;
    if (pair === undefined) return undefined;
    const nominating = pair.nominateAtOnce;
    pair.nominateAtOnce = false;
    this.transactions.cancel(pair);
    const rtoMs = Math.max(CHECK_RTO_MS, CHECK_PACING_MS * this.checklist.active, 2 * (pair.rttMs ?? 0));
    this.lastCheckAt = now;
    return this.request({ pair, purpose: 'check', nominating, nominate: nominating }, rtoMs, now);
  }

  /**
   * A check of consent (RFC 7675 s5.1), which is sent once. One of the controlling side repeats the nomination: should the peer use
   * another pair, it comes back.
   * @param elsewhere another pair is being nominated: to repeat this one would take that back.
   */
  checkConsent(pair: CandidatePair, elsewhere: boolean, answerMs: number, now: number): void {
    this.request({ pair, purpose: 'consent', nominating: false, nominate: !elsewhere }, answerMs, now);
  }

  private request(
    check: {
      readonly pair: CandidatePair;
      readonly purpose: CheckTransaction['purpose'];
      readonly nominating: boolean;
      /** USE-CANDIDATE, when ours is the controlling role. */
      readonly nominate: boolean;
    },
    timeoutMs: number,
    now: number,
  ): CheckTransaction | undefined {
    const { session } = this;
    const { pair, purpose, nominating } = check;
    const id = toHex(this.random.bytes(TRANSACTION_ID_BYTES));
    const role = nominating ? 'controlling' : pair.nominatedByPeer ? 'controlled' : session.role;
    const nominate = check.nominate && role === 'controlling';
    const { credentials } = session;
    const data = encodeCheck({
      transactionId: id,
      pair,
      credentials,
      role,
      tieBreaker: session.tieBreaker.value,
      nominate,
    });
    if (data === undefined) return undefined;
    this.transmit(pair, data, now);
    return this.transactions.start({ id, pair, purpose, role, data, nominating }, timeoutMs, now);
  }

  private transmit({ base, remote }: CandidatePair, data: Uint8Array, now: number): void {
    if (this.unanswered.take(remote, now)) this.outbox.send({ local: base, remote: remote.address, data });
  }

  /**
   * @param raw the bytes of `answer`, which its integrity covers.
   * @returns undefined: not ours.
   */
  receive(
    answer: StunMessage,
    raw: Uint8Array,
    from: { readonly local: SocketAddress; readonly remote: SocketAddress },
    now: number,
  ): CheckOutcome | undefined {
    const transaction = this.transactions.get(answer.transactionId);
    if (transaction === undefined) return undefined;
    const { errorCode, xorMappedAddress } = answer.attributes;
    const { proof, symmetric } = authenticateAnswer(answer, raw, this.session.credentials, transaction, from);
    if (proof === 'none') return undefined;
    if (proof === 'disowned') {
      const again = transaction.disowned;
      transaction.disowned = true;
      return { result: again ? 'nothing' : 'disowned', transaction };
    }
    if (answer.class === 'error' && errorCode?.code === 487) {
      this.transactions.end(transaction);
      return { result: 'roleConflict', transaction };
    }
    // RFC 8445 s7.2.5.2.1, s7.2.5.2.2.
    if (!symmetric || answer.class === 'error') {
      this.transactions.end(transaction);
      return this.failed(transaction);
    }
    if (xorMappedAddress === undefined) return { result: 'nothing', transaction };
    this.transactions.end(transaction);
    return this.succeeded(transaction, xorMappedAddress, now);
  }

  /** Repeats what is due. @returns what came of a check that has no answer. Call until undefined. */
  due(now: number): CheckOutcome | undefined {
    for (let due = this.transactions.due(now); due !== undefined; due = this.transactions.due(now)) {
      const { transaction, timeout } = due;
      if (timeout === 'repeat') this.transmit(transaction.pair, transaction.data, now);
      else if (timeout === 'late') return { result: 'late', transaction };
      else if (transaction.purpose === 'check' && !this.transactions.isRepeating(transaction.pair))
        return this.failed(transaction);
    }
    return undefined;
  }

  private succeeded(transaction: CheckTransaction, mapped: SocketAddress, now: number): CheckOutcome {
    const { pair } = transaction;
    this.unanswered.answeredBy(pair.remote.address);
    const isFirst = pair.validAt === undefined;
    const rttMs = transaction.sends === 1 ? now - transaction.startedAt : undefined;
    pair.validAt = now;
    pair.rttMs = rttMs ?? pair.rttMs;
    pair.answerMs = now - transaction.startedAt;
    pair.localType = localTypeOf(mapped, pair.base, this.session.localCandidates);
    this.transactions.cancelChecks(pair);
    this.checklist.succeeded(pair);
    if (pair.nominateAtOnce) this.checklist.trigger(pair, true);
    if (isFirst) this.outbox.tell({ type: 'valid', path: pathOf(pair) });
    return { result: 'succeeded', transaction, rttMs };
  }

  private failed(transaction: CheckTransaction): CheckOutcome {
    const { pair } = transaction;
    if (pair.state === 'in-progress') pair.state = 'failed';
    return { result: 'failed', transaction };
  }
}
