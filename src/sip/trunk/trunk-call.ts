import type { Random } from '../../base/random.ts';
import type { SipFlow } from '../flow.ts';
import { firstHeader, headerRows, withHeader } from '../message/headers.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { MAX_FORWARDS, TRANSACTION_TIMEOUT_MS } from '../transaction/constants.ts';
import { responseTo, tagOf } from '../transaction/responses.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { CallDialogs, type Dialog, dialogBy, MAX_DIALOGS, numberOf, saying } from './call-dialogs.ts';
import { CallMedia, type Refusal } from './call-media.ts';
import { type CallSide, type End, otherEnd } from './call-side.ts';
import type { KeptCall } from './kept-calls.ts';
import { allowing, isDescribing, passedHeaders, unchallenged } from './passing.ts';
import { Referral, type Referred } from './referral.ts';
import type { Replaces } from './replaces.ts';
import { type Candidate, Takeover } from './takeover.ts';
import type { OutgoingRequest } from './trunk-client.ts';
import type { TrunkMedia } from './trunk-media.ts';

// Implementation constants.

const ID_BYTES = 12;
/** That something was said in a call is written down so often. */
const SAID_STEP_MS = 600_000;

export interface CallStart {
  readonly id: string;
  readonly invite: SipRequest;
  readonly transaction: ServerTransaction;
  /** Of the INVITE that goes on. */
  readonly uri: string;
  readonly from: string;
  readonly to: string;
  /** From of what we say to the caller later. */
  readonly calledAs: string;
  readonly headers: readonly SipHeader[];
  readonly flows: readonly SipFlow[];
  /** It goes on even where the media relay fails. */
  readonly isEmergency: boolean;
}

export interface TrunkCallPorts {
  readonly sides: Readonly<Record<End, CallSide>>;
  readonly media: TrunkMedia | undefined;
  readonly random: Random;
  /** Nothing of it is needed any more. */
  over(call: TrunkCall): void;
  /** Something was said in it: what is kept of it may be another. */
  alive(call: TrunkCall, now: number): void;
  /** That end has another Call-ID now. */
  moved(call: TrunkCall, end: End, from: Place): void;
}

/** How requests of an end are told from others'. */
export interface Place {
  readonly where: 'inside' | 'outside';
  readonly callId: string;
}

type Said = (Refusal & { readonly body?: Uint8Array }) | SipResponse;

/** RFC 3261 s14.1: one re-INVITE at a time. */
const PENDING = { status: 491, reason: 'Request Pending' };
const UNKNOWN = { status: 481, reason: 'Call/Transaction Does Not Exist' };
const NO_ANSWER = { status: 503, reason: 'Gateway Has No Way Out' };
const TERMINATED = { status: 487, reason: 'Request Terminated' };
const ACCEPTED = { status: 202, reason: 'Accepted' };
const NOT_THIS_CALL = { status: 403, reason: 'Calls for Help Are Not Handed On' };
const STOPPED = { status: 503, reason: 'Gateway Stops' };

/**
 * A call through a gateway: a dialog with each end (a back-to-back user agent, RFC 7092 s3.2.1), which have nothing in common but To
 * tags of the called end: where that has forked, the caller sees as many dialogs.
 *
 *    inviting ──2xx──> answered ──BYE of either end──> over ──2xx: ACK, BYE──┐
 *       └──refused, cancelled, nobody answers──────────^ ^───────────────────┘
 *
 * Another phone may take the place of one end, of itself (RFC 3891) or because that asks for it (RFC 3515): it hears how the other end
 * likes its session, and the former one BYE.
 *
 * What is repeated because of loss is repeated end to end: nothing here waits for an ACK.
 */
export class TrunkCall {
  private readonly ports: TrunkCallPorts;
  /** Undefined: it was answered in a former life. */
  private readonly start: CallStart | undefined;
  private readonly dialogs: CallDialogs;
  private readonly media: CallMedia;
  private outgoing: OutgoingRequest | undefined;
  private state: 'inviting' | 'answered' | 'over' = 'inviting';
  private isCancelled = false;
  /** To tags of who has answered in vain, or too late. */
  private readonly dismissed = new Set<string>();
  /** Somebody is about to take the place of an end. */
  private isReplacing = false;
  /** Somebody is called for that. */
  private referral: Referral | undefined;
  /** Not for the first time. */
  private isReferred = false;
  private saidAt: number;

