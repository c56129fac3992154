import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { REFLEXIVE_WORD_MS } from './constants.ts';
import { isGloballyReachable } from './reachability.ts';
import type { Forwarded, Reflexive } from './sightings.ts';

/** Whether others can come to us unasked, and how that is known, for a person. */
export interface Standing {
  readonly type: 'open' | 'closed' | 'unknown';
  readonly why: string;
}

export interface Sightings {
  readonly hosts: readonly SocketAddress[];
  readonly reflexive: readonly Reflexive[];
  readonly forwarded: Forwarded | undefined;
  /** Addresses that the configuration names. */
  readonly advertised: readonly string[];
}

/**
 * - open: a router sends on what comes to a port of its own; or others see us at the address that the configuration names;
 *   or all who told lately see us at a global address of an interface of ours. A global IPv6 address says nothing while a NAT
 *   is seen in front of the IPv4 ones: home routers let nothing in by either.
 * - closed: no such address, and two servers on the Internet see us elsewhere; one is enough when all our addresses are private.
 */
export function standingOf({ hosts, reflexive, forwarded, advertised }: Sightings, now: number): Standing {
  if (forwarded !== undefined && isGloballyReachable(forwarded.external.address))
    return { type: 'open', why: `the router forwards ${formatSocketAddress(forwarded.external)} to this host` };
  const words = reflexive.filter(({ seenAt }) => seenAt + REFLEXIVE_WORD_MS >= now);
  const named = words.find(({ mapped }) => advertised.includes(mapped.address));
  if (named !== undefined)
    return { type: 'open', why: `others see this host at ${named.mapped.address}, as the configuration says` };
  const agreed = hosts.filter((host) => isGloballyReachable(host.address) && isAgreedOn(host, words));
  const elsewhere = words.filter(({ server, base, mapped }) => {
    return isGloballyReachable(server.address) && !sameSocketAddress(base, mapped);
  });
  const translated = elsewhere.some(({ base }) => isIpv4(base));
  const own = agreed.find((host) => isIpv4(host) || !translated);
  if (own !== undefined) return { type: 'open', why: `others see this host at its own address ${own.address}` };
  const [first] = elsewhere;
  const servers = new Set(elsewhere.map(({ server }) => server.address));
  const needed = hosts.some(({ address }) => isGloballyReachable(address)) ? 2 : 1;
  if (first === undefined || agreed.length > 0 || servers.size < needed)
    return { type: 'unknown', why: 'too few have told how they see this host' };
  return { type: 'closed', why: `a NAT is in front of this host: others see it at ${first.mapped.address}` };
}

function isAgreedOn(host: SocketAddress, words: readonly Reflexive[]): boolean {
  const told = words.filter(({ base }) => sameSocketAddress(base, host));
  return told.length > 0 && told.every(({ mapped }) => sameSocketAddress(mapped, host));
}

function isIpv4({ address }: SocketAddress): boolean {
  return !address.includes(':');
}
