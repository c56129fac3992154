import { Resolver as DnsResolver, lookup } from 'node:dns/promises';
import { canonicalAddress } from '../base/ip-address.ts';
import type { Resolver } from '../sip/trunk/server-location.ts';

/** A caller waits for it. */
const TIMEOUT_MS = 1_500;
const TRIES = 2;
const LOOKUP_TIMEOUT_MS = 3_000;

/** RFC 3263 by the system's resolver. No method rejects: what is not there and what is not answered is the same to a caller. */
export function sipResolver(): Resolver {
  const dns = new DnsResolver({ timeout: TIMEOUT_MS, tries: TRIES });
  return {
    naptr: (name) => orNone(dns.resolveNaptr(name)),
    srv: (name) => orNone(dns.resolveSrv(name)),
    addresses: async (name) => {
      const found = await orNone(Promise.race([lookup(name, { all: true }), late()]));
      return found.map(({ address }) => canonicalAddress(address));
    },
  };
}

async function orNone<T>(records: Promise<T[]>): Promise<T[]> {
  try {
    return await records;
  } catch {
    return [];
  }
}

function late(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error('no answer in time')), LOOKUP_TIMEOUT_MS).unref();
  });
}
