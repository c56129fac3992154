import { addressFromBytes, addressToBytes } from './ip-address.ts';
import { fromHex, toHex } from './bytes.ts';
import { Remembered } from './remembered.ts';

/**
 * 128-bit identifiers are lower-case hexadecimal text of 32 digits: usable as keys of maps, and in ring order under `<`.
 * A node's HIT (RFC 7343), its RELOAD Node-ID ("ORCHID mode", RFC 7086 s4) and its IPv6 overlay address are one value.
 */
export type NodeId = string;
export type Hit = NodeId;

/** RELOAD Resource-ID (RFC 6940 s6.3.1): hexadecimal text; 32 digits in CHORD-RELOAD. */
export type ResourceId = string;

const NODE_ID = /^[0-9a-f]{32}$/;
const HIT_ADDRESS = /^2001:2[0-9a-f]:/;

export function isNodeId(text: string): boolean {
  return NODE_ID.test(text);
}

/** Of those that call each other just now. */
const MAX_REMEMBERED = 256;
const addresses = new Remembered(MAX_REMEMBERED, (hit: Hit): string => addressFromBytes(fromHex(hit)));
const hits = new Remembered(MAX_REMEMBERED, (address: string): Hit => {
  const bytes = addressToBytes(address);
  if (bytes.length !== 16) throw new TypeError(`not an IPv6 address: ${address}`);
  return toHex(bytes);
});

/** The HIT as the IPv6 address that people and programs see. */
export function hitToAddress(hit: Hit): string {
  return addresses.get(hit);
}

/** @throws {TypeError} when the text is not an IPv6 address. */
export function addressToHit(address: string): Hit {
  return hits.get(address);
}

/** The same of an address in canonical text: one of the overlay, at which no host is. */
export function isHitAddress(address: string): boolean {
  return HIT_ADDRESS.test(address);
}

/** ORCHIDv2 prefix 2001:20::/28 (RFC 7343 s2). */
export function isHit(text: string): boolean {
  return NODE_ID.test(text) && text.startsWith('2001002');
}
