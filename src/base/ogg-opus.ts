const PAGE_HEADER_BYTES = 27;
const BEGINS_STREAM = 0x02;

/**
 * Whether bytes begin as Opus in Ogg does: the first page (RFC 3533 s6) begins a stream, and its packet is an ID header (RFC 7845 s5.1) of
 * a version that players take. What follows is for the player to check.
 */
export function isOggOpus(bytes: Uint8Array): boolean {
  if (bytes.length < PAGE_HEADER_BYTES || textAt(bytes, 0, 4) !== 'OggS') return false;
  const [version, flags, segments] = [bytes[4], bytes[5] ?? 0, bytes[26] ?? 0];
  if (version !== 0 || (flags & BEGINS_STREAM) === 0) return false;
  const packet = PAGE_HEADER_BYTES + segments;
  const opusVersion = bytes[packet + 8] ?? 0xff;
  return textAt(bytes, packet, 8) === 'OpusHead' && opusVersion !== 0 && opusVersion < 16;
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.subarray(at, at + length)).toString('latin1');
}
