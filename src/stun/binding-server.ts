import type { SocketAddress } from '../base/socket-address.ts';
import { encodeStun } from './codec.ts';
import { encodeErrorResponse } from './error-response.ts';
import type { StunMessage } from './message.ts';
import { BINDING_METHOD } from './message.ts';

/**
 * Tells someone without credentials the address we see him at (RFC 8489 s12: basic STUN server).
 * @returns undefined: no answer. That is so for what is no such request, and when the answer would be longer than the
 *   request, which then could be aimed at a third party to good effect; askers pad themselves (RFC 5780 s7.6). Of a stream that is
 *   no danger (`isProven`).
 */
export function answerBinding(request: StunMessage, remote: SocketAddress, isProven = false): Uint8Array | undefined {
  if (request.class !== 'request' || request.method !== BINDING_METHOD) return undefined;
  if (request.attributes.username !== undefined || request.attributes.userhash !== undefined) return undefined;
  if ((request.unknownRequired ?? []).length > 0) return encodeErrorResponse(request, 420);
  const answer = encodeStun(
    {
      class: 'success',
      method: BINDING_METHOD,
      transactionId: request.transactionId,
      attributes: { xorMappedAddress: remote },
    },
    { fingerprint: true },
  );
  return !isProven && answer.length > (request.byteLength ?? 0) ? undefined : answer;
}
