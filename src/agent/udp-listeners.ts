import { readFileSync } from 'node:fs';
import { addressToBytes } from '../base/ip-address.ts';

/** Of proc(5), `net/udp` and `net/udp6`: a line for each socket of this network namespace. */
const TABLES = { 4: '/proc/net/udp', 6: '/proc/net/udp6' } as const;
/** A machine with more sockets is none that phones run on. */
const MAX_BYTES = 1 << 20;

/**
 * Which of `addresses` a program listens at, at a UDP port: at one of them, or at all addresses of its family.
 * @param tables texts as of `net/udp` and `net/udp6`
 */
export function udpListener(
  tables: { readonly 4: string; readonly 6: string },
  addresses: { readonly ipv6: string; readonly ipv4: string | undefined },
  port: number,
): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const locals = (text: string): string[] =>
    text.split('\n').flatMap((line) => {
      const [, local = ''] = line.trim().split(/\s+/);
      return local.endsWith(suffix) ? [local.slice(0, -suffix.length)] : [];
    });
  const at = (text: string, address: string): boolean =>
    locals(text).some((local) => /^0+$/.test(local) || local === kernelHex(address));
  if (addresses.ipv4 !== undefined && at(tables[4], addresses.ipv4)) return addresses.ipv4;
  return at(tables[6], addresses.ipv6) ? addresses.ipv6 : undefined;
}

/** As this network namespace has them now. Where the kernel has no IPv6 there is no table of it. */
export function readUdpTables(): { readonly 4: string; readonly 6: string } {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'latin1').slice(0, MAX_BYTES);
    } catch {
      return '';
    }
  };
  return { 4: read(TABLES[4]), 6: read(TABLES[6]) };
}

/** The kernel prints words of four bytes as numbers of its own byte order: little-endian on all that we run on. */
function kernelHex(address: string): string {
  const bytes = addressToBytes(address);
  return Array.from({ length: bytes.length / 4 }, (_, word) =>
    Buffer.from(bytes.subarray(4 * word, 4 * word + 4).toReversed()).toString('hex'),
  )
    .join('')
    .toUpperCase();
}
