import type { SipFlow } from '../flow.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';

/** What the user of a client transaction hears of it. One of the last three comes once, and is the end; more 2xx may follow a 2xx. */
export interface ClientHandlers {
  /** 100 to 199. */
  onProvisional(response: SipResponse, now: number): void;
  onFinal(response: SipResponse, now: number): void;
  /** Timer B or F, or a CANCEL that had no effect (RFC 3261 s9.1). */
  onTimeout(now: number): void;
  onTransportError(now: number): void;
  /** Of an INVITE, a 2xx after one of the last two; absent: it is a stray. */
  onLate?(response: SipResponse, now: number): void;
}

/** What a client transaction does to the world. */
export interface ClientPorts extends ClientHandlers {
  send(request: SipRequest): void;
  /** The CANCEL of this INVITE is due: it is a transaction of its own. */
  cancel(request: SipRequest, now: number): void;
}

export interface ServerPorts {
  send(response: SipResponse): void;
  onFailure(reason: ServerFailure, now: number): void;
}

/** `unacknowledged`: no ACK came (timer H). `transport`: the response could not be sent. */
export type ServerFailure = 'unacknowledged' | 'transport';

/** For whom requests go out: a handle for `TransactionLayer.cancel`. */
export interface ClientTransaction {
  readonly flow: SipFlow;
  readonly isInvite: boolean;
  readonly state: string;
}

/** For whom responses go out: a handle for `TransactionLayer.respond`. It does not keep the request. */
export interface ServerTransaction {
  /** Where the request came from. */
  readonly from: SipFlow;
  /** Where responses go (RFC 3261 s18.2.2, RFC 3581 s4). */
  readonly replies: SipFlow;
  readonly isInvite: boolean;
  readonly state: string;
}

/** What is above the transactions: a user agent, a registrar or a proxy core. It may call the layer from within. */
export interface TransactionUser {
  /** A new request, neither ACK nor CANCEL; its top Via has `received` and `rport` as the transport saw them. */
  onRequest(transaction: ServerTransaction, request: SipRequest, now: number): void;
  /** An ACK that belongs to a 2xx, or to nothing that is known. */
  onAck(request: SipRequest, flow: SipFlow, now: number): void;
  /** The INVITE is cancelled; the CANCEL was answered. */
  onCancel(invite: ServerTransaction, cancel: SipRequest, now: number): void;
  /** A response that belongs to nothing (RFC 6026 s7.3: it is not forwarded). */
  onStrayResponse(response: SipResponse, flow: SipFlow, now: number): void;
  onFailure(transaction: ServerTransaction, reason: ServerFailure, now: number): void;
}

/** Whether the transport repeats by itself (RFC 3261 s17). */
export function isReliable(flow: SipFlow): boolean {
  return flow.transport !== 'udp';
}