  private constructor(ports: TrunkCallPorts, dialogs: CallDialogs, start: CallStart | undefined, now: number) {
    this.ports = ports;
    this.start = start;
    this.dialogs = dialogs;
    this.media = new CallMedia({ media: ports.media, dialogs });
    this.saidAt = now;
  }

  static of(ports: TrunkCallPorts, start: CallStart, now: number): TrunkCall {
    const { id, invite, transaction, flows, from, to, calledAs, isEmergency } = start;
    const dialogs = new CallDialogs(ports.sides, {
      id,
      callIds: { caller: firstHeader(invite, 'call-id') ?? '', callee: unique(ports.random) },
      tags: { caller: tagOf(invite, 'from'), own: unique(ports.random) },
      names: { from, to, calledAs, callerFrom: firstHeader(invite, 'from') ?? '' },
      caller: dialogBy(invite) ?? nowhere(),
      flows: { caller: transaction.from, callee: flows[0] ?? transaction.from },
      isEmergency,
    });
    return new TrunkCall(ports, dialogs, start, now);
  }

  /** A call of a former life goes on. @param inside the flow to the adaptor @param saidAt in monotonic time, as `now` */
  static restored(ports: TrunkCallPorts, kept: KeptCall, inside: SipFlow, saidAt: number): TrunkCall {
    const call = new TrunkCall(ports, CallDialogs.restored(ports.sides, kept, inside), undefined, saidAt);
    call.state = 'answered';
    return call;
  }

  get id(): string {
    return this.dialogs.id;
  }

  placeOf(end: End): Place {
    return { where: this.dialogs.sides[end].where, callId: this.dialogs.callIds[end] };
  }

  /** Of the provider, that it takes. */
  get lines(): number {
    const outside = (['caller', 'callee'] as const).filter((end) => this.dialogs.sides[end].where === 'outside');
    return outside.length + (this.referral?.isOutside === true ? 1 : 0);
  }

  /** What the next life needs. @returns undefined: nothing, it is not answered */
  kept(): KeptCall | undefined {
    const kept = this.state === 'answered' ? this.dialogs.kept() : undefined;
    return kept && { ...kept, saidAt: this.saidAt - (this.saidAt % SAID_STEP_MS) };
  }

  /** After a crash: each end is asked whether it is in the call still (RFC 3261 s11); what it said meanwhile nobody has heard. */
  check(now: number): void {
    for (const tag of this.dialogs.keys) for (const end of ['caller', 'callee'] as const) this.checkEnd(end, tag, now);
  }

  private checkEnd(end: End, tag: string, now: number): void {
    const { dialogs } = this;
    const callId = dialogs.callIds[end];
    const options = { ...saying('OPTIONS'), headers: [{ name: 'Accept', value: 'application/sdp' }] };
    const isHeld = (): boolean =>
      this.state === 'answered' && dialogs.callIds[end] === callId && dialogs.isAnswered(tag);
    const gone = (at: number): void => {
      if (!isHeld()) return;
      this.sayBye(otherEnd(end), tag, at);
      this.left(tag);
    };
    dialogs.sides[end].request(
      {
        flows: [dialogs.flowOf(end, tag)],
        build: () => dialogs.build(end, tag, options, (dialogs.cseqs[end] += 1)),
        onProvisional: ignore,
        // s12.2.1.2: "If the response for a request within a dialog is a 481 or a 408, the UAC SHOULD terminate the dialog", and where
        // there is none. Who is not reached at all may speak and hear all the same.
        onFinal: ({ status }, at) => {
          if (status === 481 || status === 408) gone(at);
          else if (isHeld()) this.said(at);
        },
        onFailure: (at) => {
          if (at - now >= TRANSACTION_TIMEOUT_MS) gone(at);
        },
      },
      now,
    );
  }

  /** The INVITE goes on. */
  begin(now: number): void {
    const { start } = this;
    if (start === undefined) return;
    const { invite } = start;
    this.media.translate('caller', invite, 'offer', undefined, now, (body, at, refusal) => {
      if (this.state !== 'inviting') return;
      if (this.isCancelled) this.fail(TERMINATED, at);
      else if (body === undefined && !this.dialogs.isEmergency) this.fail(refusal, at);
      else this.invite(start, body ?? invite.body, at);
    });
  }

