import type { SocketAddress } from '../base/socket-address.ts';
import { sameSocketAddress } from '../base/socket-address.ts';
import { verifyIntegrity } from '../stun/integrity.ts';
import type { StunMessage } from '../stun/message.ts';
import type { CheckTransaction } from './check-transactions.ts';
import type { Credentials } from './credentials.ts';
import { keyOf, splitUsername } from './credentials.ts';

/**
 * Is a request of this session (RFC 8445 s7.3, RFC 8489 s9.1.3)?
 * @param raw the bytes of `request`, which its integrity covers.
 * @returns the ufrag of who asks; undefined: it is of another session, or not authentic.
 */
export function authenticateRequest(
  request: StunMessage,
  raw: Uint8Array,
  { local, remote }: Credentials,
): string | undefined {
  const { username } = request.attributes;
  if (username === undefined) return undefined;
  const { asked, asker } = splitUsername(username);
  if (asked !== local.ufrag || (remote !== undefined && remote.ufrag !== asker)) return undefined;
  return verifyIntegrity(raw, request, keyOf(local)) ? asker : undefined;
}

/**
 * What an answer to one of our checks proves. `disowned`: whoever is there does not know our credentials, which cannot be
 * proven by them; only from where the check went. `symmetric` (RFC 8445 s7.2.5.2.1): it came from there, to where we sent from.
 */
export function authenticateAnswer(
  answer: StunMessage,
  raw: Uint8Array,
  credentials: Credentials,
  transaction: CheckTransaction,
  from: { readonly local: SocketAddress; readonly remote: SocketAddress },
): { readonly proof: 'authentic' | 'disowned' | 'none'; readonly symmetric: boolean } {
  const { pair } = transaction;
  const symmetric = sameSocketAddress(from.remote, pair.remote.address) && sameSocketAddress(from.local, pair.base);
  const key = credentials.remote;
  if (key === undefined) return { proof: 'none', symmetric };
  if (verifyIntegrity(raw, answer, keyOf(key))) return { proof: 'authentic', symmetric };
  const code = answer.class === 'error' ? answer.attributes.errorCode?.code : undefined;
  return { proof: symmetric && (code === 400 || code === 401) ? 'disowned' : 'none', symmetric };
}
