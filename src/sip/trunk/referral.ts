import type { SipFlow } from '../flow.ts';
import { firstHeader } from '../message/headers.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { MAX_FORWARDS } from '../transaction/constants.ts';
import { tagOf } from '../transaction/responses.ts';
import { type CallDialogs, type Dialog, dialogBy, numberOf, saying } from './call-dialogs.ts';
import type { Refusal } from './call-media.ts';
import { type CallSide, type End, otherEnd } from './call-side.ts';
import { bodyHeaders, isDescribing, passedHeaders, unchallenged } from './passing.ts';
import type { Candidate } from './takeover.ts';
import type { OutgoingRequest } from './trunk-client.ts';

/** Whom an end has called in its place. */
export interface Referred {
  readonly side: CallSide;
  readonly flows: readonly SipFlow[];
  readonly uri: string;
  readonly to: string;
  /** Who calls, as it is told; undefined: the other end, as the end that asks knows it. */
  readonly from: string | undefined;
  readonly headers: readonly SipHeader[];
}

export interface ReferralPorts {
  readonly dialogs: CallDialogs;
  /** Whether the call is answered, and nobody hangs up. */
  isOn(): boolean;
  /** Its offer goes to the other end. */
  takeOver(candidate: Candidate, now: number): void;
  /** An ACK of ours to that end. */
  acknowledge(to: End, tag: string, number: number): void;
  sayBye(to: End, tag: string, now: number): void;
  /** It has come to its end: by somebody in the place of the one who asked, or not. */
  over(isTaken: boolean, now: number): void;
}

const NO_ANSWER = { status: 503, reason: 'Gateway Has No Way Out' };
const NO_SESSION = { status: 488, reason: 'Not Acceptable Here' };
const FRAGMENT = { name: 'Content-Type', value: 'message/sipfrag;version=2.0' };
const ignore = (): void => undefined;

/**
 * An end asks for somebody else to be called in its place (REFER, RFC 3515; "basic transfer", RFC 5589 s6), and hears what comes of it.
 * He is called without an offer (RFC 3725 s4.1): what he answers with is offered to the other end, which knows nothing of it before.
 *
 *    calling ──2xx, its offer──> offered to the other end ──2xx, its answer──> taken: the end that asked hears BYE
 *       └──refused, no answer, cancelled──> over <──refused: ACK, BYE──┘
 *
 * Who has asked may hang up at once: the other end waits, and hears BYE when nobody comes.
 */
export class Referral {
  readonly end: End;
  readonly tag: string;
  /** Who has asked has hung up. */
  isLeft = false;
  private readonly ports: ReferralPorts;
  private readonly referred: Referred;
  private readonly callId: string;
  private readonly own: string;
  private readonly event: string;
  private outgoing: OutgoingRequest | undefined;
  private cseq = 0;
  /** To tag of whose offer has gone to the other end. */
  private accepted: string | undefined;
  /** To tags of who has answered in vain. */
  private readonly dismissed = new Set<string>();
  /** Again as often as the 2xx comes. */
  private acknowledgeAgain: () => void = ignore;
  private isDone = false;
  private isOver = false;

  /** @param options.own our tag towards who is called @param options.event of what comes of it: more than one REFER has a number each */
  constructor(
    ports: ReferralPorts,
    options: {
      readonly end: End;
      readonly tag: string;
      readonly referred: Referred;
      readonly callId: string;
      readonly own: string;
      readonly event: string;
    },
  ) {
    this.ports = ports;
    this.end = options.end;
    this.tag = options.tag;
    this.referred = options.referred;
    this.callId = options.callId;
    this.own = options.own;
    this.event = options.event;
  }

  begin(now: number): void {
    const { side, flows, uri, to, headers } = this.referred;
    this.notify({ status: 100, reason: 'Trying' }, now);
    const build = (flow: SipFlow): SipRequest => {
      const invite = this.build('INVITE', (this.cseq += 1), uri, to);
      const contact = { name: 'Contact', value: side.contact(flow) };
      return { ...invite, headers: [...invite.headers, contact, ...headers, ...passedHeaders(invite, side.does)] };
    };
    this.outgoing = side.request(
      {
        ...{ flows, build, isBounded: true, onProvisional: ignore },
        onFinal: (response, at, flow) => this.answered(response, flow, at),
        onFailure: (at) => this.finish(NO_ANSWER, at),
        onLate: (response, at, flow) => this.dismiss(response, flow, at),
      },
      now,
    );
  }

  /** Whether it takes a line of the provider. */
  get isOutside(): boolean {
    return this.referred.side.where === 'outside';
  }

  /** The call is over, or the other end has gone. */
  cancel(now: number): void {
    this.outgoing?.cancel([], now);
  }

