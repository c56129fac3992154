import { hash } from 'node:crypto';
import { concatBytes, fromHex } from '../base/bytes.ts';
import { hostAddress, hostCount, type Ipv4Prefix } from '../base/ipv4-prefix.ts';
import type { Hit } from '../base/node-id.ts';

/** The address that a host asks for at its `attempt`-th try, from 0: the same everywhere and always. */
export function ipv4Choice(prefix: Ipv4Prefix, hit: Hit, attempt: number): string {
  const digest = hash('sha256', concatBytes(fromHex(hit), Buffer.from(`ipv4 ${attempt}`)), 'buffer');
  return hostAddress(prefix, Number(digest.readBigUInt64BE() % BigInt(hostCount(prefix))));
}
