import { Address4, Address6, AddressError } from 'ip-address';
import { Remembered } from './remembered.ts';

export type IpAddress = Address4 | Address6;

/** Parsing takes 2 to 7 us and the same few addresses come with every packet that JavaScript sees: so many are remembered. */
const MAX_TEXTS = 4_096;
/** The library's objects take 500 bytes each, and are asked for when an address is new. */
const MAX_PARSED = 512;
/** Of RFC 3986's IPv4address and IPv6address. */
const ADDRESS_CHARACTERS = /^[0-9A-Fa-f:.]+$/;
const ADDRESS_BYTES = { 4: 4, 6: 16 } as const;

const parsed = new Remembered(MAX_PARSED, (text: string): IpAddress => {
  // The library takes prefixes and zones too.
  if (text.includes('/') || text.includes('%')) throw new TypeError(`not an IP address: ${text.slice(0, 64)}`);
  try {
    return text.includes(':') ? new Address6(text) : new Address4(text);
  } catch (cause) {
    if (cause instanceof AddressError) throw new TypeError(`not an IP address: ${text.slice(0, 64)}`, { cause });
    throw cause;
  }
});

/** As latin1 text: an array of four bytes takes three hundred once it is looked at. */
const bytesOf = new Remembered(MAX_TEXTS, (text: string): string => {
  const address = parsed.get(text);
  return String.fromCharCode(...(address instanceof Address4 ? address.toArray() : address.toUnsignedByteArray()));
});

/** By the bytes as latin1 text. */
const formatted = new Remembered(MAX_TEXTS, (key: string): string => {
  const bytes = [...Buffer.from(key, 'latin1')];
  if (bytes.length === ADDRESS_BYTES[4]) return Address4.fromByteArray(bytes).correctForm();
  const address = Address6.fromUnsignedByteArray(bytes);
  return address.isMapped4() ? address.to4().correctForm() : address.correctForm();
});

/** @throws {TypeError} when the text is no IP address. */
export function parseIpAddress(text: string): IpAddress {
  return parsed.get(text);
}

export function isIpAddress(text: string): boolean {
  // Names of hosts are asked about, too: an error that is thrown costs ten times what an address does, and is not remembered.
  if (!ADDRESS_CHARACTERS.test(text)) return false;
  try {
    bytesOf.get(text);
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
  const bytes = bytesOf.get(address);
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
  return formatted.get(bytesOf.get(address));
}
