import { earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { sameSocketAddress } from '../base/socket-address.ts';
import type { StunMessage } from '../stun/message.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { isFresh, isRelayed, isRenewable, nominationPatienceMs } from './candidate-pair.ts';
import type { CheckTransaction } from './check-transactions.ts';
import type { Checker } from './checker.ts';
import { CONSENT_INTERVAL_MS, NOMINATION_HOLD_MS, NOMINATION_WAIT_MS } from './constants.ts';
import { NominationHistory } from './nomination-history.ts';
import type { IceRole } from './path.ts';
import type { Selection } from './selection.ts';
import type { Session } from './session.ts';

/**
 * Which pair becomes the selected one, by whose nomination (RFC 8445 s8). Two things go beyond the RFC. Other pairs may be
 * nominated later: when the selected one is lost, or a more direct one turns up. And control may be taken over, by winning a
 * role conflict: at once by a side that lost its own address, since it alone knows; and by the controlled side when the
 * selected pair is dead and the peer does not see it. That side claims control with a nomination, and both roles change when
 * each side selects what it nominated: two sides that use the same pair never have the same role.
 */
export class Nominator {
  private readonly session: Session;
  private readonly checker: Checker;
  private readonly selection: Selection;
  private readonly logger: Logger;

  private nomination: CheckTransaction | undefined;
  private nominateAt: number | undefined;
  /** The selected pair is nominated once more then. */
  private confirmAt: number | undefined;
  private firstValidAt: number | undefined;
  private readonly history = new NominationHistory();

  constructor(components: { session: Session; checker: Checker; selection: Selection; logger: Logger }) {
    this.session = components.session;
    this.checker = components.checker;
    this.selection = components.selection;
    this.logger = components.logger;
  }

  /** The pair that we nominate. */
  get nominated(): CandidatePair | undefined {
    return this.nomination?.pair;
  }

  /** We have nominated, and the answer may still come. The controlled side claims control with it. */
  get isNominating(): boolean {
    return this.nomination !== undefined && this.checker.transactions.has(this.nomination);
  }

  /** No nomination is to come. */
  get isIdle(): boolean {
    return this.nominateAt === undefined && this.confirmAt === undefined;
  }

  nextTimeout(): number | undefined {
    return earliest(this.nominateAt, this.confirmAt);
  }

  /** What is to be nominated now. */
  handleTimeout(now: number): void {
    if (this.nominateAt !== undefined && now >= this.nominateAt) this.consider(now);
    if (this.confirmAt !== undefined && now >= this.confirmAt) this.confirm();
  }

  // Checking: when it begins, and what is left of it.

  startChecking(now: number): void {
    this.checker.begin(now);
    this.firstValidAt = undefined;
    this.selection.checking();
  }

  checkEverything(now: number): void {
    this.startChecking(now);
    this.checker.checklist.resume();
    this.consider(now);
  }

  stopChecking(): void {
    this.checker.pause();
    this.withhold();
    this.nominateAt = undefined;
    this.firstValidAt = undefined;
  }

  // Outcomes of our checks.

  succeeded(transaction: CheckTransaction, now: number): void {
    const { pair } = transaction;
    this.ended(transaction);
    // A claim was taken: control is ours together with the pair.
    if (transaction.nominating) this.changeRole('controlling');
    if (pair.nominatedByPeer) this.changeRole('controlled');
    if (transaction.nominating || pair.nominatedByPeer) this.select(pair, now);
    else this.consider(now);
  }

  failed(transaction: CheckTransaction, now: number): void {
    this.ended(transaction);
    this.consider(now);
  }

  /** RFC 8445 s7.2.5.1. */
  roleConflict(transaction: CheckTransaction, now: number): void {
    this.ended(transaction);
    if (transaction.role === this.session.role)
      this.changeRole(transaction.role === 'controlling' ? 'controlled' : 'controlling');
    this.checker.checklist.trigger(transaction.pair);
    this.consider(now);
  }

  private ended(transaction: CheckTransaction): void {
    if (this.nomination === transaction) this.nomination = undefined;
  }

  // Our nominations (RFC 8445 s8.1.1).

  /** Nominates the best pair, when it is better than the selected one, and ours to nominate; now, or when it is time. */
  consider(now: number): void {
    const { checker, selection, session } = this;
    const { pairs } = checker.checklist;
    this.nominateAt = undefined;
    const best = pairs.find((pair) => pair.state === 'succeeded' && isFresh(pair, now) && selection.isImprovedBy(pair));
    if (best === undefined) return;
    const claimAt = selection.consent?.claimableAt;
    if (session.role === 'controlled' && (claimAt === undefined || now < claimAt)) {
      this.nominateAt = claimAt;
      return;
    }
    this.firstValidAt ??= now;
    const betterMayCome = pairs.some(
      (pair) => pair.priority > best.priority && (pair.state === 'waiting' || pair.state === 'in-progress'),
    );
    const waitUntil = Math.max(
      betterMayCome ? this.firstValidAt + NOMINATION_WAIT_MS : 0,
      this.nomination === undefined ? 0 : this.nomination.startedAt + nominationPatienceMs(this.nomination.pair),
    );
    if (now < waitUntil) {
      this.nominateAt = waitUntil;
      return;
    }
    if (session.role === 'controlled') session.tieBreaker.settle('controlling');
    this.nominate(best);
  }

  private nominate(pair: CandidatePair): void {
    pair.nominateAtOnce = true;
    this.checker.checklist.trigger(pair, true);
  }

  /** The peer takes the nomination that it hears last: that may be an earlier one, which this one has overtaken. */
  private confirm(): void {
    this.confirmAt = undefined;
    const { pair } = this.selection;
    if (pair !== undefined && this.session.role === 'controlling') this.nominate(pair);
  }

  /** A check has left. The peer takes the latest nomination: repeated after this one, an older one would be that. */
  sent(check: CheckTransaction): void {
    if (!check.nominating) return;
    this.supersede(check.pair);
    this.nomination = check;
  }

  /**
   * After a move: where the peer was last reached is checked first; with `nominate` by a nomination, which saves a round trip.
   * Should another pair do better, it is nominated over that one.
   */
  tryLastRemote(nominate: boolean): void {
    const { lastRemote } = this.selection;
    const { checklist } = this.checker;
    if (lastRemote === undefined) return;
    const towards = checklist.pairs.filter(({ remote }) => sameSocketAddress(remote.address, lastRemote));
    for (const pair of towards.toReversed()) checklist.trigger(pair, true);
    if (nominate && towards[0] !== undefined) towards[0].nominateAtOnce = true;
  }

  /** What we nominated counts no more. */
  private dropNomination(): void {
    this.nomination = undefined;
    this.supersede();
    this.withhold();
  }

  /** What is still repeated goes on as a check. */
  private supersede(kept?: CandidatePair): void {
    for (const pair of this.checker.transactions.supersedeNominations(kept)) this.checker.recheck(pair);
  }

  private withhold(): void {
    for (const pair of this.checker.checklist.pairs) pair.nominateAtOnce = false;
  }

  // Nominations of the peer (RFC 8445 s7.3.1.5), and who is in control.

  changeRole(role: IceRole): void {
    if (role === this.session.role) return;
    this.logger.debug('ice.role', { from: this.session.role, to: role });
    this.session.role = role;
    this.session.tieBreaker.settle(role);
    this.checker.checklist.setRole(role);
    if (role === 'controlled') this.dropNomination();
    else this.forgetPeersNomination();
  }

  /** The peer nominates, and its tie-breaker gives it the right to: control goes over together with the selected pair. */
  isClaim({ attributes: { useCandidate, iceControlling } }: StunMessage): boolean {
    const { role, tieBreaker } = this.session;
    return (
      role === 'controlling' &&
      useCandidate === true &&
      iceControlling !== undefined &&
      iceControlling > tieBreaker.value
    );
  }

  /** Does it nominate the pair that we have just left, or claim control with the one that we have just selected? */
  isHeld(request: StunMessage, pair: CandidatePair, now: number): boolean {
    if (request.attributes.useCandidate !== true) return false;
    if (this.history.isLeft(pair, now)) return true;
    const { consent } = this.selection;
    return pair === consent?.pair && now < consent.selectedAt + NOMINATION_HOLD_MS && this.isClaim(request);
  }

  /** Is it a nomination, not a copy of one, and the peer's to make? */
  takes(request: StunMessage): boolean {
    if (request.attributes.useCandidate !== true) return false;
    return (this.session.role === 'controlled' || this.isClaim(request)) && this.history.takes(request.transactionId);
  }

  /** @returns true: the pair is selected. False: it will be when a check of ours is answered. */
  nominatedByPeer(pair: CandidatePair, now: number): boolean {
    // The latest one counts, also when it is of the selected pair.
    this.forgetPeersNomination();
    const isSelected = pair === this.selection.pair;
    if (isSelected || (pair.state === 'succeeded' && isRenewable(pair, now))) {
      this.changeRole('controlled');
      if (!isSelected) this.select(pair, now);
      return true;
    }
    pair.nominatedByPeer = true;
    this.dropNomination();
    return false;
  }

  private forgetPeersNomination(): void {
    for (const pair of this.checker.checklist.pairs) pair.nominatedByPeer = false;
  }

  // The selected pair.

  select(pair: CandidatePair, now: number): void {
    const { checker, selection } = this;
    this.nomination = undefined;
    checker.transactions.supersedeNominations();
    this.forgetPeersNomination();
    // While it goes through another host, the checks of direct pairs go on until patience ends.
    const goesOn = isRelayed(pair) && checker.isChecking;
    if (!goesOn) this.stopChecking();
    this.withhold();
    if (pair === selection.pair) return;
    this.confirmAt = checker.transactions.hasSuperseded ? now + nominationPatienceMs(pair) : undefined;
    if (selection.pair !== undefined) this.history.leave(selection.pair, now);
    selection.set(pair, now);
    // Consent runs from the last answer: when that is old, a check, which is repeated, renews it.
    if (pair.validAt === undefined || now >= pair.validAt + CONSENT_INTERVAL_MS) checker.checklist.trigger(pair, true);
    if (goesOn) this.consider(now);
    else if (isRelayed(pair)) selection.look.later(now);
  }

  /** Nothing is selected any more. */
  dropSelected(): void {
    const { pair } = this.selection;
    if (pair === undefined) return;
    this.checker.transactions.forget(pair);
    if (this.nominated === pair) this.nomination = undefined;
    this.selection.clear();
    this.confirmAt = undefined;
    this.history.forgetLeft();
  }

  remove(pair: CandidatePair): void {
    this.checker.remove(pair);
    if (this.nominated === pair) this.nomination = undefined;
  }
}
