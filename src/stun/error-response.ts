import { encodeStun } from './codec.ts';
import { ERROR_REASONS } from './constants.ts';
import type { StunMessage } from './message.ts';

/**
 * An error response (RFC 8489 s6.3.1). A 420 lists what the request had that means nothing here.
 * @param key adds MESSAGE-INTEGRITY; only for requests that passed `verifyIntegrity` under it.
 * @returns undefined when it would be longer than the request: nobody gets more than he brought, so that a forged
 *   source address gains nothing.
 */
export function encodeErrorResponse(request: StunMessage, code: number, key?: Uint8Array): Uint8Array | undefined {
  const encoded = encodeStun(
    {
      class: 'error',
      method: request.method,
      transactionId: request.transactionId,
      attributes: {
        errorCode: { code, reason: ERROR_REASONS[code] ?? '' },
        ...(code === 420 ? { unknownAttributes: request.unknownRequired ?? [] } : {}),
      },
    },
    { fingerprint: true, ...(key === undefined ? {} : { key }) },
  );
  return encoded.length > (request.byteLength ?? 0) ? undefined : encoded;
}