  private answered(response: SipResponse, flow: SipFlow, now: number): void {
    const its = tagOf(response, 'to');
    const dialog = dialogBy(response);
    if (response.status >= 300) this.finish(unchallenged(response), now);
    else if (its === this.accepted && !this.isOver) this.acknowledgeAgain();
    else if (this.isOver || this.accepted !== undefined) this.dismiss(response, flow, now);
    else if (dialog === undefined || !isDescribing(response)) {
      this.dismiss(response, flow, now);
      this.finish(NO_SESSION, now);
    } else {
      this.accepted = its;
      this.offer(response, { dialog, its, flow }, now);
    }
  }

  private offer(
    response: SipResponse,
    { dialog, its, flow }: { readonly dialog: Dialog; readonly its: string; readonly flow: SipFlow },
    now: number,
  ): void {
    const { end, tag, own, callId } = this;
    const { dialogs } = this.ports;
    const { side } = this.referred;
    const number = numberOf(response);
    const name = firstHeader(response, 'to') ?? '';
    this.ports.takeOver(
      {
        ...{ end, tag, message: response },
        newcomer: { callId, name, tag: its, own, dialog, flow, side, as: this.from, cseq: this.cseq },
        invite: { ...saying('INVITE'), headers: bodyHeaders(response) },
        farewell: (at) => {
          if (this.isLeft) return;
          this.notify({ status: 200, reason: 'OK' }, at);
          this.ports.sayBye(end, tag, at);
        },
        onTaken: (answer, at) => {
          this.ports.acknowledge(otherEnd(end), tag, numberOf(answer));
          const ack = { ...saying('ACK'), headers: bodyHeaders(answer), body: answer.body };
          const built = dialogs.build(end, tag, ack, number);
          const to = dialogs.flowOf(end, tag);
          this.acknowledgeAgain = () => side.forward(built, to);
          this.acknowledgeAgain();
          if (this.isDone) return;
          this.isDone = true;
          this.ports.over(true, at);
        },
        onRefused: (said, at) => {
          this.dismiss(response, flow, at);
          this.finish(said, at);
        },
      },
      now,
    );
  }

  /** Whoever has answered shall not be in a call that nobody holds. */
  private dismiss(response: SipResponse, flow: SipFlow, now: number): void {
    const its = tagOf(response, 'to');
    const dialog = dialogBy(response);
    if (dialog === undefined) return;
    const { side } = this.referred;
    const to = side.flowTo(dialog.target, flow);
    const name = firstHeader(response, 'to') ?? '';
    const routes = dialog.routes.map((value) => ({ name: 'Route', value }));
    const built = (method: string, number: number): SipRequest => {
      const request = this.build(method, number, dialog.target, name);
      return { ...request, headers: [...routes, ...request.headers] };
    };
    side.forward(built('ACK', numberOf(response)), to);
    if (this.dismissed.has(its)) return;
    this.dismissed.add(its);
    const build = (): SipRequest => built('BYE', (this.cseq += 1));
    side.request({ flows: [to], build, onProvisional: ignore, onFinal: ignore, onFailure: ignore }, now);
  }

  private finish(said: Refusal | SipResponse, now: number): void {
    if (this.isOver) return;
    this.isOver = true;
    if (!this.isLeft && this.ports.isOn()) this.notify(said, now);
    this.ports.over(false, now);
  }

  /** RFC 3515 s2.4.4: within the dialog of the REFER. */
  private notify({ status, reason }: Refusal | SipResponse, now: number): void {
    const { end, tag } = this;
    const { dialogs } = this.ports;
    const side = dialogs.sides[end];
    const flow = dialogs.flowOf(end, tag);
    const state = status < 200 ? 'active;expires=180' : 'terminated;reason=noresource';
    const body = Buffer.from(`SIP/2.0 ${status} ${reason}\r\n`);
    const build = (): SipRequest => {
      const notify = { ...saying('NOTIFY'), headers: [FRAGMENT], body };
      const built = dialogs.build(end, tag, notify, (dialogs.cseqs[end] += 1));
      const own = [
        { name: 'Contact', value: side.contact(flow) },
        { name: 'Event', value: this.event },
        { name: 'Subscription-State', value: state },
      ];
      return { ...built, headers: [...built.headers, ...own] };
    };
    side.request({ flows: [flow], build, onProvisional: ignore, onFinal: ignore, onFailure: ignore }, now);
  }

  private get from(): string {
    const { calledAs, from } = this.ports.dialogs.names;
    return this.referred.from ?? (this.end === 'caller' ? calledAs : from);
  }

  private build(method: string, number: number, uri: string, to: string): SipRequest {
    return {
      ...saying(method),
      uri,
      headers: [
        { name: 'Max-Forwards', value: String(MAX_FORWARDS) },
        { name: 'From', value: `${this.from};tag=${this.own}` },
        { name: 'To', value: to },
        { name: 'Call-ID', value: this.callId },
        { name: 'CSeq', value: `${number} ${method}` },
      ],
    };
  }
}
