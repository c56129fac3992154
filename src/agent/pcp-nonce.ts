import { createHmac } from 'node:crypto';
import type { HostIdentity } from '../identity/host-identity.ts';
import { NONCE_BYTES } from '../portmap/pcp.ts';
import type { Uplink } from '../portmap/port-mapper.ts';

/**
 * After a crash the router refuses another nonce as long as the old mapping lives (RFC 6887 s11.3), so it is derived from the
 * host's key. It travels in clear: in each network it is another one, so that nobody knows the host again by it.
 */
export function pcpNonce(identity: HostIdentity, { gateway, local }: Uplink): Uint8Array {
  const mac = createHmac('sha256', identity.pkcs8).update(`idloc pcp nonce 1\n${gateway}\n${local}`).digest();
  return new Uint8Array(mac.subarray(0, NONCE_BYTES));
}
