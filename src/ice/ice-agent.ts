import { toHex } from '../base/bytes.ts';
import type { Candidate, IceParameters } from '../base/candidate.ts';
import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import { TRANSACTION_ID_BYTES } from '../stun/constants.ts';
import { encodeErrorResponse } from '../stun/error-response.ts';
import type { StunMessage } from '../stun/message.ts';
import { BINDING_METHOD } from '../stun/message.ts';
import type { IceAgentOptions, IceTransmit } from './agent-options.ts';
import { authenticateAnswer, authenticateRequest } from './authentication.ts';
import { encodeCheck, encodeCheckAnswer } from './binding-messages.ts';
import type { CandidatePair } from './candidate-pair.ts';
import {
  canPair,
  isFresh,
  isRelayed,
  isRenewable,
  localTypeOf,
  makePair,
  makePairs,
  nominationPatienceMs,
  pathOf,
} from './candidate-pair.ts';
import { bestOfEachBase } from './candidates.ts';
import type { CheckTransaction } from './check-transactions.ts';
import { CheckTransactions } from './check-transactions.ts';
import { Checklist } from './checklist.ts';
import { Consent } from './consent.ts';
import {
  CHECK_PACING_MS,
  CHECK_RTO_MS,
  CONSENT_INTERVAL_MS,
  FEW_PAIRS,
  NOMINATION_HOLD_MS,
  NOMINATION_WAIT_MS,
  PATIENCE_LOOK_MS,
  PATIENCE_MS,
  QUICK_PACING_MS,
  RELAYED_LOOK_MS,
  REST_SILENCE_MS,
  SETTLE_MS,
  SILENCE_VERIFY_MS,
  VERIFY_ANSWER_MS,
} from './constants.ts';
import type { Credentials } from './credentials.ts';
import { keyOf, randomCredentials, splitUsername } from './credentials.ts';
import { EarlyChecks } from './early-checks.ts';
import { NominationHistory } from './nomination-history.ts';
import type { IceEvent, IceRole, IceState, Path } from './path.ts';
import { distanceOf } from './path.ts';
import { RemoteCandidates } from './remote-candidates.ts';
import { SeenChecks } from './seen-checks.ts';
import { sparesOf } from './spares.ts';
import { TieBreaker } from './tie-breaker.ts';
import { UnansweredChecks } from './unanswered-checks.ts';

export type { IceAgentOptions, IceTransmit } from './agent-options.ts';
export type { IceEvent, IceRole, IceState, Path } from './path.ts';

/**
 * ICE (RFC 8445) with consent (RFC 7675) for one data stream with one component.
 *
 *   new ──setRemote──> checking ──a nominated check is answered──> connected
 *                       │    ^                                      │  │
 *                 nothing│    └──consent expired, or the base of the│  │another pair
 *                  works v       selected pair is gone ─────────────┘  └─> connected
 *                     failed ──setLocalCandidates, a late check──> checking, connected
 *
 * Two things go beyond the RFC. Other pairs may be nominated later: when the selected one is lost, or a more direct one
 * turns up. And control may be taken over, by winning a role conflict: at once by a side that lost its own address, since
 * it alone knows; and by the controlled side when the selected pair is dead and the peer does not see it. That side claims
 * control with a nomination, and both roles change when each side selects what it nominated: two sides that use the same
 * pair never have the same role.
 * One agent is one session: an ICE restart (s9) is another agent, while this one keeps its path.
 * No input of the network ends the agent; `close` does.
 */
export class IceAgent implements Timed {
  private readonly random: Random;
  private readonly logger: Logger;

  private currentRole: IceRole;
  private readonly tieBreaker: TieBreaker;
  private currentState: IceState = 'new';
  private localCandidates: readonly Candidate[];
  private relays: readonly Candidate[] = [];
  private bases: Map<string, Candidate>;

  private credentials: Credentials;
  private readonly remotes = new RemoteCandidates();
  private readonly early = new EarlyChecks();
  private readonly seen = new SeenChecks();
  private readonly unanswered = new UnansweredChecks();

  private readonly checklist = new Checklist();
  private readonly transactions = new CheckTransactions();
  private lastCheckAt = -Infinity;

  private consent: Consent | undefined;
  /** Where the peer was last reached: first to be tried from new addresses. */
  private lastRemote: SocketAddress | undefined;

