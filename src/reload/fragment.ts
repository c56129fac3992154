import {
  FRAGMENT_HIGH_BIT,
  FRAGMENT_LAST_BIT,
  FRAGMENT_OFFSET_MASK,
  FRAGMENT_PMTU_RESERVE_BYTES,
  MIN_FRAGMENT_BODY_BYTES,
} from './constants.ts';
import { decodeForwardingHeader, fragmentOffset, isLastFragment, rewriteHeader } from './forwarding-header.ts';

/**
 * Breaks a message, or a fragment of one, into fragments of equal size (RFC 6940 s6.7).
 *
 * @param maxSize bytes of a message that one datagram of the next overlay link carries. A message that fits comes back
 *   whole; fragments stay 32 bytes below, so that the Via List can grow.
 * @returns the input alone where no fragment could hold 256 bytes of the body: "RELOAD fragmentation is not performed,
 *   and IP-layer fragmentation is allowed to occur".
 * @throws {MalformedMessageError} when the forwarding header is malformed.
 * @throws {RangeError} when the body goes beyond the 24 bits of a fragment offset.
 */
export function fragmentMessage(bytes: Uint8Array, maxSize: number): readonly Uint8Array[] {
  if (bytes.length <= maxSize) return [bytes];
  const header = decodeForwardingHeader(bytes);
  const head = bytes.subarray(0, header.headerLength);
  const body = bytes.subarray(header.headerLength);
  const room = maxSize - FRAGMENT_PMTU_RESERVE_BYTES - head.length;
  if (room < MIN_FRAGMENT_BODY_BYTES || body.length <= MIN_FRAGMENT_BODY_BYTES) return [bytes];
  const first = fragmentOffset(header);
  if (first + body.length > FRAGMENT_OFFSET_MASK) throw new RangeError(`${body.length} bytes are too many to fragment`);
  const size = Math.max(MIN_FRAGMENT_BODY_BYTES, Math.ceil(body.length / Math.ceil(body.length / room)));
  const fragments: Uint8Array[] = [];
  for (let start = 0; start < body.length; start += size) {
    const end = Math.min(start + size, body.length);
    const piece = new Uint8Array(head.length + end - start);
    piece.set(head);
    piece.set(body.subarray(start, end), head.length);
    const last = end === body.length && isLastFragment(header);
    const fragment = (FRAGMENT_HIGH_BIT + (last ? FRAGMENT_LAST_BIT : 0) + first + start) >>> 0;
    fragments.push(rewriteHeader(piece, { fragment }));
  }
  return fragments;
}
