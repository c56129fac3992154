import type { Candidate, IceParameters } from '../base/candidate.ts';
import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { sameSocketAddress } from '../base/socket-address.ts';
import type { StunMessage } from '../stun/message.ts';
import { BINDING_METHOD } from '../stun/message.ts';
import type { IceAgentOptions, IceTransmit } from './agent-options.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { isFresh, pathOf } from './candidate-pair.ts';
import type { CheckOutcome } from './checker.ts';
import { Checker } from './checker.ts';
import { REST_SILENCE_MS } from './constants.ts';
import { Nominator } from './nominator.ts';
import { Outbox } from './outbox.ts';
import { PathKeeper } from './path-keeper.ts';
import type { IceEvent, IceRole, IceState, Path } from './path.ts';
import { Responder } from './responder.ts';
import { Selection } from './selection.ts';
import { Session } from './session.ts';
import { sparesOf } from './spares.ts';

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
 * Session: what both sides have told. Checker: our checks. Selection: the pair in use. Nominator: which pair that becomes, and who
 * is in control; there stands what goes beyond the RFC. PathKeeper: whether it still serves. Responder: the peer's checks. Each
 * knows only those before it.
 * One agent is one session: an ICE restart (s9) is another agent, while this one keeps its path.
 * No input of the network ends the agent; `close` does.
 */
export class IceAgent implements Timed {
  private readonly outbox = new Outbox();
  private readonly session: Session;
  private readonly checker: Checker;
  private readonly selection: Selection;
  private readonly nominator: Nominator;
  private readonly keeper: PathKeeper;
  private readonly responder: Responder;

  constructor({ random, logger }: { random: Random; logger: Logger }, options: IceAgentOptions) {
    const { outbox } = this;
    const session = new Session(random, options);
    const checker = new Checker({ session, outbox, random });
    const selection = new Selection({ outbox, random, logger });
    const nominator = new Nominator({ session, checker, selection, logger });
    this.session = session;
    this.checker = checker;
    this.selection = selection;
    this.nominator = nominator;
    this.keeper = new PathKeeper({ selection, checker, nominator, outbox, logger });
    this.responder = new Responder({ session, checker, selection, nominator, outbox });
  }

  /** What the peer must be told: by Attach, AppAttach or an offer. */
  get localParameters(): IceParameters {
    return this.session.localParameters;
  }

  /** Where the peer has said that it is, or its checks came from. */
  get remoteCandidates(): readonly Candidate[] {
    return this.session.remotes.all;
  }

  /** May change: by a role conflict, or when one side takes control. */
  get role(): IceRole {
    return this.session.role;
  }

  get state(): IceState {
    return this.selection.state;
  }

  get selected(): Path | undefined {
    const { consent } = this.selection;
    return consent === undefined ? undefined : pathOf(consent.pair);
  }

  /** Smoothed, of the selected pair. */
  get rttMs(): number | undefined {
    return this.selection.consent?.rttMs;
  }

  /** Fraction of the last consent checks that nobody answered, 0 to 1. */
  get loss(): number {
    return this.selection.consent?.loss ?? 0;
  }

  /**
   * The peer's parameters are known: checks start. Again with the same credentials: more candidates. With others nothing
   * happens: they are of another session (RFC 8445 s9), and of another agent.
   */
  setRemote(remote: IceParameters, now: number): void {
    if (this.state === 'closed') return;
    const { session, nominator } = this;
    const isFirst = session.credentials.remote === undefined;
    if (!session.meet(remote)) return;
    this.wake(now - REST_SILENCE_MS, now);
    const { checklist } = this.checker;
    const fresh = session.remotes.add(remote.candidates, checklist.pairs);
    checklist.setRole(session.role);
    const added = checklist.add(session.pairsWith(fresh));
    if (this.selection.pair !== undefined) for (const pair of added) checklist.trigger(pair);
    else if (isFirst || this.state === 'failed') nominator.startChecking(now);
    this.responder.takeEarly(remote.ufrag, now);
    this.pump(now);
  }