  private nomination: CheckTransaction | undefined;
  private nominateAt: number | undefined;
  /** The selected pair is nominated once more then. */
  private confirmAt: number | undefined;
  private firstValidAt: number | undefined;
  private readonly nominations = new NominationHistory();
  private checkingSince = 0;
  private patienceAt: number | undefined;
  /** On a relayed path: when the direct ones are tried again, and after how long the next time. */
  private lookAt: number | undefined;
  private lookAfterMs: number = RELAYED_LOOK_MS.least;

  private transmits: IceTransmit[] = [];
  private events: IceEvent[] = [];

  constructor(components: { random: Random; logger: Logger }, options: IceAgentOptions) {
    this.random = components.random;
    this.logger = components.logger;
    this.currentRole = options.role;
    this.tieBreaker = new TieBreaker(this.random);
    this.localCandidates = options.localCandidates;
    this.bases = bestOfEachBase(options.localCandidates);
    this.credentials = { local: options.localCredentials ?? randomCredentials(this.random), remote: undefined };
  }

  /** What the peer must be told: by Attach, AppAttach or an offer. */
  get localParameters(): IceParameters {
    return { ...this.credentials.local, candidates: this.localCandidates };
  }

  /** May change: by a role conflict, or when one side takes control. */
  get role(): IceRole {
    return this.currentRole;
  }

  get state(): IceState {
    return this.currentState;
  }

  get selected(): Path | undefined {
    return this.consent === undefined ? undefined : pathOf(this.consent.pair);
  }

  /** Smoothed, of the selected pair. */
  get rttMs(): number | undefined {
    return this.consent?.rttMs;
  }

  /** Fraction of the last consent checks that nobody answered, 0 to 1. */
  get loss(): number {
    return this.consent?.loss ?? 0;
  }

  /**
   * The peer's parameters are known: checks start. Again with the same credentials: more candidates. With others nothing
   * happens: they are of another session (RFC 8445 s9), and of another agent.
   */
  setRemote(remote: IceParameters, now: number): void {
    if (this.currentState === 'closed') return;
    const { local, remote: known } = this.credentials;
    if (known !== undefined && (known.ufrag !== remote.ufrag || known.pwd !== remote.pwd)) return;
    this.wake(now - REST_SILENCE_MS, now);
    this.credentials = { local, remote: { ufrag: remote.ufrag, pwd: remote.pwd } };
    const fresh = this.remotes.add(remote.candidates, this.checklist.pairs);
    this.checklist.setRole(this.currentRole);
    const added = this.checklist.add(this.pairsWith(fresh));
    if (this.consent !== undefined) for (const pair of added) this.checklist.trigger(pair);
    else if (known === undefined || this.currentState === 'failed') this.startChecking(now);
    for (const check of this.early.take(remote.ufrag))
      this.checkReceived(check.request, check.local, check.remote, now);
    this.pump(now);
  }

  /** All candidates of the peer as they are now (RFC 8838): those that have not just answered are checked, whatever is selected. */
  addRemoteCandidates(candidates: readonly Candidate[], now: number): void {
    const { remote } = this.credentials;
    if (this.currentState === 'closed' || remote === undefined) return;
    for (const gone of this.remotes.makeRoom(candidates, this.consent?.pair.remote.address))
      for (const pair of this.checklist.pairs.filter((other) => sameSocketAddress(other.remote.address, gone)))
        this.removePair(pair);
    this.setRemote({ ...remote, candidates }, now);
    const isNamed = (pair: CandidatePair): boolean =>
      candidates.some(({ type, address }) => type !== 'host' && sameSocketAddress(address, pair.remote.address));
    // The peer is there once more, and a NAT on our side may have forgotten it.
    for (const pair of this.checklist.pairs)
      if (pair.state !== 'waiting' && pair.state !== 'in-progress' && isNamed(pair) && !isFresh(pair, now))
        this.checklist.trigger(pair);
    this.pump(now);
  }

