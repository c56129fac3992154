import { Address4, Address6, AddressError } from 'ip-address';

export type IpAddress = Address4 | Address6;

/** Parsing takes 2 to 7 us and the same few addresses come with every packet that JavaScript sees: so many are remembered. */
const MAX_REMEMBERED = 4_096;
const ADDRESS_BYTES = { 4: 4, 6: 16 } as const;

/** What was worked out last, bounded: strangers choose the keys. */
class Remembered<V> {
  private readonly values = new Map<string, V>();
  private readonly make: (key: string) => V;

  constructor(make: (key: string) => V) {
    this.make = make;
  }

  get(key: string): V {
    let value = this.values.get(key);
    if (value !== undefined) return value;
    value = this.make(key);
    for (const oldest of this.values.keys()) {
      if (this.values.size < MAX_REMEMBERED) break;
      this.values.delete(oldest);
    }
    this.values.set(key, value);
    return value;
  }
}

/** `bytes` as latin1 text: an array of four bytes takes three hundred once it is looked at. */
const parsed = new Remembered((text: string): { address: IpAddress; bytes: string } => {
  // The library takes prefixes and zones too.
  if (text.includes('/') || text.includes('%')) throw new TypeError(`not an IP address: ${text.slice(0, 64)}`);
  try {
    if (!text.includes(':')) {
      const address = new Address4(text);
      return { address, bytes: String.fromCharCode(...address.toArray()) };
    }
    const address = new Address6(text);
    return { address, bytes: String.fromCharCode(...address.toUnsignedByteArray()) };
  } catch (cause) {
    if (cause instanceof AddressError) throw new TypeError(`not an IP address: ${text.slice(0, 64)}`, { cause });
    throw cause;
  }
});

/** By the bytes as latin1 text. */
const formatted = new Remembered((key: string): string => {
  const bytes = [...Buffer.from(key, 'latin1')];
  if (bytes.length === ADDRESS_BYTES[4]) return Address4.fromByteArray(bytes).correctForm();
  const address = Address6.fromUnsignedByteArray(bytes);
  return address.isMapped4() ? address.to4().correctForm() : address.correctForm();
});

/** @throws {TypeError} when the text is no IP address. */
export function parseIpAddress(text: string): IpAddress {
  return parsed.get(text).address;
}

export function isIpAddress(text: string): boolean {
  try {
    parsed.get(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * 4 or 16 bytes of an IP address in text.
 * @throws {TypeError} when it is none.
 */
export function addressToBytes(address: string): Uint8Array {
  const { bytes } = parsed.get(address);
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes.charCodeAt(i);
  return out;
}

/**
 * Canonical text (RFC 5952) of 4 or 16 bytes; IPv4-mapped addresses come out as IPv4.
 * @throws {TypeError} for another number of bytes.
 */
export function addressFromBytes(bytes: Uint8Array): string {
  if (bytes.length !== ADDRESS_BYTES[4] && bytes.length !== ADDRESS_BYTES[6])
    throw new TypeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  return formatted.get(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'));
}

/** @throws {TypeError} when the text is no IP address. */
export function canonicalAddress(address: string): string {
  return formatted.get(parsed.get(address).bytes);
}
