import { earliest, type Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { SipFlow } from '../flow.ts';
import type { SipResponse } from '../message/message.ts';
import { INVITE_TRYING_MS, T1_MS, T2_MS, T4_MS, TRANSACTION_TIMEOUT_MS } from './constants.ts';
import { isReliable, type ServerPorts, type ServerTransaction } from './transaction.ts';

type State = 'proceeding' | 'completed' | 'confirmed' | 'accepted' | 'terminated';

/**
 * INVITE server transaction (RFC 3261 s17.2.1 with RFC 6026 s7.1).
 *
 *                         INVITE to the user
 *                                 |        200 ms without a response: 100
 *   INVITE: last 1xx again        v         1xx of the user is sent
 *                   +-------- proceeding ------+
 *                   +--------->  |  |   <------+
 *         300-699 of the user    |  |    2xx of the user is sent; L = 64*T1
 *   is sent; G = T1 (unreliable),|  +------------------+
 *                    H = 64*T1   v                     v          INVITE: nothing
 *   INVITE: again     +---- completed            +- accepted --+  ACK to the user
 *   G: again,         +----->  |  |              +-> |   <-----+  2xx of the user is sent
 *      G = min(2G, T2)     ACK |  | H: the user      |
 *                              v  | hears            |
 *   ACK, INVITE: nothing  confirmed                  |
 *                 I = T4       |  |                  | L
 *                 (reliable:   v  v                  v
 *                  0)       terminated           terminated
 *
 * That a response could not be sent is told to the user, and changes no state (RFC 6026 s7.1).
 */
export class InviteServerTransaction implements ServerTransaction, Timed {
  readonly isInvite = true;
  readonly from: SipFlow;
  readonly replies: SipFlow;
  state: State = 'proceeding';
  private readonly ports: ServerPorts;
  private readonly logger: Logger;
  /** 100, sent when the user is slow. */
  private trying: SipResponse | undefined;
  /** Sent again to whoever repeats the INVITE. */
  private last: SipResponse | undefined;
  /** That of 100, later timer G and its next length. */
  private sendAt: number | undefined;
  private resendAfter = T1_MS;
  /** Timer H, I or L. */
  private endAt: number | undefined;

  constructor(
    trying: SipResponse,
    flows: { readonly from: SipFlow; readonly replies: SipFlow },
    ports: ServerPorts,
    logger: Logger,
    now: number,
  ) {
    this.trying = trying;
    this.from = flows.from;
    this.replies = flows.replies;
    this.ports = ports;
    this.logger = logger;
    this.sendAt = now + INVITE_TRYING_MS;
  }

  /** The INVITE came once more. */
  receiveAgain(): void {
    const answers = this.state === 'proceeding' || this.state === 'completed';
    if (answers && this.last !== undefined) this.ports.send(this.last);
  }

  /** @returns whether the ACK ends here; else it is the user's. */
  acknowledge(now: number): boolean {
    if (this.state === 'accepted') return false;
    if (this.state !== 'completed') return true;
    this.changeState(isReliable(this.from) ? 'terminated' : 'confirmed');
    this.last = undefined;
    this.sendAt = undefined;
    this.endAt = now + T4_MS;
    return true;
  }

  respond(response: SipResponse, now: number): void {
    if (this.state === 'accepted') {
      if (response.status >= 200 && response.status < 300) this.ports.send(response);
      return;
    }
    if (this.state !== 'proceeding') return;
    this.trying = undefined;
    this.sendAt = undefined;
    if (response.status < 200) {
      this.last = response;
    } else if (response.status < 300) {
      this.changeState('accepted');
      this.last = undefined;
      this.endAt = now + TRANSACTION_TIMEOUT_MS;
    } else {
      this.changeState('completed');
      this.last = response;
      this.sendAt = isReliable(this.from) ? undefined : now + T1_MS;
      this.endAt = now + TRANSACTION_TIMEOUT_MS;
    }
    this.ports.send(response);
  }

  transportFailed(now: number): void {
    if (this.state !== 'confirmed' && this.state !== 'terminated') this.ports.onFailure('transport', now);
  }

  nextTimeout(): number | undefined {
    return this.state === 'terminated' ? undefined : earliest(this.sendAt, this.endAt);
  }

  handleTimeout(now: number): void {
    if (this.state === 'terminated') return;
    if (this.endAt !== undefined && now >= this.endAt) {
      const isUnacknowledged = this.state === 'completed';
      this.changeState('terminated');
      if (isUnacknowledged) this.ports.onFailure('unacknowledged', now);
    } else if (this.sendAt !== undefined && now >= this.sendAt) {
      if (this.state === 'proceeding') {
        if (this.trying !== undefined) this.respond(this.trying, now);
        return;
      }
      this.resendAfter = Math.min(2 * this.resendAfter, T2_MS);
      this.sendAt = now + this.resendAfter;
      if (this.last !== undefined) this.ports.send(this.last);
    }
  }

  private changeState(state: State): void {
    this.logger.debug('sip.inviteServer', { from: this.state, to: state, remote: this.from.key });
    this.state = state;
  }
}