  /**
   * The host's addresses changed; the credentials stay, and the peer learns the new addresses from our checks. When the
   * base of the selected pair is gone, checks start at once, first towards where the peer was last reached.
   */
  setLocalCandidates(candidates: readonly Candidate[], now: number): void {
    if (this.currentState === 'closed') return;
    this.wake(now - REST_SILENCE_MS, now);
    const lost = this.replaceLocalCandidates(candidates);
    if (this.credentials.remote === undefined) return;
    const added = this.checklist.add(this.pairsWith(this.remotes.all));
    if (!lost && this.consent !== undefined) {
      for (const pair of added) this.checklist.trigger(pair);
    } else {
      if (lost) this.changeRole('controlling');
      this.checkEverything(now);
      const towardsLast = this.checklist.pairs.filter(
        ({ remote }) => this.lastRemote !== undefined && sameSocketAddress(remote.address, this.lastRemote),
      );
      for (const pair of towardsLast.toReversed()) this.checklist.trigger(pair, true);
      // One round trip less: should another pair do better, it is nominated over this one.
      if (lost && towardsLast[0] !== undefined) towardsLast[0].nominateAtOnce = true;
    }
    this.pump(now);
  }

  /**
   * Ways through other hosts, in place of those before; `remote` is the peer as it is reached by any of them. They are checked
   * after all others, and given up for any of those. Both ends know of them without `localParameters`.
   */
  setRelays(relays: readonly Candidate[], remote: Candidate, now: number): void {
    if (this.currentState === 'closed') return;
    this.relays = relays;
    const lost = this.replaceLocalCandidates(this.localCandidates);
    this.remotes.add([remote], this.checklist.pairs);
    if (this.credentials.remote === undefined) return;
    const added = this.checklist.add(this.pairsWith(this.remotes.all));
    if (lost || (this.consent === undefined && this.patienceAt === undefined)) this.checkEverything(now);
    else if (this.consent?.suspectSince !== undefined) for (const pair of added) this.checklist.trigger(pair);
    this.pump(now);
  }

  /** Does the USERNAME of a request name this session? */
  owns(username: string): boolean {
    return splitUsername(username).asked === this.credentials.local.ufrag;
  }

  /** Is an answer with this transaction ID (hexadecimal) awaited? */
  hasTransaction(id: string): boolean {
    return this.transactions.get(id) !== undefined;
  }

  /**
   * @param raw the bytes of `message`, which its integrity covers.
   * @returns false: not ours, by transaction or by credentials; nothing was done.
   */
  receive(message: StunMessage, raw: Uint8Array, local: SocketAddress, remote: SocketAddress, now: number): boolean {
    if (this.currentState === 'closed' || message.method !== BINDING_METHOD) return false;
    let ours = false;
    if (message.class === 'request') ours = this.receiveRequest(message, raw, local, remote, now);
    else if (message.class !== 'indication') ours = this.receiveAnswer(message, raw, local, remote, now);
    this.pump(now);
    return ours;
  }

  pollTransmit(): IceTransmit | undefined {
    return this.transmits.shift();
  }

  pollEvent(): IceEvent | undefined {
    return this.events.shift();
  }

  /** Whether the selected pair has just answered a check and there is nothing else to do: the time to `rest`. */
  isSteady(now: number): boolean {
    return (
      this.consent?.isSteady(now) === true &&
      this.transactions.next() === undefined &&
      !this.checklist.hasNext &&
      this.nominateAt === undefined &&
      this.confirmAt === undefined &&
      this.patienceAt === undefined
    );
  }

  get resting(): boolean {
    return this.consent?.resting === true;
  }

  /**
   * No consent checks until `wake`, a change of addresses, or a check by the peer on another pair. RFC 7675 s5.1: "An endpoint
   * that is not sending any application data does not need to maintain consent."
   */
  rest(): void {
    this.consent?.rest();
  }

  /** Ways that may serve when the selected one does not (spares.ts). */
  spares(max: number): Path[] {
    const ours = this.checklist.pairs.filter((pair) => !pair.expired);
    return sparesOf(ours, this.consent?.pair, [...this.bases.values()])
      .slice(0, max)
      .map(pathOf);
  }

  /** Data goes by this pair already, which has proven to work: consent is asked for there from now on. `selected` follows. */
  adopt(local: SocketAddress, remote: SocketAddress, now: number): void {
    const pair = this.checklist.find(local, remote);
    if (this.currentState === 'closed' || pair === undefined || pair.expired || pair === this.consent?.pair) return;
    pair.state = 'succeeded';
    pair.validAt = now;
    this.select(pair, now);
    this.pump(now);
  }

  /** @param heardAt when the peer was last heard on the selected pair, authenticated. Consent is renewed at once. */
  wake(heardAt: number, now: number): void {
    this.consent?.wake(heardAt, now);
  }

