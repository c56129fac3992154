import { earliest, type Timed } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { SipFlow } from '../flow.ts';
import { firstHeader, headerValues } from '../message/headers.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { parseUri } from '../message/uri.ts';
import { MAX_FORWARDS } from '../transaction/constants.ts';
import { responseTo, tagOf } from '../transaction/responses.ts';
import type { ClientHandlers } from '../transaction/transaction.ts';

// Specification.

const PACKAGE = 'message-summary';
/** RFC 3842 s3.4: "from a few hours to several days"; a phone that was begun anew is forgotten after an hour here. */
const DEFAULT_EXPIRES_S = 3_600;

// Implementation.

const MAX_EXPIRES_S = 3_600;
const MIN_EXPIRES_S = 60;
/** Phones of a household, and former lives of them. */
const MAX_SUBSCRIPTIONS = 64;
const MAX_TEXT = 256;

/** How many messages there are. */
export interface MessageCounts {
  readonly new: number;
  readonly old: number;
}

export interface LampPorts {
  /** As `TransactionLayer.request`. */
  request(request: SipRequest, flow: SipFlow, now: number, handlers: ClientHandlers): unknown;
  /** Our Contact on that side. */
  contactAt(flow: SipFlow): string;
}

interface Subscription {
  /** Of its dialog. */
  readonly key: string;
  readonly callId: string;
  /** To and From of the SUBSCRIBE, ours with its tag. */
  readonly local: string;
  readonly remote: string;
  /** As it was asked for: an id is said again (RFC 6665 s8.2.1). */
  readonly event: string;
  /** The phone's Contact, and how it is reached. */
  target: string;
  flow: SipFlow;
  expiresAt: number;
  cseq: number;
  /** A NOTIFY is under way. */
  isTelling: boolean;
  /** There is something to tell when it has arrived. */
  isDue: boolean;
  /** Of what is told last. */
  ends: 'timeout' | undefined;
}

/**
 * The lamp of phones of this host that says that messages wait (RFC 3842): the notifier of RFC 6665.
 *
 *     (none) ──SUBSCRIBE: 200, NOTIFY──> active ──Expires 0, or its time is up: NOTIFY, terminated──> (none)
 *                                        │  ^ │
 *             changed, or SUBSCRIBE again:  │ └──a NOTIFY is refused, or nobody answers──> (none)
 *             NOTIFY, one at a time      └──┘
 *
 * What is to be told goes out with `flush`: after the answer to the SUBSCRIBE.
 */
export class MessageLamp implements Timed {
  private readonly random: Random;
  private readonly ports: LampPorts;
  /** What phones call to hear the messages: `sip:voicemail@home.example`. */
  private readonly account: string;
  /** The longest unrefreshed first. */
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly timers = new TimerQueue<Subscription>();
  private counts: MessageCounts = { new: 0, old: 0 };

  constructor(
    components: { readonly random: Random; readonly ports: LampPorts },
    options: { readonly account: string },
  ) {
    this.random = components.random;
    this.ports = components.ports;
    this.account = options.account;
  }

  /** 0 when nobody wants to know. */
  get size(): number {
    return this.subscriptions.size + this.timers.size;
  }

  /** Whether a SUBSCRIBE asks for the lamp. */
  static isAsked(request: SipRequest): boolean {
    return request.method === 'SUBSCRIBE' && packageOf(request) === PACKAGE;
  }

  /** To a SUBSCRIBE that `isAsked`: of a new subscription, or of one that there is. */
  answer(request: SipRequest, from: SipFlow, now: number): SipResponse {
    const respond = (status: number, reason: string, headers: readonly SipHeader[] = []): SipResponse =>
      responseTo(request, { status, reason, headers }, this.random);
    const toTag = tagOf(request, 'to');
    const known = toTag === '' ? undefined : this.subscriptions.get(keyOf(request, toTag));
    if (toTag !== '' && known === undefined) return respond(481, 'Subscription Does Not Exist');
    const contact = parseNameAddr(firstHeader(request, 'contact') ?? '')?.uri;
    const target = contact ?? known?.target;
    const event = headerValues(request, 'event')[0] ?? '';
    const wanted = firstHeader(request, 'expires') ?? String(DEFAULT_EXPIRES_S);
    if (target === undefined || parseUri(target) === undefined) return respond(400, 'No Contact');
    if (!/^\d{1,10}$/.test(wanted) || target.length > MAX_TEXT || event.length > MAX_TEXT)
      return respond(400, 'Bad Request');
    const seconds = Math.min(Number(wanted), MAX_EXPIRES_S);
    if (seconds > 0 && seconds < MIN_EXPIRES_S)
      return respond(423, 'Interval Too Brief', [{ name: 'Min-Expires', value: String(MIN_EXPIRES_S) }]);
    const response = respond(200, 'OK', [
      { name: 'Contact', value: `<${this.ports.contactAt(from)}>` },
      { name: 'Expires', value: String(seconds) },
    ]);
    const subscription = known ?? this.begin(request, response, { event, target, from });
    subscription.target = target;
    subscription.flow = from;
    this.extend(subscription, seconds, now);
    return response;
  }

