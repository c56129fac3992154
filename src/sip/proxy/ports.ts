import type { SocketAddress } from '../../base/socket-address.ts';
import type { SipFlow } from '../flow.ts';
import type { SipHeader, SipMessage, SipRequest, SipResponse } from '../message/message.ts';
import type { SipUri } from '../message/uri.ts';

/** Where one branch of a request goes. */
export interface Target {
  /** The Request-URI there. */
  readonly uri: string;
  readonly flow: SipFlow;
  /** 0 to 1: higher ones are tried first, equal ones together; absent: 1. */
  readonly q?: number | undefined;
  /** URIs that the request visits before (RFC 3261 s16.6 step 6). */
  readonly route?: readonly string[] | undefined;
  /** An INVITE that rings longer is cancelled, and those of lower q are tried; absent: timer C. */
  readonly answerWithinMs?: number | undefined;
  /** A target that says nothing at all for so long, not even 100, is left for those of lower q; absent: timer B. */
  readonly respondsWithinMs?: number | undefined;
  /** Those of lower q would do the same, and are tried only when this one cannot: 5xx, or no answer. */
  readonly hasAlternatives?: boolean | undefined;
  /** And they are on other hosts: that this one is gone says nothing of them. */
  readonly areElsewhere?: boolean | undefined;
  /** Whose phones are meant, and nobody else's may answer (`ProxyPorts.mayAnswer`); absent: whoever is there. */
  readonly holder?: string | undefined;
  /** On the copy that goes there, before our Record-Route and Via. */
  readonly rewrite?: ((request: SipRequest) => SipRequest) | undefined;
}

/** Our own answer to a request, 300 to 699. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly headers?: readonly SipHeader[] | undefined;
}

/** One more target, for when all others have failed: it costs something to have it, and is not had before. */
export interface LastResort {
  /** @param known called once, now or later: how long others may ring before it is tried. Not called where it is none after all. */
  onKnown(now: number, known: (ringMs: number, now: number) => void): void;
  /** @param done called once, now or later; undefined: it is none. It returns whether it is wanted still. */
  open(now: number, done: (target: Target | undefined, now: number) => boolean): void;
}

/** @returns whether the request waits for it still. */
export type Located = (found: readonly Target[] | Refusal, now: number) => boolean;

export interface ProxyPorts {
  /** What a target has answered whose flow broke. Absent: 503 (RFC 3261 s16.9). */
  readonly unreachable?: Refusal;
  /** Where we listen on that side of us: for Record-Route. */
  ownAddress(flow: SipFlow): SocketAddress;
  /** Whether such a URI, of a Route or with `lr` or `maddr`, means this proxy. */
  isOwn(uri: SipUri): boolean;
  /** Whether such a request may be sent at all: asked of each but CANCEL, in dialogs and outside. To an ACK there is no answer. */
  admit(request: SipRequest, from: SipFlow, now: number): Refusal | undefined;
  /** Where a request goes that no Route and no dialog leads. @param done is called once, now or later. It returns whether it is wanted still. */
  targets(request: SipRequest, from: SipFlow, now: number, done: Located): void;
  /** Of an INVITE that `targets` is about to be asked of; undefined, absent: when all have failed, that is the answer. */
  lastResort?(request: SipRequest, from: SipFlow, now: number): LastResort | undefined;
  /** Where a URI of a Route or of a dialog's end leads; undefined: it is no address that requests from there may go to. */
  flowTo(uri: SipUri, from: SipFlow): SipFlow | undefined;
  /** Whether who answers there may speak for its holder: else the branch ends as if nobody were there. Absent: everybody may. */
  mayAnswer?(response: SipResponse, target: Target): boolean;
  /** Whether a 1xx or 2xx to an INVITE outside of a dialog is of no use to whom it would go to: its branch ends so. Absent: all are. */
  useless?(response: SipResponse, flows: { readonly from: SipFlow; readonly to: SipFlow }): Refusal | undefined;
  /** Each request and response that is passed on may be changed; `from` and `to` are the flows of that message. */
  outgoing<T extends SipMessage>(message: T, flows: { readonly from: SipFlow; readonly to: SipFlow }): T;
}