  /** The caller gives up. */
  cancel(headers: readonly SipHeader[], now: number): void {
    this.isCancelled = true;
    this.outgoing?.cancel(headers, now);
  }

  /** @returns whether such a request belongs to a dialog of this call. */
  has(end: End, request: SipRequest): boolean {
    return this.dialogs.has(end, request);
  }

  /** A request within the call, which goes on to the other end. */
  receive(end: End, request: SipRequest, transaction: ServerTransaction, now: number): void {
    const tag = this.dialogs.keyFor(end, request);
    this.said(now);
    this.dialogs.refresh(end, tag, request);
    if (request.method === 'BYE') {
      if (this.referral?.tag === tag && this.leavesReferral(this.referral, end, request, transaction, now)) return;
      this.dialogs.leaving(tag);
    }
    const isPrack = request.method === 'PRACK';
    const passed = isPrack ? this.acknowledging(end, request) : request;
    if (passed === undefined) {
      this.answer(end, request, transaction, UNKNOWN, now);
      return;
    }
    // RFC 3262 s5: an offer in what rings is answered by its PRACK.
    const isAnswer = isPrack && this.start !== undefined && !isDescribing(this.start.invite);
    this.media.translate(end, request, isAnswer ? 'answer' : 'offer', tag, now, (body, at, refusal) => {
      // Another phone may have taken its place while the relay was asked, or somebody hung up.
      const isHeld = firstHeader(request, 'call-id') === this.dialogs.callIds[end] && this.dialogs.isKnown(tag);
      if (!isHeld) this.answer(end, request, transaction, UNKNOWN, at);
      else if (body === undefined) this.answer(end, request, transaction, refusal, at);
      else this.pass(end, tag, { ...passed, body }, transaction, at);
    });
  }

  /** @returns whether another phone may take the place of that end of that dialog (RFC 3891 s3): the call is answered. */
  isReplaceable(end: End, replaces: Replaces): boolean {
    return this.state === 'answered' && this.dialogs.replaced(end, replaces) !== undefined;
  }

  /**
   * An INVITE takes the place of an end: the other one hears of it in its dialog, as of a re-INVITE, and the former end BYE once that is
   * accepted.
   */
  replace(end: End, replaces: Replaces, invite: SipRequest, transaction: ServerTransaction, now: number): void {
    const { dialogs } = this;
    const tag = dialogs.replaced(end, replaces) ?? '';
    const own = end === 'caller' ? tag : unique(this.ports.random);
    if (this.isReplacing) {
      this.answer(end, invite, transaction, PENDING, now, own);
      return;
    }
    const answer = (said: Said, at: number): void => this.answer(end, invite, transaction, said, at, own);
    const its = tagOf(invite, 'from');
    this.takeOver(
      {
        ...{ end, tag, message: invite, invite, onTaken: answer, onRefused: answer },
        newcomer: {
          ...{ callId: firstHeader(invite, 'call-id') ?? '', name: firstHeader(invite, 'from') ?? '', tag: its, own },
          ...{ dialog: dialogBy(invite) ?? nowhere(), flow: transaction.from },
        },
        onAsked: (number) => dialogs.remember(end, invite, number),
        farewell: (at) => this.sayBye(end, tag, at),
      },
      now,
    );
  }

  /** A member's REFER: somebody else is called in its place. */
  refer(end: End, request: SipRequest, transaction: ServerTransaction, referred: Referred, now: number): void {
    const { dialogs } = this;
    const { random } = this.ports;
    const tag = dialogs.keyFor(end, request);
    if (this.state !== 'answered' || !dialogs.has(end, request) || !dialogs.isAnswered(tag))
      this.answer(end, request, transaction, UNKNOWN, now);
    else if (this.isReplacing || this.referral !== undefined) this.answer(end, request, transaction, PENDING, now);
    else if (dialogs.isEmergency) this.answer(end, request, transaction, NOT_THIS_CALL, now);
    else {
      this.said(now);
      this.answer(end, request, transaction, ACCEPTED, now);
      // RFC 3515 s2.4.6.
      const event = this.isReferred ? `refer;id=${numberOf(request)}` : 'refer';
      this.isReferred = true;
      const referral = new Referral(
        {
          dialogs,
          isOn: () => this.state === 'answered' && dialogs.isAnswered(tag),
          takeOver: (candidate, at) => this.takeOver(candidate, at),
          acknowledge: (to, of, number) => this.acknowledge(to, of, saying('ACK'), number),
          sayBye: (to, of, at) => this.sayBye(to, of, at),
          over: (isTaken, at) => {
            this.referral = undefined;
            if (isTaken || !referral.isLeft || this.state !== 'answered' || !dialogs.isAnswered(tag)) return;
            this.sayBye(otherEnd(end), tag, at);
            this.left(tag);
          },
        },
        { end, tag, referred, event, callId: unique(random), own: end === 'caller' ? tag : unique(random) },
      );
      this.referral = referral;
      referral.begin(now);
    }
  }

