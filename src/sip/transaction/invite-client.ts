import { earliest, type Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { SipFlow } from '../flow.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { T1_MS, TIMER_D_MS, TRANSACTION_TIMEOUT_MS } from './constants.ts';
import { ackOf, cancelOf } from './requests.ts';
import { isReliable, type ClientPorts, type ClientTransaction } from './transaction.ts';

type State = 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated';

/**
 * INVITE client transaction (RFC 3261 s17.1.1 with RFC 6026 s7.2), and the CANCEL of its INVITE (s9.1).
 *
 *                    INVITE is sent; A = T1 (unreliable), B = 64*T1
 *                                  |
 *       A: INVITE again, A = 2A    v         B, or transport error: the user hears
 *                       +----- calling ----------------------------------------+
 *                       +------>   |  |  |  300-699: ACK, to the user          |
 *                              1xx |  |  +----------------------------+        |
 *                      to the user |  | 2xx to the user               |        |
 *           1xx to the user        v  +-------------+                 |        |
 *                    +------- proceeding            |                 |        |
 *                    +-------->  |  |  |            |                 |        |
 *      (cancelled) 64*T1: user   |  |  | 2xx to the |                 |        |
 *      hears of a time-out       |  |  | user       |                 |        |
 *              +-----------------+  |  v            v                 v        |
 *              |     300-699: ACK,  | accepted <----+   +------- completed     |
 *              |     to the user    |  |  |  ^ 2xx to   |          ^  |  |      |
 *              |                    |  |  +--+ the user +----------+  |  |      |
 *              |                    |  |              300-699: ACK    |  | transport error:
 *              |                    +--|----------------------------->|  | the user hears
 *              |                       | M = 64*T1                    | D = 32 s (reliable: 0)
 *              v                       v                              v  v      v
 *         terminated              terminated                       terminated
 *
 * A CANCEL that is asked for while calling goes out when the first 1xx comes.
 */
export class InviteClientTransaction implements ClientTransaction, Timed {
  readonly isInvite = true;
  readonly flow: SipFlow;
  state: State = 'calling';
  private readonly ports: ClientPorts;
  private readonly logger: Logger;
  /** The INVITE, later its ACK: what is sent again. */
  private message: SipRequest | undefined;
  /** Timer A and its next length. */
  private resendAt: number | undefined;
  private resendAfter = T1_MS;
  /** Timer B, D or M, or what s9.1 lets a cancelled INVITE last. */
  private endAt: number | undefined;
  private cancellation: 'none' | 'wanted' | 'sent' = 'none';
  private cancelHeaders: readonly SipHeader[] = [];

  constructor(request: SipRequest, flow: SipFlow, ports: ClientPorts, logger: Logger, now: number) {
    this.message = request;
    this.flow = flow;
    this.ports = ports;
    this.logger = logger;
    if (!isReliable(flow)) this.resendAt = now + T1_MS;
    this.endAt = now + TRANSACTION_TIMEOUT_MS;
    ports.send(request);
  }

  receive(response: SipResponse, now: number): void {
    switch (this.state) {
      case 'calling':
      case 'proceeding':
        if (response.status < 200) this.proceed(response, now);
        else if (response.status < 300) this.accept(response, now);
        else this.complete(response, now);
        return;
      case 'accepted':
        if (response.status >= 200 && response.status < 300) this.ports.onFinal(response, now);
        return;
      case 'completed':
        if (response.status >= 300 && this.message !== undefined) this.ports.send(this.message);
        return;
      case 'terminated':
        return;
    }
  }

  /** @param headers what the CANCEL says more: its Reason (RFC 3326). */
  cancel(headers: readonly SipHeader[], now: number): void {
    if (this.cancellation !== 'none' || (this.state !== 'calling' && this.state !== 'proceeding')) return;
    this.cancelHeaders = headers;
    this.cancellation = 'wanted';
    if (this.state === 'proceeding') this.sendCancel(now);
  }

  transportFailed(now: number): void {
    if (this.state === 'calling') {
      this.changeState('terminated');
      this.ports.onTransportError(now);
    } else if (this.state === 'completed') {
      // The user has heard how it ended: that the ACK was lost changes nothing for it.
      this.changeState('terminated');
    }
  }

  nextTimeout(): number | undefined {
    return this.state === 'terminated' ? undefined : earliest(this.resendAt, this.endAt);
  }

  handleTimeout(now: number): void {
    if (this.state === 'terminated') return;
    if (this.endAt !== undefined && now >= this.endAt) {
      const waited = this.state === 'calling' || this.state === 'proceeding';
      this.changeState('terminated');
      if (waited) this.ports.onTimeout(now);
    } else if (this.resendAt !== undefined && now >= this.resendAt && this.message !== undefined) {
      this.resendAfter *= 2;
      this.resendAt = now + this.resendAfter;
      this.ports.send(this.message);
    }
  }

  private proceed(response: SipResponse, now: number): void {
    if (this.state === 'calling') {
      this.changeState('proceeding');
      this.resendAt = undefined;
      this.endAt = undefined;
      if (this.cancellation === 'wanted') this.sendCancel(now);
    }
    this.ports.onProvisional(response, now);
  }

  private accept(response: SipResponse, now: number): void {
    this.changeState('accepted');
    this.message = undefined;
    this.resendAt = undefined;
    this.endAt = now + TRANSACTION_TIMEOUT_MS;
    this.ports.onFinal(response, now);
  }

  private complete(response: SipResponse, now: number): void {
    const ack = this.message === undefined ? undefined : ackOf(this.message, response);
    this.changeState(isReliable(this.flow) ? 'terminated' : 'completed');
    this.message = ack;
    this.resendAt = undefined;
    this.endAt = now + TIMER_D_MS;
    if (ack !== undefined) this.ports.send(ack);
    this.ports.onFinal(response, now);
  }

  private sendCancel(now: number): void {
    if (this.message === undefined) return;
    this.cancellation = 'sent';
    this.endAt = now + TRANSACTION_TIMEOUT_MS;
    this.ports.cancel(cancelOf(this.message, this.cancelHeaders), now);
  }

  private changeState(state: State): void {
    this.logger.debug('sip.inviteClient', { from: this.state, to: state, remote: this.flow.key });
    this.state = state;
  }
}
