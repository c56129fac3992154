import { canonicalAddress, isIpAddress } from './ip-address.ts';

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
  const bracketed = match[1] !== undefined;
  if (port > 65535 || bracketed !== address.includes(':') || !isIpAddress(address)) return undefined;
  return { address: canonicalAddress(address), port };
}

export function sameSocketAddress(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && a.address === b.address;
}
