import { Address4, AddressError } from 'ip-address';
import { parseIpAddress } from './ip-address.ts';

/** RFC 2544's range for benchmarks: not routed on the Internet, and in nobody's home network. */
export const DEFAULT_IPV4_PREFIX = '198.18.0.0/15';
/** A shorter one would cover much of the Internet; in a longer one no two hosts find room. */
const MIN_LENGTH = 8;
const MAX_LENGTH = 30;

/** The IPv4 addresses of an overlay. */
export interface Ipv4Prefix {
  /** First address, as a number. */
  readonly base: number;
  readonly length: number;
}

/**
 * @param text canonical, no bits set after the prefix: `198.18.0.0/15`
 * @throws {TypeError} when it is none, or of no usable length.
 */
export function parseIpv4Prefix(text: string): Ipv4Prefix {
  const address = parse(text);
  const length = address?.subnetMask ?? 0;
  if (address === undefined || length < MIN_LENGTH || length > MAX_LENGTH)
    throw new TypeError(`not an IPv4 prefix of /${MIN_LENGTH} to /${MAX_LENGTH}: ${text}`);
  if (address.networkForm() !== text) throw new TypeError(`not canonical, or with bits after the prefix: ${text}`);
  return { base: Number(address.bigInt()), length };
}

export function isIpv4Prefix(text: string): boolean {
  try {
    parseIpv4Prefix(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether the text is an IPv4 address within the prefix, its first and last one too. */
export function isInPrefix(prefix: Ipv4Prefix, ipv4: string): boolean {
  const offset = offsetIn(prefix, ipv4);
  return offset >= 0 && offset < sizeOf(prefix);
}

/** Whether a host may have the address: network and broadcast address are left out. */
export function isHostAddress(prefix: Ipv4Prefix, ipv4: string): boolean {
  const offset = offsetIn(prefix, ipv4);
  return offset > 0 && offset < sizeOf(prefix) - 1;
}

/** How many hosts the prefix has addresses for. */
export function hostCount(prefix: Ipv4Prefix): number {
  return sizeOf(prefix) - 2;
}

/** @param index from 0 to below `hostCount` */
export function hostAddress({ base }: Ipv4Prefix, index: number): string {
  return Address4.fromInteger(base + 1 + index).correctForm();
}

function parse(text: string): Address4 | undefined {
  try {
    return new Address4(text);
  } catch (error) {
    if (error instanceof AddressError) return undefined;
    throw error;
  }
}

function sizeOf({ length }: Ipv4Prefix): number {
  return 2 ** (32 - length);
}

/** NaN: no IPv4 address. */
function offsetIn({ base }: Ipv4Prefix, ipv4: string): number {
  if (ipv4.includes(':')) return NaN;
  try {
    return Number(parseIpAddress(ipv4).bigInt()) - base;
  } catch {
    return NaN;
  }
}