  nextTimeout(): number | undefined {
    if (this.currentState === 'closed') return undefined;
    const consent = this.resting ? undefined : this.consent;
    return earliest(
      this.transactions.next(),
      this.checklist.hasNext ? this.nextSlotAt : undefined,
      this.nominateAt,
      this.confirmAt,
      this.patienceAt,
      consent === undefined ? undefined : this.lookAt,
      consent?.verifyAt,
      consent?.nextCheckAt,
      consent?.expiresAt,
    );
  }

  handleTimeout(now: number): void {
    if (this.currentState === 'closed') return;
    // First, so that the nomination which this one replaces is not repeated at the same moment.
    if (this.nominateAt !== undefined && now >= this.nominateAt) this.considerNomination(now);
    if (this.confirmAt !== undefined && now >= this.confirmAt) this.confirm();
    this.pump(now);
    for (let due = this.transactions.due(now); due !== undefined; due = this.transactions.due(now)) {
      const { transaction, timeout } = due;
      if (timeout === 'repeat') this.transmit(transaction.pair, transaction.data, now);
      else if (timeout === 'late') this.consentMissed(transaction, now);
      else this.checkExpired(transaction, now);
    }
    if (this.consent !== undefined && now >= this.consent.expiresAt) this.consentExpired(this.consent, now);
    if (this.consent !== undefined && now >= this.consent.nextCheckAt) this.checkConsent(this.consent, now);
    // The selected pair did not answer while another one did.
    if (this.consent?.verifyEnded(now) === true) this.considerNomination(now);
    if (this.patienceAt !== undefined && now >= this.patienceAt) this.patienceEnded(now);
    if (this.lookAt !== undefined && now >= this.lookAt && !this.resting) this.lookAgain(now);
    this.pump(now);
  }

  /** Idempotent. Nothing is sent or answered any more. */
  close(): void {
    this.changeState('closed');
    this.transactions.clear();
    this.transmits = [];
    this.events = [];
    this.early.clear();
    this.consent = undefined;
  }

  // Requests of the peer (RFC 8445 s7.3).

  private receiveRequest(
    request: StunMessage,
    raw: Uint8Array,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): boolean {
    const { credentials } = this;
    const asker = authenticateRequest(request, raw, credentials);
    if (asker === undefined) return false;
    if (this.seen.isReplay(request.transactionId, remote)) return true;
    const refuse = (code: number): true => {
      const data = encodeErrorResponse(request, code, keyOf(credentials.local));
      if (data !== undefined) this.transmits.push({ local, remote, data });
      return true;
    };
    if ((request.unknownRequired ?? []).length > 0) return refuse(420);
    if (request.attributes.priority === undefined) return refuse(400);
    if (!this.settleRoles(request, now)) return refuse(487);
    // No answer, so no selection there: the peer asks again, and what was a late copy ends here.
    if (this.isHeld(request, local, remote, now)) return true;
    this.transmits.push({ local, remote, data: encodeCheckAnswer(request, remote, credentials.local) });
    if (credentials.remote === undefined) this.early.add({ request, asker, local, remote });
    else this.checkReceived(request, local, remote, now);
    return true;
  }

  /**
   * RFC 8445 s7.3.1.1: the larger tie-breaker keeps or gets control.
   * @returns false: the peer has to change its role.
   */
  private settleRoles(request: StunMessage, now: number): boolean {
    const { iceControlling, iceControlled } = request.attributes;
    const peer = iceControlling ?? iceControlled;
    if (peer !== undefined) this.tieBreaker.seen(peer);
    if (this.currentRole === 'controlling' && iceControlling !== undefined) {
      if (this.tieBreaker.value >= iceControlling) return false;
      if (!this.isClaim(request)) this.changeRole('controlled');
    } else if (this.currentRole === 'controlled' && iceControlled !== undefined) {
      if (this.tieBreaker.value < iceControlled) return false;
      // The answer to our claim brings control.
      if (this.isNominating) return true;
      this.changeRole('controlling');
      this.considerNomination(now);
    }
    return true;
  }

  /** We have nominated, and the answer may still come. The controlled side claims control with it. */
  private get isNominating(): boolean {
    return this.nomination !== undefined && this.transactions.has(this.nomination);
  }

  /** The peer nominates, and its tie-breaker gives it the right to: control goes over together with the selected pair. */
  private isClaim({ attributes: { useCandidate, iceControlling } }: StunMessage): boolean {
    return (
      this.currentRole === 'controlling' &&
      useCandidate === true &&
      iceControlling !== undefined &&
      iceControlling > this.tieBreaker.value
    );
  }

