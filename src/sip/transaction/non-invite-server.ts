import { earliest, type Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { SipFlow } from '../flow.ts';
import type { SipResponse } from '../message/message.ts';
import { NON_INVITE_TRYING_MS, TRANSACTION_TIMEOUT_MS } from './constants.ts';
import { isReliable, type ServerPorts, type ServerTransaction } from './transaction.ts';

type State = 'trying' | 'proceeding' | 'completed' | 'terminated';

/**
 * Server transaction of all but INVITE and ACK (RFC 3261 s17.2.2), as RFC 4320 s4 mends it: no 1xx but 100, that one when 3.5 s went
 * by without a response; never 408; and after 64*T1 nothing any more, for the client has given up by then.
 *
 *                request to the user
 *                        |                 request: nothing
 *                        v                 64*T1
 *                     trying ------------------------------+
 *                      |  |  200-699 is sent; J            |
 *                3.5 s |  +-----------------------+        |
 *          100 is sent v                          |        |
 *   request: 100  +- proceeding ------------------|------->|  64*T1
 *   again         +-> |  200-699 is sent; J       |        |
 *                     v                           |        |
 *   request: +-- completed <----------------------+        |
 *   again    +--> |  | transport error: the user hears     |
 *                 |  | J = 64*T1 (reliable: 0)             |
 *                 v  v                                     v
 *               terminated                            terminated
 */
export class NonInviteServerTransaction implements ServerTransaction, Timed {
  readonly isInvite = false;
  readonly from: SipFlow;
  readonly replies: SipFlow;
  state: State = 'trying';
  private readonly ports: ServerPorts;
  private readonly logger: Logger;
  /** Until it has answered. */
  private trying: SipResponse | undefined;
  private last: SipResponse | undefined;
  private tryingAt: number | undefined;
  /** What the client waits at most, later timer J. */
  private endAt: number;

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
    this.tryingAt = now + NON_INVITE_TRYING_MS;
    this.endAt = now + TRANSACTION_TIMEOUT_MS;
  }

  /** The request came once more. */
  receiveAgain(): void {
    if (this.state !== 'terminated' && this.last !== undefined) this.ports.send(this.last);
  }

  respond(response: SipResponse, now: number): void {
    if (this.state !== 'trying' && this.state !== 'proceeding') return;
    if (response.status === 408) return;
    if (response.status >= 200) this.complete(response, now);
  }

  transportFailed(now: number): void {
    if (this.state !== 'proceeding' && this.state !== 'completed') return;
    this.changeState('terminated');
    this.ports.onFailure('transport', now);
  }

  nextTimeout(): number | undefined {
    return this.state === 'terminated' ? undefined : earliest(this.tryingAt, this.endAt);
  }

  handleTimeout(now: number): void {
    if (this.state === 'terminated') return;
    if (now >= this.endAt) {
      this.changeState('terminated');
    } else if (this.tryingAt !== undefined && now >= this.tryingAt) {
      this.tryingAt = undefined;
      this.changeState('proceeding');
      this.last = this.trying;
      if (this.trying !== undefined) this.ports.send(this.trying);
    }
  }

  private complete(response: SipResponse, now: number): void {
    this.changeState(isReliable(this.from) ? 'terminated' : 'completed');
    this.last = response;
    this.trying = undefined;
    this.tryingAt = undefined;
    this.endAt = now + TRANSACTION_TIMEOUT_MS;
    this.ports.send(response);
  }

  private changeState(state: State): void {
    this.logger.debug('sip.nonInviteServer', { from: this.state, to: state, remote: this.from.key });
    this.state = state;
  }
}
