import type { Random } from '../../base/random.ts';
import type { SipFlow } from '../flow.ts';
import { parseCSeq } from '../message/cseq.ts';
import { firstHeader, headerRows, headerValues, withHeader } from '../message/headers.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { MAX_FORWARDS } from '../transaction/constants.ts';
import { responseTo, tagOf } from '../transaction/responses.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import { type KeptCall, keptFlow } from './kept-calls.ts';
import type { Replaces } from './replaces.ts';
import type { TrunkMedia, MediaSession } from './trunk-media.ts';
import { isSdp, passedHeaders, TRUNK_ALLOW, unchallenged, withoutTag } from './passing.ts';
import type { Outgoing, OutgoingRequest } from './trunk-client.ts';

// Implementation constants.

/** A forked call has so many early dialogs, and an INVITE within it so many that wait for an ACK. */
const MAX_DIALOGS = 16;
const MAX_INVITES = 8;
/** Messages that wait for the media relay. */
const MAX_WAITING = 32;
const ID_BYTES = 12;
/** What was said after a call was written down is not known in the next life: numbers go on behind it (RFC 3261 s12.2.1.1). */
const CSEQ_GAP = 1_000;

/** The two ends of a call; the gateway is the callee of the one and the caller of the other. */
export type End = 'caller' | 'callee';

/** One side of the gateway. */
export interface CallSide {
  readonly from: MediaSession['from'];
  respond(transaction: ServerTransaction, response: SipResponse, now: number): void;
  request(outgoing: Outgoing, now: number): OutgoingRequest;
  /** An ACK. */
  forward(request: SipRequest, flow: SipFlow): void;
  /** Where a URI of a dialog leads. @param flow where the call began */
  flowTo(uri: string, flow: SipFlow): SipFlow;
  /** Our Contact on that side. */
  contact(flow: SipFlow): string;
}

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

interface Dialog {
  target: string;
  routes: readonly string[];
  isAnswered: boolean;
  /** Of the called end, where another phone has taken its place: the caller goes on with the former one's. */
  remoteTag?: string | undefined;
}

/** What the two dialogs of a call are: all that is needed once it is answered. */
interface Facts {
  readonly id: string;
  /** Call-IDs. */
  readonly callIds: Readonly<Record<End, string>>;
  readonly tags: { readonly caller: string; readonly own: string };
  /** From and To that the called end is told, From of what the caller is told later, and the caller's own From with its tag. */
  readonly names: {
    readonly from: string;
    readonly to: string;
    readonly calledAs: string;
    readonly callerFrom: string;
  };
  readonly caller: Dialog;
  readonly flows: Readonly<Record<End, SipFlow>>;
  readonly isEmergency: boolean;
}

interface Ports {
  readonly sides: Readonly<Record<End, CallSide>>;
  readonly media: TrunkMedia | undefined;
  readonly random: Random;
  /** Nothing of it is needed any more. */
  over(call: TrunkCall): void;
  /** Something was said in it, and what is kept of it is another. */
  alive(call: TrunkCall, now: number): void;
}

type Said = (Refusal & { readonly body?: Uint8Array }) | SipResponse;

/** RFC 3261 s14.1: one re-INVITE at a time. */
const PENDING = { status: 491, reason: 'Request Pending' };
const UNKNOWN = { status: 481, reason: 'Call/Transaction Does Not Exist' };
const NO_ANSWER = { status: 503, reason: 'Gateway Has No Way Out' };
const TERMINATED = { status: 487, reason: 'Request Terminated' };
const STOPPED = { status: 503, reason: 'Gateway Stops' };
const RELAY_FAILS = { status: 503, reason: 'Media Relay Unavailable' };
/** RFC 3261 s21.4.26. */
const NOT_ACCEPTABLE = 488;

interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/**
 * A call through a gateway: a dialog with each end (a back-to-back user agent, RFC 7092 s3.2.1), which have nothing in common but To
 * tags of the called end: where that has forked, the caller sees as many dialogs.
 *
 *    inviting ──2xx──> answered ──BYE of either end──> over ──2xx: ACK, BYE──┐
 *       └──refused, cancelled, nobody answers──────────^ ^───────────────────┘
 *
 * Another phone may take the place of one end (RFC 3891): it hears how the other end likes its session, and the former one BYE.
 *
 * What is repeated because of loss is repeated end to end: nothing here waits for an ACK.
 */
