import type { Timed } from '../../base/clock.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import type { SipFlow } from '../flow.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { TIMER_C_MS } from '../proxy/constants.ts';
import type { ClientTransaction } from '../transaction/transaction.ts';
import type { TransactionLayer } from '../transaction/transaction-layer.ts';
import type { DigestClient } from './digest.ts';

// Implementation constants.

/** A server that says nothing for so long is left for the next one: RFC 3263 s4.3 would wait for timer B, and the caller hang up. */
const RESPONDS_WITHIN_MS = 4_000;
/** A server that asks again: first a nonce of a former time was answered, then its own that is stale already. */
const MAX_CHALLENGES = 3;
const SERVICE_UNAVAILABLE = 503;

export interface Outgoing {
  /** Of the servers, in their order; one at least. */
  readonly flows: readonly SipFlow[];
  /** Anew for each attempt, with a CSeq of its own. */
  build(flow: SipFlow): SipRequest;
  /** Absent: a challenge is the final answer. */
  readonly digest?: DigestClient | undefined;
  /** Of an INVITE that no caller waits for: it is cancelled when it has rung for as long as a proxy would have it (timer C). */
  readonly isBounded?: boolean;
  /** As it goes out. */
  onSent?(request: SipRequest): void;
  /** Not 100. */
  onProvisional(response: SipResponse, now: number): void;
  /** Of an INVITE, more 2xx may follow a 2xx. */
  onFinal(response: SipResponse, now: number, flow: SipFlow): void;
  /** No server has answered. */
  onFailure(now: number): void;
  /** Of an INVITE, a 2xx of a server that was left, or after `onFailure`. Absent: it is not minded. */
  onLate?(response: SipResponse, now: number, flow: SipFlow): void;
}

/**
 * One request to a provider (RFC 3261 s22.2, RFC 3263 s4.3):
 *
 *    trying ──nothing for 4 s, 503, transport error──> trying the next server ──none left──> over
 *      │ ▲ └──401, 407: with credentials, to the same server
 *      │ └────┘
 *      ├──any other final answer──> over
 *      └──1xx, and nothing for timer C, if bounded──> CANCEL, and trying no other server
 */
export class OutgoingRequest {
  private readonly client: TrunkClient;
  private readonly outgoing: Outgoing;
  private index = 0;
  private challenges = 0;
  private attempt = 0;
  private transaction: ClientTransaction | undefined;
  private isCancelled = false;
  /** The server has said something. */
  private isHeard = false;

  constructor(client: TrunkClient, outgoing: Outgoing) {
    this.client = client;
    this.outgoing = outgoing;
  }

  /** Of an INVITE: 487 is then its answer, as a rule. */
  cancel(headers: readonly SipHeader[], now: number): void {
    this.isCancelled = true;
    if (this.transaction !== undefined) this.client.layer.cancel(this.transaction, headers, now);
  }

  send(now: number): void {
    const flow = this.outgoing.flows[this.index];
    if (flow === undefined || this.isCancelled) {
      this.outgoing.onFailure(now);
      return;
    }
    const plain = this.outgoing.build(flow);
    const answers = this.outgoing.digest?.answer(plain.method, plain.uri) ?? [];
    const request = { ...plain, headers: [...plain.headers, ...answers] };
    this.attempt += 1;
    const { attempt } = this;
    const ofThis =
      <A extends readonly unknown[]>(handle: (...given: A) => void) =>
      (...given: A): void => {
        if (attempt === this.attempt) handle(...given);
      };
    const late = (response: SipResponse, at: number): void => this.outgoing.onLate?.(response, at, flow);
    this.isHeard = false;
    this.outgoing.onSent?.(request);
    this.transaction = this.client.layer.request(request, flow, now, {
      onProvisional: ofThis((response: SipResponse, at: number) => {
        this.isHeard = true;
        if (this.outgoing.isBounded === true) this.client.timers.set(this, at + TIMER_C_MS);
        else this.client.timers.clear(this);
        if (response.status > 100) this.outgoing.onProvisional(response, at);
      }),
      onFinal: (response, at) => {
        if (attempt === this.attempt) this.answered(response, flow, at);
        else if (response.status < 300) late(response, at);
      },
      onTimeout: ofThis((at: number) => this.next(at)),
      onTransportError: ofThis((at: number) => this.next(at)),
      onLate: late,
    });
    if (this.transaction === undefined) this.outgoing.onFailure(now);
    else this.client.timers.set(this, now + RESPONDS_WITHIN_MS);
  }

  /** The server has said nothing, or no answer. */
  expire(now: number): void {
    if (this.isHeard) {
      this.cancel([], now);
      return;
    }
    if (this.transaction === undefined || this.outgoing.flows[this.index + 1] === undefined) return;
    const silent = this.transaction;
    this.next(now);
    this.client.layer.cancel(silent, [], now);
  }

  private answered(response: SipResponse, flow: SipFlow, now: number): void {
    this.client.timers.clear(this);
    const { status } = response;
    const { digest, flows } = this.outgoing;
    if ((status === 401 || status === 407) && digest !== undefined && this.challenges < MAX_CHALLENGES) {
      this.challenges += 1;
      // RFC 7616 s3.3: who is asked again is not believed, unless what was answered is stale.
      const learnt = digest.learn(response);
      if ((learnt === 'stale' || (learnt === 'fresh' && this.challenges === 1)) && !this.isCancelled) {
        this.send(now);
        return;
      }
    }
    if (status === SERVICE_UNAVAILABLE && flows[this.index + 1] !== undefined) this.next(now);
    else this.outgoing.onFinal(response, now, flow);
  }

  private next(now: number): void {
    this.client.timers.clear(this);
    this.index += 1;
    this.send(now);
  }
}

/** Requests to providers, each tried at one server after the other. */
export class TrunkClient implements Timed {
  readonly layer: Pick<TransactionLayer, 'request' | 'cancel'>;
  readonly timers = new TimerQueue<OutgoingRequest>();

  constructor(layer: Pick<TransactionLayer, 'request' | 'cancel'>) {
    this.layer = layer;
  }

  request(outgoing: Outgoing, now: number): OutgoingRequest {
    const request = new OutgoingRequest(this, outgoing);
    request.send(now);
    return request;
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let due = this.timers.due(now); due !== undefined; due = this.timers.due(now)) due.expire(now);
  }
}