  /** RFC 8445 s7.3.1.3 to s7.3.1.5: the pair, perhaps a new one, a triggered check, the nomination. */
  private checkReceived(request: StunMessage, local: SocketAddress, remote: SocketAddress, now: number): void {
    const pair = this.checklist.find(local, remote) ?? this.learnPair(request, local, remote);
    if (pair === undefined || pair.expired) return;
    const { consent } = this;
    const nominates = this.takesNomination(request);
    // The latest one counts, also when it is of the selected pair.
    if (nominates) for (const other of this.checklist.pairs) other.nominatedByPeer = false;
    if (pair === consent?.pair) {
      if (nominates) this.changeRole('controlled');
      return;
    }
    this.wake(now - REST_SILENCE_MS, now);
    if (nominates && pair.state === 'succeeded' && isRenewable(pair, now)) {
      this.changeRole('controlled');
      this.select(pair, now);
      return;
    }
    if (nominates) {
      pair.nominatedByPeer = true;
      this.dropNomination();
    }
    const isFinal = consent !== undefined && !isRelayed(consent.pair);
    const settling = isFinal && now < consent.selectedAt + SETTLE_MS;
    const idle = !nominates && this.isAnsweredNow(pair, now);
    if ((settling && !nominates && !idle) || pair.triggeredBy === request.transactionId) return;
    pair.triggeredBy = request.transactionId;
    if (idle) return;
    // The hole is open now: what is under way is sent anew at once, as what it was.
    if (this.nomination?.pair === pair) pair.nominateAtOnce = true;
    this.transactions.cancel(pair);
    this.checklist.trigger(pair);
    // The peer checks something else than what it uses: its address may have changed.
    if (this.currentRole !== 'controlling' || consent?.beginVerify(now, VERIFY_ANSWER_MS) !== true) return;
    this.transactions.cancel(consent.pair);
    this.checklist.trigger(consent.pair, true);
  }

  /** Would a check in return tell nothing new? It causes one there, and that one another here, without end. */
  private isAnsweredNow(pair: CandidatePair, now: number): boolean {
    if (pair.state !== 'succeeded' || pair.validAt === undefined) return false;
    return this.consent === undefined || now < pair.validAt + SETTLE_MS;
  }

  private learnPair(request: StunMessage, local: SocketAddress, remote: SocketAddress): CandidatePair | undefined {
    const base = this.bases.get(formatSocketAddress(local));
    if (base === undefined || !canPair(local, remote)) return undefined;
    const candidate = this.remotes.learn(remote, request.attributes.priority ?? 0, this.lastRemote);
    return this.checklist.add([makePair(this.currentRole, base, candidate)])[0];
  }

  /** Does it nominate the pair that we have just left, or claim control with the one that we have just selected? */
  private isHeld(request: StunMessage, local: SocketAddress, remote: SocketAddress, now: number): boolean {
    const pair = this.checklist.find(local, remote);
    if (pair === undefined || request.attributes.useCandidate !== true) return false;
    if (this.nominations.isLeft(pair, now)) return true;
    const { consent } = this;
    return pair === consent?.pair && now < consent.selectedAt + NOMINATION_HOLD_MS && this.isClaim(request);
  }

  private takesNomination(request: StunMessage): boolean {
    if (request.attributes.useCandidate !== true) return false;
    const obeys = this.currentRole === 'controlled' || this.isClaim(request);
    return obeys && this.nominations.takes(request.transactionId);
  }

  // Our own checks (RFC 8445 s7.2).

  private get nextSlotAt(): number {
    const quick = this.checklist.hasTriggered || this.checklist.pairs.length <= FEW_PAIRS;
    return this.lastCheckAt + (quick ? QUICK_PACING_MS : CHECK_PACING_MS);
  }

  private pump(now: number): void {
    while (this.checklist.hasNext && now >= this.nextSlotAt) {
      const pair = this.checklist.next();
      if (pair === undefined) return;
      this.startCheck(pair, now);
    }
  }

  private startCheck(pair: CandidatePair, now: number): void {
    const nominating = pair.nominateAtOnce;
    pair.nominateAtOnce = false;
    this.transactions.cancel(pair);
    const rtoMs = Math.max(CHECK_RTO_MS, CHECK_PACING_MS * this.checklist.active, 2 * (pair.rttMs ?? 0));
    const transaction = this.sendRequest(pair, 'check', nominating, rtoMs, now);
    if (transaction === undefined) return;
    this.lastCheckAt = now;
    if (!nominating) return;
    // The peer takes the latest: repeated after this one, an older nomination would be that.
    this.supersedeNominations(pair);
    this.nomination = transaction;
  }