export class TrunkCall {
  readonly id: string;
  /** Call-IDs. */
  callIds: Readonly<Record<End, string>>;
  private readonly ports: Ports;
  /** Undefined: it was answered in a former life. */
  private readonly start: CallStart | undefined;
  private readonly isEmergency: boolean;
  private tags: Facts['tags'];
  private names: Facts['names'];
  private caller: Dialog;
  /** By the To tag that the caller knows, which is the called end's. */
  private readonly dialogs = new Map<string, Dialog>();
  private readonly flows: Record<End, SipFlow>;
  private readonly cseqs: Record<End, number> = { caller: 0, callee: 0 };
  /** Of INVITEs: `caller 1`, as it came, to the number that it went on with. */
  private readonly invites = new Map<string, number>();
  private readonly waiting: ((done: () => void) => void)[] = [];
  private isBusy = false;
  private outgoing: OutgoingRequest | undefined;
  private state: 'inviting' | 'answered' | 'over' = 'inviting';
  private isCancelled = false;
  /** To tags of who has answered in vain, or too late. */
  private readonly dismissed = new Set<string>();
  /** An INVITE is about to take the place of an end. */
  private isReplacing = false;
  private saidAt: number;

  private constructor(ports: Ports, facts: Facts, start: CallStart | undefined, now: number) {
    this.ports = ports;
    this.start = start;
    this.id = facts.id;
    this.isEmergency = facts.isEmergency;
    this.callIds = facts.callIds;
    this.tags = facts.tags;
    this.names = facts.names;
    this.caller = facts.caller;
    this.flows = { ...facts.flows };
    this.saidAt = now;
  }

  static of(ports: Ports, start: CallStart, now: number): TrunkCall {
    const { id, invite, transaction, flows, from, to, calledAs, isEmergency } = start;
    const unique = (): string => Buffer.from(ports.random.bytes(ID_BYTES)).toString('hex');
    const facts: Facts = {
      id,
      callIds: { caller: firstHeader(invite, 'call-id') ?? '', callee: unique() },
      tags: { caller: tagOf(invite, 'from'), own: unique() },
      names: { from, to, calledAs, callerFrom: firstHeader(invite, 'from') ?? '' },
      caller: { target: contactOf(invite) ?? '', routes: headerValues(invite, 'record-route'), isAnswered: true },
      flows: { caller: transaction.from, callee: flows[0] ?? transaction.from },
      isEmergency,
    };
    return new TrunkCall(ports, facts, start, now);
  }

  /** A call of a former life goes on. @param inside the flow to the adaptor @param saidAt in monotonic time, as `now` */
  static restored(ports: Ports, kept: KeptCall, inside: SipFlow, saidAt: number): TrunkCall {
    const { id, callIds, tags, names, callerDialog, dialogs, cseqs, invites, isEmergency } = kept;
    const outside = keptFlow(kept.flow);
    const flows = kept.caller === 'inside' ? { caller: inside, callee: outside } : { caller: outside, callee: inside };
    const call = new TrunkCall(
      ports,
      { id, callIds, tags, names, caller: { ...callerDialog }, flows, isEmergency },
      undefined,
      saidAt,
    );
    call.state = 'answered';
    for (const [tag, dialog] of dialogs) call.dialogs.set(tag, { ...dialog });
    for (const [invite, number] of invites) call.invites.set(invite, number);
    for (const end of ['caller', 'callee'] as const) call.cseqs[end] = cseqs[end] + CSEQ_GAP;
    return call;
  }

  /** What the next life needs. @param elapsed what the wall clock is ahead of monotonic time @returns undefined: nothing, it is not answered */
  kept(elapsed: number): KeptCall | undefined {
    if (this.state !== 'answered') return undefined;
    const held = [...this.dialogs].filter(([, { isAnswered }]) => isAnswered);
    if (held.length === 0) return undefined;
    const { id, callIds, tags, names, cseqs, isEmergency } = this;
    const caller = this.ports.sides.caller.from === 'overlay' ? 'inside' : 'outside';
    const { transport, local, remote } = this.flows[caller === 'inside' ? 'callee' : 'caller'];
    return {
      ...{ id, caller, callIds: { ...callIds }, tags: { ...tags }, names: { ...names } },
      callerDialog: plain(this.caller),
      dialogs: held.map(([tag, dialog]) => [tag, plain(dialog)]),
      cseqs: { ...cseqs },
      invites: [...this.invites],
      flow: { transport, local: { ...local }, remote: { ...remote } },
      isEmergency,
      saidAt: Math.round(this.saidAt + elapsed),
    };
  }

