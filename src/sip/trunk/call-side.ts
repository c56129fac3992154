import type { SipFlow } from '../flow.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { ServerTransaction } from '../transaction/transaction.ts';
import type { Outgoing, OutgoingRequest } from './trunk-client.ts';
import type { MediaSession } from './trunk-media.ts';

/** The two ends of a call; the gateway is the callee of the one and the caller of the other. */
export type End = 'caller' | 'callee';

export interface Abilities {
  /** Methods. */
  readonly allow: readonly string[];
  /** Extensions. */
  readonly supported: readonly string[];
}

/** One side of the gateway. */
export interface CallSide {
  readonly where: 'inside' | 'outside';
  readonly from: MediaSession['from'];
  /** What the gateway does there, whatever the other end can (RFC 3261 s20.5, s20.37). */
  readonly does: Abilities;
  respond(transaction: ServerTransaction, response: SipResponse, now: number): void;
  request(outgoing: Outgoing, now: number): OutgoingRequest;
  /** An ACK. */
  forward(request: SipRequest, flow: SipFlow): void;
  /** Where a URI of a dialog leads. @param flow where the call began */
  flowTo(uri: string, flow: SipFlow): SipFlow;
  /** Our Contact on that side. */
  contact(flow: SipFlow): string;
}

export function otherEnd(end: End): End {
  return end === 'caller' ? 'callee' : 'caller';
}