  private sendRequest(
    pair: CandidatePair,
    purpose: 'check' | 'consent',
    nominating: boolean,
    timeoutMs: number,
    now: number,
  ): CheckTransaction | undefined {
    const id = toHex(this.random.bytes(TRANSACTION_ID_BYTES));
    const role = nominating ? 'controlling' : pair.nominatedByPeer ? 'controlled' : this.currentRole;
    // A consent check of the controlling side repeats the nomination: should the peer use another pair, it comes back.
    // While it is asked to do so, that would take back what we ask.
    const nominate = nominating || (purpose === 'consent' && role === 'controlling' && !this.isNominating);
    const { credentials, tieBreaker } = this;
    const data = encodeCheck({ transactionId: id, pair, credentials, role, tieBreaker: tieBreaker.value, nominate });
    if (data === undefined) return undefined;
    this.transmit(pair, data, now);
    return this.transactions.start({ id, pair, purpose, role, data, nominating }, timeoutMs, now);
  }

  private transmit({ base, remote }: CandidatePair, data: Uint8Array, now: number): void {
    if (this.unanswered.take(remote, now)) this.transmits.push({ local: base, remote: remote.address, data });
  }

  private receiveAnswer(
    answer: StunMessage,
    raw: Uint8Array,
    local: SocketAddress,
    remote: SocketAddress,
    now: number,
  ): boolean {
    const transaction = this.transactions.get(answer.transactionId);
    if (transaction === undefined) return false;
    const { errorCode, xorMappedAddress } = answer.attributes;
    const { proof, symmetric } = authenticateAnswer(answer, raw, this.credentials, transaction, { local, remote });
    if (proof === 'none') return false;
    if (proof === 'disowned') {
      this.disowned(transaction);
      return true;
    }
    if (answer.class === 'error' && errorCode?.code === 487) {
      this.transactions.end(transaction);
      this.roleConflict(transaction, now);
    } else if (!symmetric || answer.class === 'error') {
      // RFC 8445 s7.2.5.2.1, s7.2.5.2.2.
      this.transactions.end(transaction);
      this.checkFailed(transaction, now);
    } else if (xorMappedAddress !== undefined) {
      this.transactions.end(transaction);
      this.checkSucceeded(transaction, xorMappedAddress, now);
    }
    return true;
  }

  /** Whoever is on the way can say so too: on the selected pair the peer itself is asked at once. */
  private disowned(transaction: CheckTransaction): void {
    if (transaction.disowned) return;
    transaction.disowned = true;
    this.events.push({ type: 'peerForgot' });
    const { consent } = this;
    if (transaction.pair !== consent?.pair) return;
    consent.disowned();
    if (transaction.purpose === 'consent') this.checklist.trigger(transaction.pair, true);
  }

  private checkSucceeded(transaction: CheckTransaction, mapped: SocketAddress, now: number): void {
    const { pair } = transaction;
    this.unanswered.answeredBy(pair.remote.address);
    const first = pair.validAt === undefined;
    const rttMs = transaction.sends === 1 ? now - transaction.startedAt : undefined;
    pair.validAt = now;
    pair.rttMs = rttMs ?? pair.rttMs;
    pair.answerMs = now - transaction.startedAt;
    pair.localType = localTypeOf(mapped, pair.base, this.localCandidates);
    this.transactions.cancelChecks(pair);
    this.checklist.succeeded(pair);
    if (pair.nominateAtOnce) this.checklist.trigger(pair, true);
    if (first) this.events.push({ type: 'valid', path: pathOf(pair) });
    if (pair === this.consent?.pair) {
      if (this.consent.answered(rttMs, now)) this.events.push({ type: 'peerRemembers' });
      if (transaction.purpose === 'consent' && !transaction.late) this.consent.record(true);
      // It was silent and is not any more: what was tried instead is not needed, unless the peer may have moved there.
      // On a relayed one what is tried is better.
      const done = !this.isNominating && !isRelayed(pair);
      if (this.patienceAt !== undefined && done) this.stopChecking();
    }
    if (this.nomination === transaction) this.nomination = undefined;
    // A claim was taken: control is ours together with the pair.
    if (transaction.nominating) this.changeRole('controlling');
    if (pair.nominatedByPeer) this.changeRole('controlled');
    if (transaction.nominating || pair.nominatedByPeer) this.select(pair, now);
    else this.considerNomination(now);
  }

