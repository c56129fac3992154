import type { SipFlow } from '../flow.ts';
import { canonicalName, headerValues } from '../message/headers.ts';
import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import { formatHostPort, formatUri, parseUri, type SipUri } from '../message/uri.ts';
import { tagOf } from '../transaction/responses.ts';
import type { ProxyPorts } from './ports.ts';

/**
 * What a request says of its way, once it is here (RFC 3261 s16.4): a strict router's Request-URI is put back, a `maddr` that is
 * ours goes, and so do all values of ours that Route begins with: two where we recorded two (RFC 5658 s5).
 */
export function preprocessRoute(request: SipRequest, isOwn: ProxyPorts['isOwn']): SipRequest {
  let routed = request;
  let routes = headerValues(request, 'route');
  const uri = parseUri(request.uri);
  const last = uriOf(routes.at(-1));
  if (uri?.params.has('lr') === true && last !== undefined && isOwn(uri)) {
    routes = routes.slice(0, -1);
    routed = { ...request, uri: last };
  } else if (uri?.params.has('maddr') === true && isOwn({ ...uri, host: uri.params.get('maddr') ?? '' })) {
    const params = new Map([...uri.params].filter(([name]) => name !== 'maddr' && name !== 'transport'));
    routed = { ...request, uri: formatUri({ ...uri, port: undefined, params }) };
  }
  const foreign = routes.findIndex((route) => {
    const parsed = parseUri(uriOf(route) ?? '');
    return parsed === undefined || !isOwn(parsed);
  });
  return withRoutes(routed, foreign === -1 ? [] : routes.slice(foreign));
}

/** `pushed` before what is in Route; for a strict router, its URI becomes the Request-URI, and that the last of Route (s16.6 step 6). */
export function postprocessRoute(request: SipRequest, pushed: readonly string[]): SipRequest {
  const routes = [...pushed.map((uri) => `<${uri}>`), ...headerValues(request, 'route')];
  const first = uriOf(routes[0]);
  const router = first === undefined ? undefined : parseUri(first);
  if (first === undefined || router === undefined || router.params.has('lr'))
    return pushed.length === 0 ? request : withRoutes(request, routes);
  return withRoutes({ ...request, uri: first }, [...routes.slice(1), `<${request.uri}>`]);
}

/**
 * Where a preprocessed request itself says that it goes next: by Route, or within a dialog by its Request-URI (s16.6 step 7, s16.12).
 * @returns `uri` undefined: it says nothing, or nothing that can be read
 */
export function nextHop(request: SipRequest): { readonly isRouted: boolean; readonly uri: SipUri | undefined } {
  const routes = headerValues(request, 'route');
  if (routes.length > 0) return { isRouted: true, uri: parseUri(uriOf(routes[0]) ?? '') };
  return { isRouted: false, uri: tagOf(request, 'to') === '' ? undefined : parseUri(request.uri) };
}

/** What Record-Route is given: the side that the request leaves by above the one it came by, or one value where they are the same (RFC 5658 s4). */
export function recordRoutes(from: SipFlow, to: SipFlow, ownAddress: ProxyPorts['ownAddress']): string[] {
  const [incoming, outgoing] = [from, to].map((flow) => {
    const { address, port } = ownAddress(flow);
    const transport = flow.transport === 'udp' ? '' : `;transport=${flow.transport}`;
    return `<sip:${formatHostPort(address, port)}${transport};lr>`;
  });
  if (incoming === undefined || outgoing === undefined) return [];
  return incoming === outgoing ? [incoming] : [outgoing, incoming];
}

/** With these values of Route alone, each in a row, where the first row was. */
function withRoutes(request: SipRequest, routes: readonly string[]): SipRequest {
  const isRoute = ({ name }: { readonly name: string }): boolean => canonicalName(name) === 'route';
  const at = request.headers.findIndex(isRoute);
  const others = request.headers.filter((header) => !isRoute(header));
  const rows = routes.map((value) => ({ name: 'Route', value }));
  others.splice(at === -1 ? 0 : at, 0, ...rows);
  return { ...request, headers: others };
}

function uriOf(value: string | undefined): string | undefined {
  return value === undefined ? undefined : parseNameAddr(value)?.uri;
}