  /** All candidates of the peer as they are now (RFC 8838): those that have not just answered are checked, whatever is selected. */
  addRemoteCandidates(candidates: readonly Candidate[], now: number): void {
    const { remote } = this.session.credentials;
    if (this.state === 'closed' || remote === undefined) return;
    const { checklist } = this.checker;
    for (const gone of this.session.remotes.makeRoom(candidates, this.selection.pair?.remote.address))
      for (const pair of checklist.pairs.filter((other) => sameSocketAddress(other.remote.address, gone)))
        this.nominator.remove(pair);
    this.setRemote({ ...remote, candidates }, now);
    const isNamed = (pair: CandidatePair): boolean =>
      candidates.some(({ type, address }) => type !== 'host' && sameSocketAddress(address, pair.remote.address));
    // The peer is there once more, and a NAT on our side may have forgotten it.
    for (const pair of checklist.pairs)
      if (pair.state !== 'waiting' && pair.state !== 'in-progress' && isNamed(pair) && !isFresh(pair, now))
        checklist.trigger(pair);
    this.pump(now);
  }

  /**
   * The host's addresses changed; the credentials stay, and the peer learns the new addresses from our checks. When the
   * base of the selected pair is gone, checks start at once, first towards where the peer was last reached.
   */
  setLocalCandidates(candidates: readonly Candidate[], now: number): void {
    if (this.state === 'closed') return;
    const { session, nominator, checker } = this;
    this.wake(now - REST_SILENCE_MS, now);
    session.setLocalCandidates(candidates);
    const lost = this.dropGone();
    if (session.credentials.remote === undefined) return;
    const added = checker.checklist.add(session.pairsWith(session.remotes.all));
    if (this.selection.pair !== undefined) {
      for (const pair of added) checker.checklist.trigger(pair);
    } else {
      if (lost) nominator.changeRole('controlling');
      nominator.checkEverything(now);
      nominator.tryLastRemote(lost);
    }
    this.pump(now);
  }

  /**
   * Ways through other hosts, in place of those before; `remote` is the peer as it is reached by any of them. They are checked
   * after all others, and given up for any of those. Both ends know of them without `localParameters`.
   */
  setRelays(relays: readonly Candidate[], remote: Candidate, now: number): void {
    if (this.state === 'closed') return;
    const { session, nominator, checker } = this;
    session.setRelays(relays);
    const lost = this.dropGone();
    session.remotes.add([remote], checker.checklist.pairs);
    if (session.credentials.remote === undefined) return;
    const added = checker.checklist.add(session.pairsWith(session.remotes.all));
    const { consent } = this.selection;
    if (lost || (consent === undefined && !checker.isChecking)) nominator.checkEverything(now);
    else if (consent?.suspectSince !== undefined) for (const pair of added) checker.checklist.trigger(pair);
    this.pump(now);
  }

  /** Does the USERNAME of a request name this session? */
  owns(username: string): boolean {
    return this.session.owns(username);
  }

  /** Is an answer with this transaction ID (hexadecimal) awaited? */
  hasTransaction(id: string): boolean {
    return this.checker.transactions.get(id) !== undefined;
  }

  /**
   * @param raw the bytes of `message`, which its integrity covers.
   * @returns false: not ours, by transaction or by credentials; nothing was done.
   */
  receive(message: StunMessage, raw: Uint8Array, local: SocketAddress, remote: SocketAddress, now: number): boolean {
    if (this.state === 'closed' || message.method !== BINDING_METHOD) return false;
    let ours = false;
    if (message.class === 'request') ours = this.responder.receive(message, raw, local, remote, now);
    else if (message.class !== 'indication') {
      const outcome = this.checker.receive(message, raw, { local, remote }, now);
      ours = outcome !== undefined;
      if (outcome !== undefined) this.take(outcome, now);
    }
    this.pump(now);
    return ours;
  }

  pollTransmit(): IceTransmit | undefined {
    return this.outbox.pollTransmit();
  }

