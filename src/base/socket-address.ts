import { isIPv4, isIPv6 } from 'node:net';
import { ByteReader } from './bytes.ts';

/** An IP address in canonical text (IPv4-mapped IPv6 is written as IPv4) and a port. */
export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** `192.0.2.1:6084` or `[2001:db8::1]:6084`; also the key for maps. */
export function formatSocketAddress({ address, port }: SocketAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** @returns undefined when the text is not an address with a port. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const address = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  if (port > 65535 || (match[1] === undefined ? !isIPv4(address) : !isIPv6(address))) return undefined;
  return { address: canonicalAddress(address), port };
}

export function sameSocketAddress(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && a.address === b.address;
}

/**
 * 4 or 16 bytes of an IP address in text.
 * @throws {TypeError} when it is none.
 */
export function addressToBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number);
  if (!isIPv6(address) || address.includes('%')) throw new TypeError(`not an IP address: ${address}`);
  let text = address;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted !== null) {
    const [, head = '', a, b, c, d] = dotted;
    text = `${head}${(Number(a) * 256 + Number(b)).toString(16)}:${(Number(c) * 256 + Number(d)).toString(16)}`;
  }
  const [left = '', right] = text.split('::');
  const leftGroups = left === '' ? [] : left.split(':');
  const rightGroups = right === undefined || right === '' ? [] : right.split(':');
  const groups = [
    ...leftGroups,
    ...new Array<string>(8 - leftGroups.length - rightGroups.length).fill('0'),
    ...rightGroups,
  ];
  const out = new Uint8Array(16);
  groups.forEach((group, i) => {
    const value = parseInt(group, 16);
    out[2 * i] = value >> 8;
    out[2 * i + 1] = value & 0xff;
  });
  return out;
}

/** Canonical text (RFC 5952) of 4 or 16 bytes; IPv4-mapped addresses come out as IPv4. */
export function addressFromBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new TypeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  if (bytes.subarray(0, 10).every((b) => b === 0) && bytes[10] === 0xff && bytes[11] === 0xff)
    return bytes.subarray(12).join('.');
  const reader = new ByteReader(bytes);
  const groups = Array.from({ length: 8 }, () => reader.u16());
  // RFC 5952 s4.2.3: the longest run of two or more zero groups is shortened, the first one of equals.
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = groups.map((group) => group.toString(16));
  if (best.start < 0) return text.join(':');
  return `${text.slice(0, best.start).join(':')}::${text.slice(best.start + best.length).join(':')}`;
}

export function canonicalAddress(address: string): string {
  return addressFromBytes(addressToBytes(address));
}
