/** A first page as RFC 3533 s6 and RFC 7845 s5.1 have it, and behind it bytes that no player takes: storage does not look there. */
export function oggOfBytes(length: number, seed = 1): Uint8Array {
  const head = Buffer.concat([
    Buffer.from('OggS'),
    Buffer.from([0, 2]),
    Buffer.alloc(20),
    Buffer.from([1, 19]),
    Buffer.from('OpusHead'),
    Buffer.from([1, 1, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0]),
  ]);
  const body = Uint8Array.from(
    { length: Math.max(0, length - head.length) },
    (_, i) => (i * 31 + (i >> 8) + seed) & 0xff,
  );
  return new Uint8Array(Buffer.concat([head, body]));
}