  pollEvent(): IceEvent | undefined {
    return this.outbox.pollEvent();
  }

  /** Whether the selected pair has just answered a check and there is nothing else to do: the time to `rest`. */
  isSteady(now: number): boolean {
    return this.selection.consent?.isSteady(now) === true && this.checker.isIdle && this.nominator.isIdle;
  }

  get resting(): boolean {
    return this.selection.consent?.resting === true;
  }

  /**
   * No consent checks until `wake`, a change of addresses, or a check by the peer on another pair. RFC 7675 s5.1: "An endpoint
   * that is not sending any application data does not need to maintain consent."
   */
  rest(now: number): void {
    this.selection.consent?.rest();
    this.checker.tidy(now);
  }

  /** Ways that may serve when the selected one does not (spares.ts). */
  spares(max: number): Path[] {
    const usable = this.checker.checklist.pairs.filter((pair) => !pair.expired);
    return sparesOf(usable, this.selection.pair, this.session.locals).slice(0, max).map(pathOf);
  }

  /** Data goes by this pair already, which has proven to work: consent is asked for there from now on. `selected` follows. */
  adopt(local: SocketAddress, remote: SocketAddress, now: number): void {
    const pair = this.checker.checklist.find(local, remote);
    if (this.state === 'closed' || pair === undefined || pair.expired || pair === this.selection.pair) return;
    pair.state = 'succeeded';
    pair.validAt = now;
    this.nominator.select(pair, now);
    this.pump(now);
  }

  /** @param heardAt when the peer was last heard on the selected pair, authenticated. Consent is renewed at once. */
  wake(heardAt: number, now: number): void {
    this.selection.consent?.wake(heardAt, now);
  }

  /** The peer may have given us up, or a NAT may have forgotten us: consent is asked for at once. */
  doubt(now: number): void {
    this.selection.consent?.doubt(now);
  }

  nextTimeout(): number | undefined {
    if (this.state === 'closed') return undefined;
    return earliest(this.checker.nextTimeout(), this.nominator.nextTimeout(), this.keeper.nextTimeout());
  }

  handleTimeout(now: number): void {
    if (this.state === 'closed') return;
    const { checker } = this;
    // First, so that the nomination which this one replaces is not repeated at the same moment.
    this.nominator.handleTimeout(now);
    this.pump(now);
    for (let outcome = checker.due(now); outcome !== undefined; outcome = checker.due(now)) this.take(outcome, now);
    this.keeper.handleTimeout(now);
    this.pump(now);
  }

  /** Idempotent. Nothing is sent or answered any more. */
  close(): void {
    this.selection.close();
    this.checker.transactions.clear();
    this.responder.close();
    this.outbox.clear();
  }

  private pump(now: number): void {
    for (let check = this.checker.check(now); check !== undefined; check = this.checker.check(now))
      this.nominator.sent(check);
  }

  private take(outcome: CheckOutcome, now: number): void {
    const { nominator } = this;
    const { transaction } = outcome;
    switch (outcome.result) {
      case 'succeeded':
        this.keeper.answered(transaction, outcome.rttMs, now);
        nominator.succeeded(transaction, now);
        return;
      case 'failed':
        nominator.failed(transaction, now);
        return;
      case 'roleConflict':
        nominator.roleConflict(transaction, now);
        return;
      case 'disowned':
        this.keeper.disowned(transaction);
        return;
      case 'late':
        this.keeper.missed(transaction, now);
        return;
      case 'nothing':
        return;
    }
  }

  /** @returns true: the base of the selected pair is gone too. */
  private dropGone(): boolean {
    const { session, selection, nominator } = this;
    const isGone = (pair: CandidatePair): boolean => !session.hasBase(pair.base);
    for (const pair of this.checker.checklist.pairs.filter(isGone)) nominator.remove(pair);
    if (selection.pair === undefined || !isGone(selection.pair)) return false;
    nominator.dropSelected();
    return true;
  }
}
