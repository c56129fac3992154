import { earliest, type Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { SipFlow } from '../flow.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import { T1_MS, T2_MS, T4_MS, TRANSACTION_TIMEOUT_MS } from './constants.ts';
import { isReliable, type ClientPorts, type ClientTransaction } from './transaction.ts';

type State = 'trying' | 'proceeding' | 'completed' | 'terminated';

/**
 * Client transaction of all but INVITE and ACK (RFC 3261 s17.1.2).
 *
 *               request is sent; E = T1 (unreliable), F = 64*T1
 *                                 |
 *   E: again, E = min(2E, T2)     v       F, or transport error: the user hears
 *                    +-------- trying ---------------------------------+
 *                    +---------> | |                                   |
 *                            1xx | +--- 200-699 to the user ---+       |
 *                    to the user v                             |       |
 *   E: again, E = T2        proceeding ------------------------|-------+  F, transport error
 *   1xx to the user  +--------|  |                             |       |
 *                    +-------->  | 200-699 to the user         |       |
 *                                v                             |       |
 *                            completed <-----------------------+       |
 *                                | K = T4 (reliable: 0)                |
 *                                v                                     v
 *                            terminated                           terminated
 */
export class NonInviteClientTransaction implements ClientTransaction, Timed {
  readonly isInvite = false;
  readonly flow: SipFlow;
  state: State = 'trying';
  private readonly ports: ClientPorts;
  private readonly logger: Logger;
  private request: SipRequest | undefined;
  /** Timer E and its next length. */
  private resendAt: number | undefined;
  private resendAfter = T1_MS;
  /** Timer F or K. */
  private endAt: number;

  constructor(request: SipRequest, flow: SipFlow, ports: ClientPorts, logger: Logger, now: number) {
    this.request = request;
    this.flow = flow;
    this.ports = ports;
    this.logger = logger;
    if (!isReliable(flow)) this.resendAt = now + T1_MS;
    this.endAt = now + TRANSACTION_TIMEOUT_MS;
    ports.send(request);
  }

  receive(response: SipResponse, now: number): void {
    switch (this.state) {
      case 'trying':
      case 'proceeding':
        if (response.status < 200) {
          if (this.state === 'trying') this.changeState('proceeding');
          this.ports.onProvisional(response, now);
          return;
        }
        this.changeState(isReliable(this.flow) ? 'terminated' : 'completed');
        this.request = undefined;
        this.resendAt = undefined;
        this.endAt = now + T4_MS;
        this.ports.onFinal(response, now);
        return;
      case 'completed':
      case 'terminated':
        return;
    }
  }

  transportFailed(now: number): void {
    if (this.state !== 'trying' && this.state !== 'proceeding') return;
    this.changeState('terminated');
    this.ports.onTransportError(now);
  }

  nextTimeout(): number | undefined {
    return this.state === 'terminated' ? undefined : earliest(this.resendAt, this.endAt);
  }

  handleTimeout(now: number): void {
    if (this.state === 'terminated') return;
    if (now >= this.endAt) {
      const waited = this.state !== 'completed';
      this.changeState('terminated');
      if (waited) this.ports.onTimeout(now);
    } else if (this.resendAt !== undefined && now >= this.resendAt && this.request !== undefined) {
      // s17.1.2.2: in Proceeding, timer E "is reset with a value of T2 seconds".
      this.resendAfter = this.state === 'proceeding' ? T2_MS : Math.min(2 * this.resendAfter, T2_MS);
      this.resendAt = now + this.resendAfter;
      this.ports.send(this.request);
    }
  }

  private changeState(state: State): void {
    this.logger.debug('sip.nonInviteClient', { from: this.state, to: state, remote: this.flow.key });
    this.state = state;
  }
}