  /** Somebody hangs up while another one is called. @returns whether that is all: the end that stays waits, or is alone */
  private leavesReferral(
    referral: Referral,
    end: End,
    request: SipRequest,
    transaction: ServerTransaction,
    now: number,
  ): boolean {
    const isReferrer = referral.end === end;
    if (!isReferrer) referral.cancel(now);
    if (!isReferrer && !referral.isLeft) return false;
    this.answer(end, request, transaction, { status: 200, reason: 'OK' }, now);
    if (isReferrer) referral.isLeft = true;
    else this.left(referral.tag);
    return true;
  }

  private takeOver(candidate: Candidate, now: number): void {
    this.isReplacing = true;
    const { dialogs, media } = this;
    new Takeover(
      {
        ...{ dialogs, media },
        isOn: () => this.state === 'answered',
        acknowledge: (to, tag, number) => this.acknowledge(to, tag, saying('ACK'), number),
        take: (taken, at) => {
          const { end, tag, newcomer } = taken;
          taken.farewell(at);
          const former = this.placeOf(end);
          dialogs.take(end, tag, newcomer);
          this.ports.moved(this, end, former);
          this.said(at);
        },
        end: (at, why) => this.end(at, why),
      },
      {
        ...candidate,
        onTaken: (response, at) => {
          this.isReplacing = false;
          candidate.onTaken(response, at);
        },
        onRefused: (said, at) => {
          this.isReplacing = false;
          this.media.putBack(candidate.tag);
          candidate.onRefused(said, at);
        },
      },
    ).begin(now);
  }

  /** With the number that the INVITE has on the other side; undefined: it acknowledges nothing that is known. */
  private acknowledging(end: End, prack: SipRequest): SipRequest | undefined {
    const [rseq = '', cseq = '', method = ''] = (firstHeader(prack, 'rack') ?? '').trim().split(/[ \t]+/);
    const number = this.dialogs.numberFor(end, Number(cseq));
    const isRack = /^\d{1,10}$/.test(rseq) && method === 'INVITE' && number !== undefined;
    return isRack ? withHeader(prack, 'RAck', `${rseq} ${number} INVITE`) : undefined;
  }

  /** Of a 2xx. */
  receiveAck(end: End, request: SipRequest, now: number): void {
    const tag = this.dialogs.keyFor(end, request);
    const other = otherEnd(end);
    const number = this.dialogs.numberFor(end, numberOf(request));
    if (number === undefined) return;
    this.media.translate(end, request, 'answer', tag, now, (body, at, refusal) => {
      if (!this.dialogs.isKnown(tag)) return;
      const isTaken = body !== undefined || this.dialogs.isEmergency;
      if (isTaken) this.acknowledge(other, tag, { ...request, body: body ?? request.body }, number);
      else {
        // An offer without its answer is no call (RFC 3261 s13.2.2.4).
        this.acknowledge(other, tag, saying('ACK'), number);
        this.end(at, refusal);
      }
    });
  }

  /**
   * Nothing was heard of it for long, or the gateway stops: both ends are told that it is over.
   * @param why for a caller that nobody has answered
   */
  end(now: number, why: Refusal = STOPPED): void {
    if (this.state === 'over') return;
    if (this.state === 'inviting') {
      this.cancel([], now);
      this.fail(why, now);
      return;
    }
    this.referral?.cancel(now);
    for (const tag of this.dialogs.keys) for (const to of ['caller', 'callee'] as const) this.sayBye(to, tag, now);
    this.finish();
  }

