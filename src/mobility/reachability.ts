import { addressToBytes } from '../base/socket-address.ts';

/** Not private (RFC 1918, RFC 4193), shared (RFC 6598), link-local or loopback: the same host from everywhere. */
export function isGloballyReachable(address: string): boolean {
  const bytes = addressToBytes(address);
  const [a = 0, b = 0] = bytes;
  if (bytes.length === 16) {
    const loopback = bytes.subarray(0, 15).every((byte) => byte === 0);
    return !loopback && (a & 0xfe) !== 0xfc && !(a === 0xfe && (b & 0xc0) === 0x80);
  }
  if (a === 10 || a === 127 || a === 0) return false;
  if (a === 100 && b >= 64 && b < 128) return false;
  if (a === 169 && b === 254) return false;
  return !(a === 172 && b >= 16 && b < 32) && !(a === 192 && b === 168);
}
