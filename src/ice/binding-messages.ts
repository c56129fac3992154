import type { SocketAddress } from '../base/socket-address.ts';
import { encodeStun } from '../stun/codec.ts';
import type { StunMessage } from '../stun/message.ts';
import { BINDING_METHOD } from '../stun/message.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { candidatePriority, localPreferenceOf } from './candidates.ts';
import type { Credentials, IceCredentials } from './credentials.ts';
import { keyOf, usernameFor } from './credentials.ts';
import type { IceRole } from './path.ts';

/**
 * A connectivity check (RFC 8445 s7.2.2). PRIORITY is what a peer-reflexive candidate that it reveals would have
 * (s7.1.1). USERNAME, PRIORITY and the tie-breaker make it longer than any answer to it.
 */
export function encodeCheck(check: {
  readonly transactionId: string;
  readonly pair: CandidatePair;
  readonly credentials: Credentials;
  readonly role: IceRole;
  readonly tieBreaker: bigint;
  readonly nominate: boolean;
}): Uint8Array | undefined {
  const { local, remote } = check.credentials;
  if (remote === undefined) return undefined;
  return encodeStun(
    {
      class: 'request',
      method: BINDING_METHOD,
      transactionId: check.transactionId,
      attributes: {
        priority: candidatePriority('prflx', localPreferenceOf(check.pair.local.priority)),
        ...(check.nominate ? { useCandidate: true } : {}),
        ...(check.role === 'controlling' ? { iceControlling: check.tieBreaker } : { iceControlled: check.tieBreaker }),
        username: usernameFor(remote, local),
      },
    },
    { key: keyOf(remote), fingerprint: true },
  );
}

/** RFC 8445 s7.3.1.2. */
export function encodeCheckAnswer(request: StunMessage, remote: SocketAddress, ours: IceCredentials): Uint8Array {
  return encodeStun(
    {
      class: 'success',
      method: BINDING_METHOD,
      transactionId: request.transactionId,
      attributes: { xorMappedAddress: remote },
    },
    { key: keyOf(ours), fingerprint: true },
  );
}