  private invite(start: CallStart, body: Uint8Array, now: number): void {
    const { invite, transaction, uri, from, to, headers, flows } = start;
    const side = this.dialogs.sides.callee;
    const build = (flow: SipFlow): SipRequest => {
      this.dialogs.cseqs.callee += 1;
      return {
        ...{ type: 'request', method: 'INVITE', uri, body },
        headers: [
          { name: 'Max-Forwards', value: String(Number(firstHeader(invite, 'max-forwards') ?? MAX_FORWARDS) - 1) },
          { name: 'From', value: `${from};tag=${this.dialogs.tags.own}` },
          { name: 'To', value: to },
          { name: 'Call-ID', value: this.dialogs.callIds.callee },
          { name: 'CSeq', value: `${this.dialogs.cseqs.callee} INVITE` },
          { name: 'Contact', value: side.contact(flow) },
          ...headers,
          ...passedHeaders({ ...invite, body }, side.does),
        ],
      };
    };
    const hadOffer = isDescribing(invite);
    const relay = (response: SipResponse, at: number): void =>
      this.relay('callee', response, { request: invite, transaction, hadOffer }, at);
    this.outgoing = side.request(
      {
        flows,
        build,
        onSent: () => this.dialogs.remember('caller', invite, this.dialogs.cseqs.callee),
        onProvisional: relay,
        onFinal: (response, at, flow) => {
          if (this.state === 'over' && response.status < 300) {
            this.dismiss(response, flow, at);
            return;
          }
          this.dialogs.flows.callee = flow;
          relay(response, at);
        },
        onFailure: (at) => {
          this.fail(this.isCancelled ? TERMINATED : NO_ANSWER, at);
        },
        onLate: (response, at, flow) => this.dismiss(response, flow, at),
      },
      now,
    );
  }

  private pass(end: End, tag: string, request: SipRequest, transaction: ServerTransaction, now: number): void {
    const other = otherEnd(end);
    const side = this.dialogs.sides[other];
    const flow = this.dialogs.flowOf(other, tag);
    const hadOffer = isDescribing(request);
    const isBye = request.method === 'BYE';
    side.request(
      {
        flows: [flow],
        build: () => this.dialogs.build(other, tag, request, (this.dialogs.cseqs[other] += 1)),
        onSent: () => {
          if (request.method === 'INVITE') this.dialogs.remember(end, request, this.dialogs.cseqs[other]);
        },
        onProvisional: (response, at) => this.relay(other, response, { request, transaction, hadOffer }, at),
        onFinal: (response, at) => {
          this.relay(other, response, { request, transaction, hadOffer }, at);
          if (isBye) this.left(tag);
        },
        onFailure: (at) => {
          this.answer(end, request, transaction, NO_ANSWER, at);
          this.media.putBack(tag);
          if (isBye) this.left(tag);
        },
      },
      now,
    );
  }

  /** A response of one end to the other one. */
  private relay(
    from: End,
    response: SipResponse,
    asked: { readonly request: SipRequest; readonly transaction: ServerTransaction; readonly hadOffer: boolean },
    now: number,
  ): void {
    const { request, transaction, hadOffer } = asked;
    const isFirst = request === this.start?.invite;
    const tag = isFirst ? tagOf(response, 'to') : this.dialogs.keyFor(otherEnd(from), request);
    if (isFirst) this.learn(tag, response);
    else if (response.status < 300) this.dialogs.refresh(from, tag, response);
    if (response.status >= 200 && response.status < 300) this.said(now);
    this.media.translate(from, response, hadOffer ? 'answer' : 'offer', tag, now, (body, at, refusal) => {
      if (body === undefined && response.status < 300 && !this.dialogs.isEmergency) {
        this.spurn(from, response, asked, refusal, at);
        return;
      }
      const said = unchallenged(response);
      this.answer(otherEnd(from), request, transaction, { ...said, body: body ?? response.body }, at, tag);
      if (response.status < 300) return;
      if (isFirst) this.finish();
      else if (hadOffer) this.media.putBack(tag);
    });
  }

  /** What an end says of its media cannot be taken: whoever has answered so is hung up on, and who has asked hears why. */
  private spurn(
    from: End,
    response: SipResponse,
    { request, transaction }: { readonly request: SipRequest; readonly transaction: ServerTransaction },
    refusal: Refusal,
    now: number,
  ): void {
    const isAnswered = response.status >= 200;
    if (request !== this.start?.invite) {
      const tag = this.dialogs.keyFor(otherEnd(from), request);
      if (isAnswered && request.method === 'INVITE') this.acknowledge(from, tag, saying('ACK'), numberOf(response));
      this.answer(otherEnd(from), request, transaction, refusal, now);
      this.end(now, refusal);
      return;
    }
    if (isAnswered) this.dismiss(response, this.dialogs.flows.callee, now);
    this.forget(tagOf(response, 'to'));
    // Another end of a forked call has answered as it should.
    if (this.dialogs.isAnyAnswered) return;
    if (!isAnswered) this.cancel([], now);
    this.fail(refusal, now);
  }