  private checkExpired(transaction: CheckTransaction, now: number): void {
    if (transaction.purpose === 'check' && !this.transactions.isRepeating(transaction.pair))
      this.checkFailed(transaction, now);
  }

  private checkFailed(transaction: CheckTransaction, now: number): void {
    const { pair } = transaction;
    if (this.nomination === transaction) this.nomination = undefined;
    if (pair.state === 'in-progress') pair.state = 'failed';
    this.considerNomination(now);
  }

  /** RFC 8445 s7.2.5.1. */
  private roleConflict(transaction: CheckTransaction, now: number): void {
    if (this.nomination === transaction) this.nomination = undefined;
    if (transaction.role === this.currentRole)
      this.changeRole(transaction.role === 'controlling' ? 'controlled' : 'controlling');
    this.checklist.trigger(transaction.pair);
    this.considerNomination(now);
  }

  // Nomination (RFC 8445 s8.1.1).

  private considerNomination(now: number): void {
    this.nominateAt = undefined;
    const best = this.checklist.pairs.find(
      (pair) => pair.state === 'succeeded' && isFresh(pair, now) && this.improves(pair),
    );
    if (best === undefined) return;
    const claimAt = this.consent?.claimableAt;
    if (this.currentRole === 'controlled' && (claimAt === undefined || now < claimAt)) {
      this.nominateAt = claimAt;
      return;
    }
    this.firstValidAt ??= now;
    const betterMayCome = this.checklist.pairs.some(
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
    if (this.currentRole === 'controlled') this.tieBreaker.settle('controlling');
    best.nominateAtOnce = true;
    this.checklist.trigger(best, true);
  }

  private improves(pair: CandidatePair): boolean {
    const { consent } = this;
    if (consent === undefined) return true;
    if (pair === consent.pair) return false;
    if (consent.suspectSince !== undefined) return true;
    return distanceOf(pathOf(pair)) < distanceOf(pathOf(consent.pair));
  }

  private select(pair: CandidatePair, now: number): void {
    this.nomination = undefined;
    this.transactions.supersedeNominations();
    for (const other of this.checklist.pairs) other.nominatedByPeer = false;
    // While it goes through another host, the checks of direct pairs go on until patience ends.
    const goesOn = isRelayed(pair) && this.patienceAt !== undefined;
    if (!goesOn) this.stopChecking();
    for (const other of this.checklist.pairs) other.nominateAtOnce = false;
    if (pair === this.consent?.pair) return;
    this.confirmAt = this.transactions.hasSuperseded ? now + nominationPatienceMs(pair) : undefined;
    if (this.consent !== undefined) this.nominations.leave(this.consent.pair, now);
    this.consent = new Consent(this.random, pair, now);
    // Consent runs from the last answer: when that is old, a check, which is repeated, renews it.
    if (pair.validAt === undefined || now >= pair.validAt + CONSENT_INTERVAL_MS) this.checklist.trigger(pair, true);
    this.lastRemote = pair.remote.address;
    this.lookAt = undefined;
    this.lookAfterMs = RELAYED_LOOK_MS.least;
    this.changeState('connected');
    this.events.push({ type: 'selected', path: pathOf(pair) });
    if (goesOn) this.considerNomination(now);
    else if (isRelayed(pair)) this.lookLater(now);
  }

  /** The peer takes the nomination that it hears last: that may be an earlier one, which this one has overtaken. */
  private confirm(): void {
    this.confirmAt = undefined;
    if (this.consent === undefined || this.currentRole !== 'controlling') return;
    this.consent.pair.nominateAtOnce = true;
    this.checklist.trigger(this.consent.pair, true);
  }

  // Consent (RFC 7675) and silence.

  private checkConsent(consent: Consent, now: number): void {
    consent.checkSent(now);
    this.sendRequest(consent.pair, 'consent', false, consent.answerTimeoutMs, now);
  }

  private consentMissed(transaction: CheckTransaction, now: number): void {
    const { consent } = this;
    if (consent === undefined || transaction.pair !== consent.pair) return;
    if (!consent.record(false)) return;
    this.logger.info('ice.silence', { addr: formatSocketAddress(consent.pair.remote.address) });
    consent.beginVerify(now, SILENCE_VERIFY_MS);
    if (this.patienceAt === undefined) this.checkEverything(now);
  }

  private consentExpired(consent: Consent, now: number): void {
    this.logger.info('ice.consent_expired', { addr: formatSocketAddress(consent.pair.remote.address) });
    consent.pair.expired = true;
    consent.pair.state = 'failed';
    this.dropSelected();
    this.events.push({ type: 'consentExpired' });
    this.checkEverything(now);
  }

  private dropSelected(): void {
    if (this.consent === undefined) return;
    this.transactions.forget(this.consent.pair);
    if (this.nomination?.pair === this.consent.pair) this.nomination = undefined;
    this.consent = undefined;
    this.confirmAt = undefined;
    this.nominations.forgetLeft();
  }

  // Checking, roles, states.

  private startChecking(now: number): void {
    this.checkingSince = now;
    this.patienceAt = now + PATIENCE_MS;
    this.firstValidAt = undefined;
    if (this.consent === undefined) this.changeState('checking');
  }

  private checkEverything(now: number): void {
    this.startChecking(now);
    this.checklist.resume();
    this.considerNomination(now);
  }

  private stopChecking(): void {
    this.checklist.pause();
    for (const pair of this.checklist.pairs) pair.nominateAtOnce = false;
    this.transactions.cancel();
    this.patienceAt = undefined;
    this.nominateAt = undefined;
    this.firstValidAt = undefined;
  }

  private patienceEnded(now: number): void {
    const undecided =
      this.checklist.active > 0 || this.checklist.pairs.some((pair) => this.improves(pair) && isFresh(pair, now));
    if (undecided && now < this.checkingSince + 2 * PATIENCE_MS) {
      this.patienceAt = now + PATIENCE_LOOK_MS;
      return;
    }
    this.stopChecking();
    if (this.consent !== undefined) {
      if (isRelayed(this.consent.pair)) this.lookLater(now);
      return;
    }
    this.changeState('failed');
    this.events.push({ type: 'failed' });
  }

  private lookLater(now: number): void {
    this.lookAt = now + this.lookAfterMs;
    this.lookAfterMs = Math.min(2 * this.lookAfterMs, RELAYED_LOOK_MS.most);
  }

  /** Nothing told of it, but a direct path may work by now. */
  private lookAgain(now: number): void {
    this.lookAt = undefined;
    if (this.patienceAt === undefined) this.checkEverything(now);
  }

  /** @returns true when the selected pair cannot be used any more. */
  private replaceLocalCandidates(candidates: readonly Candidate[]): boolean {
    this.localCandidates = candidates;
    this.bases = bestOfEachBase([...candidates, ...this.relays]);
    const isGone = (pair: CandidatePair): boolean => !this.bases.has(formatSocketAddress(pair.base));
    for (const pair of this.checklist.pairs.filter(isGone)) this.removePair(pair);
    if (this.consent === undefined || !isGone(this.consent.pair)) return false;
    this.dropSelected();
    return true;
  }

  private removePair(pair: CandidatePair): void {
    this.checklist.remove(pair);
    this.transactions.forget(pair);
    if (this.nomination?.pair === pair) this.nomination = undefined;
  }

  private pairsWith(remotes: readonly Candidate[]): CandidatePair[] {
    return makePairs(this.currentRole, this.bases.values(), remotes);
  }

  private changeRole(role: IceRole): void {
    if (role === this.currentRole) return;
    this.logger.debug('ice.role', { from: this.currentRole, to: role });
    this.currentRole = role;
    this.tieBreaker.settle(role);
    this.checklist.setRole(role);
    if (role === 'controlled') this.dropNomination();
    else for (const pair of this.checklist.pairs) pair.nominatedByPeer = false;
  }

  /** What we nominated counts no more. */
  private dropNomination(): void {
    this.nomination = undefined;
    this.supersedeNominations();
    for (const pair of this.checklist.pairs) pair.nominateAtOnce = false;
  }

  /** What is still repeated goes on as a check. */
  private supersedeNominations(kept?: CandidatePair): void {
    for (const pair of this.transactions.supersedeNominations(kept)) {
      this.transactions.cancel(pair);
      this.checklist.trigger(pair);
    }
  }

  private changeState(state: IceState): void {
    if (state === this.currentState) return;
    this.logger.debug('ice.state', { from: this.currentState, to: state });
    this.currentState = state;
  }
}
