import { createHash } from 'node:crypto';

/** The overlay field of the forwarding header (RFC 6940 s6.3.2): "the lower 32 bits of the SHA-1 hash of the overlay name". */
export function overlayField(overlayName: string): number {
  return createHash('sha1').update(overlayName).digest().readUInt32BE(16);
}
