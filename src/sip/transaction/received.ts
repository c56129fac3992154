import { canonicalAddress, isIpAddress } from '../../base/ip-address.ts';
import { type SipFlow, udpFlow } from '../flow.ts';
import { withFirstValue } from '../message/headers.ts';
import type { SipRequest } from '../message/message.ts';
import { formatVia, type SipVia } from '../message/via.ts';
import { SIP_PORT } from './constants.ts';

/**
 * The request with the source that its top Via did not know, or asked for (RFC 3261 s18.2.1, RFC 3581 s4). What the Via said
 * of it itself is overwritten.
 */
export function withSource(request: SipRequest, via: SipVia, { remote }: SipFlow): SipRequest {
  const params = new Map(via.params);
  const asksForPort = params.has('rport');
  params.delete('received');
  if (asksForPort || !isHost(via.host, remote.address)) params.set('received', remote.address);
  if (asksForPort) params.set('rport', String(remote.port));
  return withFirstValue(request, 'via', formatVia({ ...via, params }));
}

/**
 * Where responses go: on a stream by the same connection; else to where the request came from, at the port that the client
 * names, or its own with `rport` (RFC 3261 s18.2.2, RFC 3581 s4). `maddr` is not followed: it would send our answers to third parties.
 */
export function replyFlow(via: SipVia, flow: SipFlow): SipFlow {
  const port = via.port ?? SIP_PORT;
  if (flow.transport !== 'udp' || via.params.has('rport') || port === flow.remote.port || port === 0) return flow;
  return udpFlow({ local: flow.local, remote: { address: flow.remote.address, port } });
}

function isHost(host: string, address: string): boolean {
  return isIpAddress(host) && canonicalAddress(host) === address;
}