  /** The INVITE goes on. */
  begin(now: number): void {
    const { start } = this;
    if (start === undefined) return;
    const { invite } = start;
    this.translate('caller', invite, 'offer', undefined, now, (body, at, refusal) => {
      if (this.state !== 'inviting') return;
      if (this.isCancelled) this.fail(TERMINATED, at);
      else if (body === undefined && !this.isEmergency) this.fail(refusal, at);
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
    const [ours, theirs] = [tagOf(request, 'to'), tagOf(request, 'from')];
    return end === 'caller'
      ? theirs === this.tags.caller && this.dialogs.has(ours)
      : ours === this.tags.own && this.dialogs.has(this.keyOf(theirs));
  }

  /** A request within the call, which goes on to the other end. */
  receive(end: End, request: SipRequest, transaction: ServerTransaction, now: number): void {
    const tag = this.dialogOf(end, request);
    this.said(now);
    this.refresh(end, tag, request);
    if (request.method === 'BYE') this.leaving(tag);
    const isPrack = request.method === 'PRACK';
    const passed = isPrack ? this.acknowledging(end, request) : request;
    if (passed === undefined) {
      this.answer(end, request, transaction, UNKNOWN, now);
      return;
    }
    // RFC 3262 s5: an offer in what rings is answered by its PRACK.
    const isAnswer = isPrack && this.start !== undefined && !isSdp(this.start.invite);
    this.translate(end, request, isAnswer ? 'answer' : 'offer', tag, now, (body, at, refusal) => {
      // Another phone may have taken its place while the relay was asked.
      if (firstHeader(request, 'call-id') !== this.callIds[end]) this.answer(end, request, transaction, UNKNOWN, at);
      else if (body === undefined) this.answer(end, request, transaction, refusal, at);
      else this.pass(end, tag, { ...passed, body }, transaction, at);
    });
  }

  /** @returns whether another phone may take the place of that end of that dialog (RFC 3891 s3): the call is answered. */
  isReplaceable(end: End, { toTag, fromTag }: Replaces): boolean {
    const [isThis, tag] =
      end === 'caller' ? [fromTag === this.tags.caller, toTag] : [toTag === this.tags.own, this.keyOf(fromTag)];
    return this.state === 'answered' && isThis && this.dialogs.get(tag)?.isAnswered === true;
  }

  /**
   * An INVITE takes the place of an end: the other one hears of it in its dialog, as of a re-INVITE, and the former end BYE once that is
   * accepted.
   * @param moved the end has another Call-ID now
   */
  replace(
    end: End,
    replaces: Replaces,
    { invite, transaction, moved }: { invite: SipRequest; transaction: ServerTransaction; moved: () => void },
    now: number,
  ): void {
    const other = otherEnd(end);
    const tag = end === 'caller' ? replaces.toTag : this.keyOf(replaces.fromTag);
    const side = this.ports.sides[other];
    const ends =
      end === 'caller'
        ? { caller: tagOf(invite, 'from'), callee: tag }
        : { ...this.tags, callee: tagOf(invite, 'from') };
    const hadOffer = isSdp(invite);
    const own = end === 'caller' ? tag : Buffer.from(this.ports.random.bytes(ID_BYTES)).toString('hex');
    if (this.isReplacing) {
      this.answer(end, invite, transaction, PENDING, now, own);
      return;
    }
    this.isReplacing = true;
    const answer = (said: Said, at: number): void => {
      this.isReplacing = false;
      this.answer(end, invite, transaction, said, at, own);
    };
    const tooLate = (response: SipResponse, at: number): void => {
      this.acknowledge(other, tag, saying('ACK'), numberOf(response));
      answer(UNKNOWN, at);
    };
    const isTaken = (): boolean => this.callIds[end] === firstHeader(invite, 'call-id');
    // The former end may have hung up meanwhile, and the other one with it; and a 2xx comes more than once.
    const isHeld = (): boolean =>
      this.state === 'answered' &&
      (isTaken() || (this.callIds[end] === replaces.callId && this.isReplaceable(end, replaces)));
    const onFinal = (response: SipResponse, at: number): void => {
      if (response.status >= 300) {
        answer(unchallenged(response), at);
        return;
      }
      if (!isHeld()) {
        tooLate(response, at);
        return;
      }
      this.refresh(other, tag, response);
      this.translate(
        other,
        response,
        hadOffer ? 'answer' : 'offer',
        tag,
        at,
        (body, then, refusal) => {
          if (body === undefined && !this.isEmergency) {
            this.acknowledge(other, tag, saying('ACK'), numberOf(response));
            answer(refusal, then);
            this.end(then, refusal);
            return;
          }
          if (!isHeld()) {
            tooLate(response, then);
            return;
          }
          if (!isTaken()) {
            this.take(end, tag, { invite, transaction, own }, then);
            moved();
          }
          answer({ ...response, body: body ?? response.body }, then);
        },
        ends,
      );
    };
    this.translate(
      end,
      invite,
      'offer',
      tag,
      now,
      (body, at, refusal) => {
        if (body === undefined || this.state !== 'answered') {
          answer(body === undefined ? refusal : UNKNOWN, at);
          return;
        }
        side.request(
          {
            flows: [this.flowOf(other, tag)],
            build: () => this.build(other, tag, { ...invite, body }, (this.cseqs[other] += 1)),
            onSent: () => this.remember(end, invite, this.cseqs[other]),
            onProvisional: () => undefined,
            onFinal,
            onFailure: (then) => answer(NO_ANSWER, then),
          },
          at,
        );
      },
      ends,
    );
  }

  /** The end is another phone from now on. What it is told of who speaks stays what members' hosts take from a gateway. */
  private take(
    end: End,
    tag: string,
    { invite, transaction, own }: { invite: SipRequest; transaction: ServerTransaction; own: string },
    now: number,
  ): void {
    this.sayBye(end, tag, now);
    const from = firstHeader(invite, 'from') ?? '';
    const dialog = { target: contactOf(invite) ?? '', routes: headerValues(invite, 'record-route'), isAnswered: true };
    this.callIds = { ...this.callIds, [end]: firstHeader(invite, 'call-id') ?? '' };
    this.flows[end] = transaction.from;
    if (end === 'caller') {
      this.tags = { ...this.tags, caller: tagOf(invite, 'from') };
      this.names = { ...this.names, callerFrom: from };
      this.caller = dialog;
    } else {
      this.tags = { ...this.tags, own };
      this.names = { ...this.names, to: withoutTag(from) };
      this.dialogs.clear();
      this.dialogs.set(tag, { ...dialog, remoteTag: tagOf(invite, 'from') });
    }
    this.said(now);
  }

  /** With the number that the INVITE has on the other side; undefined: it acknowledges nothing that is known. */
  private acknowledging(end: End, prack: SipRequest): SipRequest | undefined {
    const [rseq = '', cseq = '', method = ''] = (firstHeader(prack, 'rack') ?? '').trim().split(/[ \t]+/);
    const number = this.invites.get(`${end} ${Number(cseq)}`);
    const isRack = /^\d{1,10}$/.test(rseq) && method === 'INVITE' && number !== undefined;
    return isRack ? withHeader(prack, 'RAck', `${rseq} ${number} INVITE`) : undefined;
  }

  /** Of a 2xx. */
  receiveAck(end: End, request: SipRequest, now: number): void {
    const tag = this.dialogOf(end, request);
    const other = otherEnd(end);
    const number = this.invites.get(`${end} ${parseCSeq(firstHeader(request, 'cseq') ?? '')?.number ?? ''}`);
    if (number === undefined) return;
    this.translate(end, request, 'answer', tag, now, (body, at, refusal) => {
      const isTaken = body !== undefined || this.isEmergency;
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
    for (const tag of this.dialogs.keys()) for (const to of ['caller', 'callee'] as const) this.sayBye(to, tag, now);
    this.finish();
  }

  private invite(start: CallStart, body: Uint8Array, now: number): void {
    const { invite, transaction, uri, from, to, headers, flows } = start;
    const side = this.ports.sides.callee;
    const build = (flow: SipFlow): SipRequest => {
      this.cseqs.callee += 1;
      return {
        ...{ type: 'request', method: 'INVITE', uri, body },
        headers: [
          { name: 'Max-Forwards', value: String(Number(firstHeader(invite, 'max-forwards') ?? MAX_FORWARDS) - 1) },
          { name: 'From', value: `${from};tag=${this.tags.own}` },
          { name: 'To', value: to },
          { name: 'Call-ID', value: this.callIds.callee },
          { name: 'CSeq', value: `${this.cseqs.callee} INVITE` },
          { name: 'Contact', value: side.contact(flow) },
          { name: 'Allow', value: TRUNK_ALLOW },
          ...headers,
          ...passedHeaders(invite),
        ],
      };
    };
    const hadOffer = isSdp(invite);
    const relay = (response: SipResponse, at: number): void =>
      this.relay('callee', response, { request: invite, transaction, hadOffer }, at);
    this.outgoing = side.request(
      {
        flows,
        build,
        onSent: () => this.remember('caller', invite, this.cseqs.callee),
        onProvisional: relay,
        onFinal: (response, at, flow) => {
          if (this.state === 'over' && response.status < 300) {
            this.dismiss(response, flow, at);
            return;
          }
          this.flows.callee = flow;
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
    const side = this.ports.sides[other];
    const flow = this.flowOf(other, tag);
    const hadOffer = isSdp(request);
    const isBye = request.method === 'BYE';
    side.request(
      {
        flows: [flow],
        build: () => this.build(other, tag, request, (this.cseqs[other] += 1)),
        onSent: () => {
          if (request.method === 'INVITE') this.remember(end, request, this.cseqs[other]);
        },
        onProvisional: (response, at) => this.relay(other, response, { request, transaction, hadOffer }, at),
        onFinal: (response, at) => {
          this.relay(other, response, { request, transaction, hadOffer }, at);
          if (isBye) this.left(tag);
        },
        onFailure: (at) => {
          this.answer(end, request, transaction, NO_ANSWER, at);
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
    const tag = isFirst ? tagOf(response, 'to') : this.dialogOf(otherEnd(from), request);
    if (isFirst) this.learn(tag, response);
    else if (response.status < 300) this.refresh(from, tag, response);
    if (response.status >= 200 && response.status < 300) this.said(now);
    this.translate(from, response, hadOffer ? 'answer' : 'offer', tag, now, (body, at, refusal) => {
      if (body === undefined && response.status < 300 && !this.isEmergency) {
        this.spurn(from, response, asked, refusal, at);
        return;
      }
      const said = unchallenged(response);
      this.answer(otherEnd(from), request, transaction, { ...said, body: body ?? response.body }, at, tag);
      if (isFirst && response.status >= 300) this.finish();
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
      const tag = this.dialogOf(otherEnd(from), request);
      if (isAnswered && request.method === 'INVITE') this.acknowledge(from, tag, saying('ACK'), numberOf(response));
      this.answer(otherEnd(from), request, transaction, refusal, now);
      this.end(now, refusal);
      return;
    }
    if (isAnswered) this.dismiss(response, this.flows.callee, now);
    this.dialogs.delete(tagOf(response, 'to'));
    // Another end of a forked call has answered as it should.
    if ([...this.dialogs.values()].some((dialog) => dialog.isAnswered)) return;
    if (!isAnswered) this.cancel([], now);
    this.fail(refusal, now);
  }

  private acknowledge(to: End, tag: string, ack: SipRequest, number: number): void {
    this.ports.sides[to].forward(this.build(to, tag, ack, number), this.flowOf(to, tag));
  }

  private answer(
    end: End,
    request: SipRequest,
    transaction: ServerTransaction,
    said: Said,
    now: number,
    tag = '',
  ): void {
    const side = this.ports.sides[end];
    const isDialog = said.status < 300 && request.method !== 'BYE';
    const headers: SipHeader[] = [
      ...(isDialog ? headerRows(request.headers, 'record-route') : []),
      ...(isDialog ? [{ name: 'Contact', value: side.contact(this.flows[end]) }] : []),
      ...(request.method === 'INVITE' ? [{ name: 'Allow', value: TRUNK_ALLOW }] : []),
      ...('type' in said ? passedHeaders(said) : []),
    ];
    let response = responseTo(request, { ...said, headers }, this.ports.random);
    const to = firstHeader(request, 'to') ?? '';
    if (tag !== '' && tagOf(request, 'to') === '') response = withHeader(response, 'To', `${to};tag=${tag}`);
    side.respond(transaction, said.body === undefined ? response : { ...response, body: said.body }, now);
  }

  /** Within the dialog with that end. */
  private build(
    to: End,
    tag: string,
    request: SipRequest,
    number: number,
    dialog = to === 'caller' ? this.caller : this.dialogs.get(tag),
  ): SipRequest {
    const { from, to: called, calledAs, callerFrom } = this.names;
    const tagged = (value: string, own: string): string => `${value};tag=${own}`;
    const [ours, theirs] =
      to === 'callee'
        ? [tagged(from, this.tags.own), tagged(called, dialog?.remoteTag ?? tag)]
        : [tagged(calledAs, tag), callerFrom];
    const takesContact = request.method === 'INVITE' || request.method === 'UPDATE';
    const contact = { name: 'Contact', value: this.ports.sides[to].contact(this.flows[to]) };
    return {
      ...{ type: 'request', method: request.method, uri: dialog?.target ?? '', body: request.body },
      headers: [
        ...(dialog?.routes ?? []).map((value) => ({ name: 'Route', value })),
        { name: 'Max-Forwards', value: String(Number(firstHeader(request, 'max-forwards') ?? MAX_FORWARDS) - 1) },
        { name: 'From', value: ours },
        { name: 'To', value: theirs },
        { name: 'Call-ID', value: this.callIds[to] },
        { name: 'CSeq', value: `${number} ${request.method}` },
        ...(takesContact ? [contact] : []),
        ...(request.method === 'INVITE' ? [{ name: 'Allow', value: TRUNK_ALLOW }] : []),
        ...passedHeaders(request),
      ],
    };
  }

  /**
   * Hands on the body with addresses that the other side reaches; undefined: the media relay fails, or objects. One message after the
   * other.
   */
  private translate(
    from: End,
    message: SipRequest | SipResponse,
    kind: 'offer' | 'answer',
    tag: string | undefined,
    now: number,
    done: (body: Uint8Array | undefined, now: number, refusal: Refusal) => void,
    ends: { readonly caller: string; readonly callee: string | undefined } = {
      ...{ caller: this.tags.caller, callee: tag && (this.dialogs.get(tag)?.remoteTag ?? tag) },
    },
  ): void {
    const { media } = this.ports;
    const { caller, callee } = ends;
    const [fromTag, toTag] = from === 'caller' ? [caller, callee] : [callee ?? '', caller];
    this.queue((free) => {
      const finish = (body: Uint8Array | undefined, at: number, why?: string): void => {
        done(body, at, why === undefined ? RELAY_FAILS : { status: NOT_ACCEPTABLE, reason: why });
        free();
      };
      if (media === undefined || !isSdp(message)) {
        finish(message.body, now);
        return;
      }
      const session = { ...this.session(from), fromTag, toTag };
      const objection = media.objection(session, message.body);
      if (objection !== undefined) finish(undefined, now, objection);
      else media[kind](session, message.body, finish);
    });
  }

  private session(from: End): Pick<MediaSession, 'id' | 'from' | 'isOutsideIpv6' | 'isEmergency'> {
    const { sides } = this.ports;
    const outside: End = sides.caller.from === 'outside' ? 'caller' : 'callee';
    return {
      id: this.id,
      from: sides[from].from,
      isOutsideIpv6: this.flows[outside].remote.address.includes(':'),
      isEmergency: this.isEmergency,
    };
  }

  private queue(job: (done: () => void) => void): void {
    if (this.waiting.length >= MAX_WAITING) return;
    this.waiting.push(job);
    if (!this.isBusy) this.work();
  }

  private work(): void {
    const job = this.waiting.shift();
    this.isBusy = job !== undefined;
    job?.(() => this.work());
  }

  /** A dialog begins with the first response of its tag (RFC 3261 s12.1.2). */
  private learn(tag: string, response: SipResponse): void {
    const target = contactOf(response);
    if (response.status >= 300 || tag === '' || target === undefined) return;
    const isAnswered = response.status >= 200;
    if (isAnswered && this.state === 'inviting') this.state = 'answered';
    const known = this.dialogs.get(tag);
    if (known === undefined && this.dialogs.size >= MAX_DIALOGS) return;
    const routes = headerValues(response, 'record-route').reverse();
    if (known === undefined || (isAnswered && !known.isAnswered)) this.dialogs.set(tag, { target, routes, isAnswered });
  }

  /** s12.2: the target of an end follows its Contact. */
  private refresh(end: End, tag: string, message: SipRequest | SipResponse): void {
    const isRefresh = /INVITE|UPDATE/.test(parseCSeq(firstHeader(message, 'cseq') ?? '')?.method ?? '');
    const target = contactOf(message);
    const dialog = end === 'caller' ? this.caller : this.dialogs.get(tag);
    if (isRefresh && target !== undefined && dialog !== undefined) dialog.target = target;
  }

  private flowOf(
    end: End,
    tag: string,
    dialog = end === 'caller' ? this.caller : this.dialogs.get(tag),
    flow = this.flows[end],
  ): SipFlow {
    const next = parseNameAddr(dialog?.routes[0] ?? '')?.uri ?? dialog?.target ?? '';
    return this.ports.sides[end].flowTo(next, flow);
  }

  private remember(end: End, request: SipRequest, number: number): void {
    this.invites.set(`${end} ${parseCSeq(firstHeader(request, 'cseq') ?? '')?.number ?? ''}`, number);
    const [oldest] = this.invites.keys();
    if (this.invites.size > MAX_INVITES && oldest !== undefined) this.invites.delete(oldest);
  }

  /**
   * A 2xx that comes when the caller has heard another end (RFC 3261 s9.1: a CANCEL may be too late), or of a server that was left:
   * whoever has answered shall not be in a call that nobody holds.
   */
  private dismiss(response: SipResponse, flow: SipFlow, now: number): void {
    const tag = tagOf(response, 'to');
    const target = contactOf(response);
    const number = parseCSeq(firstHeader(response, 'cseq') ?? '')?.number;
    if (target === undefined || number === undefined || tag === '') return;
    const dialog = { target, routes: headerValues(response, 'record-route').reverse(), isAnswered: true };
    const side = this.ports.sides.callee;
    const to = this.flowOf('callee', tag, dialog, flow);
    side.forward(this.build('callee', tag, saying('ACK'), number, dialog), to);
    if (this.dismissed.has(tag) || this.dismissed.size >= MAX_DIALOGS) return;
    this.dismissed.add(tag);
    const build = (): SipRequest => this.build('callee', tag, saying('BYE'), (this.cseqs.callee += 1), dialog);
    side.request({ flows: [to], build, ...UNHEARD }, now);
  }

  private sayBye(to: End, tag: string, now: number): void {
    const build = (): SipRequest => this.build(to, tag, saying('BYE'), (this.cseqs[to] += 1));
    this.ports.sides[to].request({ flows: [this.flowOf(to, tag)], build, ...UNHEARD }, now);
  }

  private leaving(tag: string): void {
    const dialog = this.dialogs.get(tag);
    if (dialog !== undefined) dialog.isAnswered = false;
  }

  private left(tag: string): void {
    this.dialogs.delete(tag);
    if (this.state === 'answered' && [...this.dialogs.values()].every(({ isAnswered }) => !isAnswered)) this.finish();
  }

  private fail(answer: Refusal, now: number): void {
    if (this.start !== undefined) this.answer('caller', this.start.invite, this.start.transaction, answer, now);
    this.finish();
  }

  private finish(): void {
    if (this.state === 'over') return;
    this.state = 'over';
    this.ports.over(this);
  }

  /** Whose dialog a request of that end is of. */
  private dialogOf(end: End, request: SipRequest): string {
    return end === 'caller' ? tagOf(request, 'to') : this.keyOf(tagOf(request, 'from'));
  }

  /** @param tag of the called end */
  private keyOf(tag: string): string {
    for (const [key, { remoteTag = key }] of this.dialogs) if (remoteTag === tag) return key;
    return '';
  }

  private said(now: number): void {
    if (this.state === 'over') return;
    this.saidAt = now;
    this.ports.alive(this, now);
  }
}

const ignore = (): void => undefined;
const UNHEARD = { onProvisional: ignore, onFinal: ignore, onFailure: ignore };

/** Of ours, before it is built for an end. */
function saying(method: string): SipRequest {
  return { type: 'request', method, uri: '', headers: [], body: new Uint8Array() };
}

function plain({ target, routes, isAnswered, remoteTag }: Dialog): KeptCall['callerDialog'] {
  return { target, routes: [...routes], isAnswered, ...(remoteTag !== undefined && { remoteTag }) };
}

function numberOf(response: SipResponse): number {
  return parseCSeq(firstHeader(response, 'cseq') ?? '')?.number ?? 0;
}

function otherEnd(end: End): End {
  return end === 'caller' ? 'callee' : 'caller';
}

function contactOf(message: SipRequest | SipResponse): string | undefined {
  return parseNameAddr(firstHeader(message, 'contact') ?? '')?.uri;
}
