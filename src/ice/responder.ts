import type { SocketAddress } from '../base/socket-address.ts';
import { encodeErrorResponse } from '../stun/error-response.ts';
import type { StunMessage } from '../stun/message.ts';
import { authenticateRequest } from './authentication.ts';
import { encodeCheckAnswer } from './binding-messages.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { isRelayed } from './candidate-pair.ts';
import type { Checker } from './checker.ts';
import { REST_SILENCE_MS, SETTLE_MS, VERIFY_ANSWER_MS } from './constants.ts';
import { keyOf } from './credentials.ts';
import { EarlyChecks } from './early-checks.ts';
import type { Nominator } from './nominator.ts';
import type { Outbox } from './outbox.ts';
import { SeenChecks } from './seen-checks.ts';
import type { Selection } from './selection.ts';
import type { Session } from './session.ts';

/** The peer's checks (RFC 8445 s7.3): what they are answered, and what they make us check and select. */
export class Responder {
  private readonly session: Session;
  private readonly checker: Checker;
  private readonly selection: Selection;
  private readonly nominator: Nominator;
  private readonly outbox: Outbox;
  private readonly early = new EarlyChecks();
  private readonly seen = new SeenChecks();

  constructor(components: {
    session: Session;
    checker: Checker;
    selection: Selection;
    nominator: Nominator;
    outbox: Outbox;
  }) {
    this.session = components.session;
    this.checker = components.checker;
    this.selection = components.selection;
    this.nominator = components.nominator;
    this.outbox = components.outbox;
  }

  /**
   * @param raw the bytes of `request`, which its integrity covers.
   * @returns false: of another session, or not authentic; nothing was done.
   */
  receive(request: StunMessage, raw: Uint8Array, local: SocketAddress, remote: SocketAddress, now: number): boolean {
    const { credentials } = this.session;
    const asker = authenticateRequest(request, raw, credentials);
    if (asker === undefined) return false;
    if (this.seen.isReplay(request.transactionId, remote)) return true;
    const refuse = (code: number): true => {
      const data = encodeErrorResponse(request, code, keyOf(credentials.local));
      if (data !== undefined) this.outbox.send({ local, remote, data });
      return true;
    };
    if ((request.unknownRequired ?? []).length > 0) return refuse(420);
    if (request.attributes.priority === undefined) return refuse(400);
    if (!this.settleRoles(request, now)) return refuse(487);
    // No answer, so no selection there: the peer asks again, and what was a late copy ends here.
    const pair = this.checker.checklist.find(local, remote);
    if (pair !== undefined && this.nominator.isHeld(request, pair, now)) return true;
    this.outbox.send({ local, remote, data: encodeCheckAnswer(request, remote, credentials.local) });
    if (credentials.remote === undefined) this.early.add({ request, asker, local, remote });
    else this.accept(request, local, remote, now);
    return true;
  }

  /** The peer's parameters are known: what it has sent before them is its. */
  takeEarly(asker: string, now: number): void {
    for (const { request, local, remote } of this.early.take(asker)) this.accept(request, local, remote, now);
  }

  close(): void {
    this.early.clear();
  }

  /**
   * RFC 8445 s7.3.1.1: the larger tie-breaker keeps or gets control.
   * @returns false: the peer has to change its role.
   */
  private settleRoles(request: StunMessage, now: number): boolean {
    const { nominator } = this;
    const { role, tieBreaker } = this.session;
    const { iceControlling, iceControlled } = request.attributes;
    const peer = iceControlling ?? iceControlled;
    if (peer !== undefined) tieBreaker.seen(peer);
    if (role === 'controlling' && iceControlling !== undefined) {
      if (tieBreaker.value >= iceControlling) return false;
      if (!nominator.isClaim(request)) nominator.changeRole('controlled');
    } else if (role === 'controlled' && iceControlled !== undefined) {
      if (tieBreaker.value < iceControlled) return false;
      // The answer to our claim brings control.
      if (nominator.isNominating) return true;
      nominator.changeRole('controlling');
      nominator.consider(now);
    }
    return true;
  }

  /** RFC 8445 s7.3.1.3 to s7.3.1.5: the pair, perhaps a new one, the nomination, a triggered check. */
  private accept(request: StunMessage, local: SocketAddress, remote: SocketAddress, now: number): void {
    const { checker, nominator } = this;
    const pair = checker.checklist.find(local, remote) ?? this.learnPair(request, local, remote);
    if (pair === undefined || pair.expired) return;
    const { consent } = this.selection;
    const nominates = nominator.takes(request);
    if (nominates && nominator.nominatedByPeer(pair, now)) return;
    if (pair === consent?.pair) return;
    consent?.wake(now - REST_SILENCE_MS, now);
    const settling = consent !== undefined && !isRelayed(consent.pair) && now < consent.selectedAt + SETTLE_MS;
    const idle = !nominates && this.isAnsweredNow(pair, now);
    if ((settling && !nominates && !idle) || pair.triggeredBy === request.transactionId) return;
    pair.triggeredBy = request.transactionId;
    if (idle) return;
    // The hole is open now: what is under way is sent anew at once, as what it was.
    if (nominator.nominated === pair) pair.nominateAtOnce = true;
    checker.recheck(pair);
    // The peer checks something else than what it uses: its address may have changed.
    if (this.session.role === 'controlling' && consent?.beginVerify(now, VERIFY_ANSWER_MS) === true)
      checker.recheck(consent.pair, true);
  }

  /** Would a check in return tell nothing new? It causes one there, and that one another here, without end. */
  private isAnsweredNow(pair: CandidatePair, now: number): boolean {
    if (pair.state !== 'succeeded' || pair.validAt === undefined) return false;
    return this.selection.pair === undefined || now < pair.validAt + SETTLE_MS;
  }

  private learnPair(request: StunMessage, local: SocketAddress, remote: SocketAddress): CandidatePair | undefined {
    const { lastRemote } = this.selection;
    const pair = this.session.learnPair(local, remote, request.attributes.priority ?? 0, lastRemote);
    return pair === undefined ? undefined : this.checker.checklist.add([pair])[0];
  }
}
