import { addressFromBytes, addressToBytes } from '../base/ip-address.ts';

/** RFC 7050 s8.2: it has these addresses of IPv4 and none of IPv6, unless a DNS64 makes them up. */
export const IPV4_ONLY_NAME = 'ipv4only.arpa';
const WELL_KNOWN = ['192.0.0.170', '192.0.0.171'].map(addressToBytes);

/** RFC 6052 s2.2: by the bits of the prefix, which bytes hold the IPv4 address. Byte 8 is 0. */
const POSITIONS: ReadonlyMap<number, readonly number[]> = new Map([
  [96, [12, 13, 14, 15]],
  [64, [9, 10, 11, 12]],
  [56, [7, 9, 10, 11]],
  [48, [6, 7, 9, 10]],
  [40, [5, 6, 7, 9]],
  [32, [4, 5, 6, 7]],
]);
const IPV6_BYTES = 16;

/** What a NAT64 puts in front of IPv4 addresses. */
export interface Nat64Prefix {
  /** With zeros behind the prefix. */
  readonly address: string;
  /** In bits: 32, 40, 48, 56, 64 or 96. */
  readonly length: number;
}

/**
 * The prefixes of the NAT64s of this network (RFC 7050 s3).
 * @param answers IPv6 addresses that the host's resolver gives for `ipv4only.arpa`
 */
export function nat64Prefixes(answers: readonly string[]): Nat64Prefix[] {
  const found = new Map<string, Nat64Prefix>();
  for (const answer of answers) {
    const bytes = addressToBytes(answer);
    if (bytes.length !== IPV6_BYTES) continue;
    const fits = [...POSITIONS].filter(([length, positions]) => {
      const embedded = positions.map((at) => bytes[at]);
      return (
        (length === 96 || bytes[8] === 0) && WELL_KNOWN.some((known) => known.every((byte, i) => byte === embedded[i]))
      );
    });
    // s3: when it is there more than once, nobody can tell which is meant.
    const [only] = fits;
    if (only === undefined || fits.length > 1) continue;
    const [length] = only;
    const address = addressFromBytes(bytes.fill(0, length / 8));
    found.set(`${address}/${length}`, { address, length });
  }
  return [...found.values()];
}

/** The IPv6 address by which a NAT64 leads to an IPv4 one (RFC 6052 s2.3). */
export function synthesize({ address, length }: Nat64Prefix, ipv4: string): string {
  const bytes = addressToBytes(address);
  const embedded = addressToBytes(ipv4);
  POSITIONS.get(length)?.forEach((at, i) => (bytes[at] = embedded[i] ?? 0));
  return addressFromBytes(bytes);
}

/** The IPv4 address that an IPv6 one of this prefix stands for; any other address as it is. */
export function withoutNat64({ address, length }: Nat64Prefix, ipv6: string): string {
  const bytes = addressToBytes(ipv6);
  const positions = POSITIONS.get(length);
  if (bytes.length !== IPV6_BYTES || positions === undefined) return ipv6;
  const prefix = addressToBytes(address).subarray(0, length / 8);
  if (!prefix.every((byte, i) => byte === bytes[i])) return ipv6;
  return addressFromBytes(Uint8Array.from(positions, (at) => bytes[at] ?? 0));
}
