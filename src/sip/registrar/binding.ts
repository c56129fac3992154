import { isIpAddress } from '../../base/ip-address.ts';
import { type SipFlow, tcpFlow, udpFlow } from '../flow.ts';
import type { SipUri } from '../message/uri.ts';
import type { ContactField } from './contact-field.ts';
import { SIP_PORT } from '../transaction/constants.ts';
import { canonicalHost, sameUri } from './same-uri.ts';

/** A phone that is registered (RFC 3261 s10.3, RFC 5626 s6). */
export interface Binding {
  /** Contact URI, as the phone wrote it. */
  readonly contact: string;
  readonly uri: SipUri;
  /** What its REGISTER came by. */
  readonly flow: SipFlow;
  /** False: that connection has ended. */
  readonly isFlowOpen: boolean;
  readonly callId: string;
  readonly cseq: number;
  readonly q: number;
  /** Until then, and when it was registered last, in monotonic milliseconds. */
  readonly expiresAt: number;
  readonly updatedAt: number;
  readonly instance: string | undefined;
  /** Only where RFC 5626 applies: the phone is reached over the flow and not otherwise. */
  readonly regId: number | undefined;
  readonly methods: readonly string[];
  /** Of its temporary GRUUs: another Call-ID ends them (RFC 5627 s3.1.2). */
  readonly gruuKey: Uint8Array;
}

/** Whether a Contact is about this binding: the same flow of the same phone (RFC 5626 s6), or the same URI. */
export function isOf({ instance, regId, uri }: Binding, contact: ContactField, isOutbound: boolean): boolean {
  if (isOutbound && regId !== undefined) return instance === contact.instance && regId === contact.regId;
  return sameUri(uri, contact.uri);
}

/**
 * Where requests for a phone go. Phones write wrong addresses into Contact (that of the Wi-Fi, 127.0.0.1): only an overlay address of this
 * host is believed, and what else there is is reached where its REGISTER came from. A connection that is there is used.
 * @returns undefined when its connection has ended and it says nothing else
 */
export function flowTo(binding: Binding, isOwnAddress: (address: string) => boolean): SipFlow | undefined {
  const { flow, isFlowOpen, regId } = binding;
  const stays = regId !== undefined || flow.transport === 'tcp';
  if (stays && isFlowOpen) return flow;
  const said = regId === undefined ? contactFlow(binding, isOwnAddress) : undefined;
  return said ?? (isFlowOpen ? flow : undefined);
}

function contactFlow({ uri, flow }: Binding, isOwnAddress: (address: string) => boolean): SipFlow | undefined {
  const address = canonicalHost(uri.host);
  const { port } = flow.local;
  const remote = { address, port: uri.port ?? SIP_PORT };
  // The port of the adaptor itself: that would be a loop.
  if (!isIpAddress(address) || !isOwnAddress(address) || remote.port === port || remote.port === 0) return undefined;
  const ends = { local: { address, port }, remote };
  switch (uri.params.get('transport')?.toLowerCase()) {
    case undefined:
    case 'udp':
      return udpFlow(ends);
    case 'tcp':
      return tcpFlow(ends);
    default:
      return undefined;
  }
}
