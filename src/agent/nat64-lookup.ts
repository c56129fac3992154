import { Resolver } from 'node:dns/promises';
import { IPV4_ONLY_NAME, nat64Prefixes, type Nat64Prefix } from '../mobility/nat64.ts';

/** Whoever has no resolver is not kept waiting. */
const LOOKUP_TIMEOUT_MS = 1_500;
const MAX_ANSWERS = 16;

/** The NAT64s of this network, as the resolver of the host tells (RFC 7050 s3). None where there is no answer. */
export async function lookUpNat64(): Promise<Nat64Prefix[]> {
  const resolver = new Resolver({ timeout: LOOKUP_TIMEOUT_MS, tries: 1 });
  try {
    return nat64Prefixes((await resolver.resolve6(IPV4_ONLY_NAME)).slice(0, MAX_ANSWERS));
  } catch {
    // RFC 7050 s3: no answer, or an empty one: no NAT64 that anybody could find.
    return [];
  }
}

/** The NAT64 that leads to IPv4 hosts, where there is no other way to them; undefined: there is one, or no NAT64. */
export async function nat64Needed(locators: () => readonly string[]): Promise<Nat64Prefix | undefined> {
  const own = locators();
  if (own.length === 0 || own.some((address) => !address.includes(':'))) return undefined;
  const [prefix] = await lookUpNat64();
  return prefix;
}