  private acknowledge(to: End, tag: string, ack: SipRequest, number: number): void {
    this.dialogs.sides[to].forward(this.dialogs.build(to, tag, ack, number), this.dialogs.flowOf(to, tag));
  }

  private answer(
    end: End,
    request: SipRequest,
    transaction: ServerTransaction,
    said: Said,
    now: number,
    tag = '',
  ): void {
    const side = this.dialogs.sides[end];
    const isDialog = said.status < 300 && request.method !== 'BYE';
    const does = request.method === 'INVITE' ? side.does : undefined;
    const headers: SipHeader[] = [
      ...(isDialog ? headerRows(request.headers, 'record-route') : []),
      ...(isDialog ? [{ name: 'Contact', value: side.contact(this.dialogs.flows[end]) }] : []),
      ...('type' in said ? passedHeaders(said, does) : [...(does ? [allowing(does)] : []), ...(said.headers ?? [])]),
    ];
    let response = responseTo(request, { ...said, headers }, this.ports.random);
    const to = firstHeader(request, 'to') ?? '';
    if (tag !== '' && tagOf(request, 'to') === '') response = withHeader(response, 'To', `${to};tag=${tag}`);
    side.respond(transaction, said.body === undefined ? response : { ...response, body: said.body }, now);
  }

  private learn(tag: string, response: SipResponse): void {
    const isDialog = this.dialogs.learn(tag, response);
    if (isDialog && response.status >= 200 && this.state === 'inviting') this.state = 'answered';
  }

  /**
   * A 2xx that comes when the caller has heard another end (RFC 3261 s9.1: a CANCEL may be too late), or of a server that was left:
   * whoever has answered shall not be in a call that nobody holds.
   */
  private dismiss(response: SipResponse, flow: SipFlow, now: number): void {
    const tag = tagOf(response, 'to');
    const dialog = dialogBy(response);
    const number = numberOf(response);
    if (dialog === undefined || tag === '') return;
    const side = this.dialogs.sides.callee;
    const to = this.dialogs.flowOf('callee', tag, dialog, flow);
    side.forward(this.dialogs.build('callee', tag, saying('ACK'), number, dialog), to);
    if (this.dismissed.has(tag) || this.dismissed.size >= MAX_DIALOGS) return;
    this.dismissed.add(tag);
    const build = (): SipRequest =>
      this.dialogs.build('callee', tag, saying('BYE'), (this.dialogs.cseqs.callee += 1), dialog);
    side.request({ flows: [to], build, ...UNHEARD }, now);
  }

  private sayBye(to: End, tag: string, now: number): void {
    const build = (): SipRequest => this.dialogs.build(to, tag, saying('BYE'), (this.dialogs.cseqs[to] += 1));
    this.dialogs.sides[to].request({ flows: [this.dialogs.flowOf(to, tag)], build, ...UNHEARD }, now);
  }

  private left(tag: string): void {
    this.forget(tag);
    if (this.state === 'answered' && !this.dialogs.isAnyAnswered) this.finish();
  }

  private forget(tag: string): void {
    this.dialogs.delete(tag);
    this.media.forget(tag);
  }

  private fail(answer: Refusal, now: number): void {
    if (this.start !== undefined) this.answer('caller', this.start.invite, this.start.transaction, answer, now);
    this.finish();
  }

  private finish(): void {
    if (this.state === 'over') return;
    this.state = 'over';
    for (const tag of this.dialogs.keys) this.media.forget(tag);
    this.ports.over(this);
  }

  private said(now: number): void {
    if (this.state === 'over') return;
    this.saidAt = now;
    this.ports.alive(this, now);
  }
}

const ignore = (): void => undefined;
const UNHEARD = { onProvisional: ignore, onFinal: ignore, onFailure: ignore };

function unique(random: Random): string {
  return Buffer.from(random.bytes(ID_BYTES)).toString('hex');
}

/** Of who has named no Contact. */
function nowhere(): Dialog {
  return { target: '', routes: [], isAnswered: true };
}
