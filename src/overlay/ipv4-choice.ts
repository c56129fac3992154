import { createHash } from 'node:crypto';
import { fromHex } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import { addressFromBytes, addressToBytes } from '../base/socket-address.ts';

/** An IPv4 prefix of an overlay; /8 to /30, so that there are hosts in it and a number holds them. */
export interface Ipv4Prefix {
  /** First address, as a number. */
  readonly base: number;
  readonly length: number;
}

/** @throws {TypeError} when the text is no prefix such as `198.18.0.0/15`. */
export function parseIpv4Prefix(text: string): Ipv4Prefix {
  const [, address, digits] = /^(\d+\.\d+\.\d+\.\d+)\/(\d{1,2})$/.exec(text) ?? [];
  const length = Number(digits);
  if (address === undefined || length < 8 || length > 30)
    throw new TypeError(`not an IPv4 prefix of /8 to /30: ${text}`);
  const base = numberOf(address);
  if (base % 2 ** (32 - length) !== 0) throw new TypeError(`the IPv4 prefix has bits after its length: ${text}`);
  return { base, length };
}

/** Whether a host may have the address: network and broadcast address are left out. */
export function isHostAddress({ base, length }: Ipv4Prefix, ipv4: string): boolean {
  const offset = numberOf(ipv4) - base;
  return offset > 0 && offset < 2 ** (32 - length) - 1;
}

/** The address that a host asks for at its `attempt`-th try, from 0: the same everywhere and always. */
export function ipv4Choice({ base, length }: Ipv4Prefix, hit: Hit, attempt: number): string {
  const digest = createHash('sha256').update(fromHex(hit)).update(`ipv4 ${attempt}`).digest();
  const hosts = 2 ** (32 - length) - 2;
  const offset = 1 + Number(digest.readBigUInt64BE() % BigInt(hosts));
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, base + offset);
  return addressFromBytes(bytes);
}

function numberOf(ipv4: string): number {
  return new DataView(addressToBytes(ipv4).buffer).getUint32(0);
}
