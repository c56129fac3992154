import type { SipFlow } from '../flow.ts';
import { firstHeader, prependHeader, withHeader } from '../message/headers.ts';
import type { SipRequest } from '../message/message.ts';
import { MAX_FORWARDS } from '../transaction/constants.ts';
import { UNRECORDED_METHODS } from './constants.ts';
import type { ProxyPorts, Target } from './ports.ts';
import { postprocessRoute, recordRoutes } from './routing.ts';

/** How often the request may be forwarded yet, from here on (RFC 3261 s16.6 step 3). */
export function hopsLeft(request: SipRequest): number {
  const text = firstHeader(request, 'max-forwards');
  return text === undefined ? MAX_FORWARDS + 1 : Number(text);
}

/** The copy of a request that one target gets, but for our Via (RFC 3261 s16.6 steps 1 to 6). */
export function copyFor(
  request: SipRequest,
  target: Target,
  from: SipFlow,
  ports: Pick<ProxyPorts, 'ownAddress' | 'outgoing'>,
): SipRequest {
  const addressed = { ...request, uri: target.uri };
  let copy = withHeader(target.rewrite?.(addressed) ?? addressed, 'Max-Forwards', String(hopsLeft(request) - 1));
  if (!UNRECORDED_METHODS.has(request.method))
    for (const value of recordRoutes(from, target.flow, ports.ownAddress).reverse())
      copy = prependHeader(copy, 'Record-Route', value);
  return ports.outgoing(postprocessRoute(copy, target.route ?? []), { from, to: target.flow });
}
