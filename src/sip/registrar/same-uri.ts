import { canonicalAddress, isIpAddress } from '../../base/ip-address.ts';
import type { SipUri } from '../message/uri.ts';

/** RFC 3261 s19.1.4: in one URI alone, these differ; of transport its examples say so. */
const SIGNIFICANT = ['user', 'ttl', 'method', 'maddr', 'transport'];

/** Whether two URIs are the same (RFC 3261 s19.1.4). Headers are compared as they are written. */
export function sameUri(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    a.user === b.user &&
    a.password === b.password &&
    a.port === b.port &&
    a.headers === b.headers &&
    canonicalHost(a.host) === canonicalHost(b.host) &&
    sameParams(a.params, b.params)
  );
}

/** An address in its one spelling. */
export function canonicalHost(host: string): string {
  return isIpAddress(host) ? canonicalAddress(host) : host.toLowerCase();
}

function sameParams(a: SipUri['params'], b: SipUri['params']): boolean {
  for (const name of SIGNIFICANT) if (a.has(name) !== b.has(name)) return false;
  for (const [name, value] of a) if (b.has(name) && b.get(name)?.toLowerCase() !== value.toLowerCase()) return false;
  return true;
}