  /** What is to be told is told. */
  flush(now: number): void {
    for (const subscription of [...this.subscriptions.values()]) this.tell(subscription, now);
  }

  changed(counts: MessageCounts, now: number): void {
    if (counts.new === this.counts.new && counts.old === this.counts.old) return;
    this.counts = { new: counts.new, old: counts.old };
    for (const subscription of this.subscriptions.values()) subscription.isDue = true;
    this.flush(now);
  }

  nextTimeout(): number | undefined {
    return earliest(this.timers.next());
  }

  handleTimeout(now: number): void {
    for (let subscription = this.timers.due(now); subscription !== undefined; subscription = this.timers.due(now)) {
      subscription.ends = 'timeout';
      subscription.isDue = true;
      this.tell(subscription, now);
    }
  }

  private begin(
    request: SipRequest,
    response: SipResponse,
    { event, target, from }: { readonly event: string; readonly target: string; readonly from: SipFlow },
  ): Subscription {
    const subscription: Subscription = {
      ...{ key: keyOf(request, tagOf(response, 'to')), callId: firstHeader(request, 'call-id') ?? '' },
      ...{ local: firstHeader(response, 'to') ?? '', remote: firstHeader(request, 'from') ?? '' },
      ...{ event, target, flow: from, expiresAt: 0, cseq: 0, isTelling: false, isDue: true, ends: undefined },
    };
    const [oldest] = this.subscriptions.values();
    if (this.subscriptions.size >= MAX_SUBSCRIPTIONS && oldest !== undefined) this.drop(oldest);
    return subscription;
  }

  /** RFC 6665 s4.2.1.2, s4.2.1.4: each SUBSCRIBE is told how it stands; one for no time is told once. */
  private extend(subscription: Subscription, seconds: number, now: number): void {
    subscription.isDue = true;
    subscription.ends = seconds === 0 ? 'timeout' : undefined;
    subscription.expiresAt = now + 1_000 * seconds;
    this.subscriptions.delete(subscription.key);
    this.subscriptions.set(subscription.key, subscription);
    if (seconds === 0) this.timers.clear(subscription);
    else this.timers.set(subscription, subscription.expiresAt);
  }

  private tell(subscription: Subscription, now: number): void {
    if (!subscription.isDue || subscription.isTelling) return;
    subscription.isDue = false;
    subscription.isTelling = true;
    subscription.cseq += 1;
    const { ends } = subscription;
    const drop = (): void => this.drop(subscription);
    const sent = this.ports.request(this.notify(subscription, now), subscription.flow, now, {
      onProvisional: () => {},
      onFinal: ({ status }, at) => {
        subscription.isTelling = false;
        if (status >= 300 || ends !== undefined) drop();
        else if (this.subscriptions.has(subscription.key)) this.tell(subscription, at);
      },
      onTimeout: drop,
      onTransportError: drop,
    });
    if (sent === undefined) drop();
  }

  private notify(
    { callId, local, remote, event, target, flow, expiresAt, cseq, ends }: Subscription,
    now: number,
  ): SipRequest {
    const left = Math.max(0, Math.ceil((expiresAt - now) / 1_000));
    const body = [
      `Messages-Waiting: ${this.counts.new > 0 ? 'yes' : 'no'}`,
      `Message-Account: ${this.account}`,
      `Voice-Message: ${this.counts.new}/${this.counts.old}`,
      '',
    ].join('\r\n');
    return {
      type: 'request',
      method: 'NOTIFY',
      uri: target,
      headers: [
        { name: 'Max-Forwards', value: String(MAX_FORWARDS) },
        { name: 'From', value: local },
        { name: 'To', value: remote },
        { name: 'Call-ID', value: callId },
        { name: 'CSeq', value: `${cseq} NOTIFY` },
        { name: 'Contact', value: `<${this.ports.contactAt(flow)}>` },
        { name: 'Event', value: event },
        {
          name: 'Subscription-State',
          value: ends === undefined ? `active;expires=${left}` : `terminated;reason=${ends}`,
        },
        { name: 'Content-Type', value: 'application/simple-message-summary' },
      ],
      body: Buffer.from(body),
    };
  }

  private drop(subscription: Subscription): void {
    this.timers.clear(subscription);
    if (this.subscriptions.get(subscription.key) === subscription) this.subscriptions.delete(subscription.key);
  }
}

function packageOf(request: SipRequest): string | undefined {
  return headerValues(request, 'event')[0]?.split(';')[0]?.trim().toLowerCase();
}

function keyOf(request: SipRequest, localTag: string): string {
  return JSON.stringify([firstHeader(request, 'call-id'), localTag, tagOf(request, 'from')]);
}
