import { isIPv4 } from 'node:net';
import { addressToBytes } from '../base/socket-address.ts';

/** RFC 2544's range for benchmarks: not routed on the Internet, and in nobody's home network. */
export const DEFAULT_IPV4_PREFIX = '198.18.0.0/15';
/** A shorter one would cover much of the Internet; a longer one has no room for members. */
const MIN_LENGTH = 8;
const MAX_LENGTH = 29;

/** `198.18.0.0/15`: canonical, no bits set after the prefix. */
export function isIpv4Prefix(text: string): boolean {
  const [, address = '', lengthText = ''] = /^([0-9.]{7,15})\/([1-9][0-9]?)$/.exec(text) ?? [];
  const length = Number(lengthText);
  if (!isIPv4(address) || length < MIN_LENGTH || length > MAX_LENGTH) return false;
  const value = addressToBytes(address).reduce((sum, byte) => sum * 256 + byte, 0);
  return value % 2 ** (32 - length) === 0;
}
