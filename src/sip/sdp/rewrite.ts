import { canonicalAddress, parseIpAddress } from '../../base/ip-address.ts';
import type { SipMessage } from '../message/message.ts';
import { MAX_ADDRESS_LINES } from './constants.ts';
import { lineAddresses, mayHoldAddress, sdpLines } from './lines.ts';
import { sessionParts } from './session-parts.ts';

/** The host's own addresses in the overlay. */
export interface OwnAddresses {
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
}

/** Of an address in canonical text. */
export type IsOverlayAddress = (address: string) => boolean;

/** What is to stand in the place of an address, given as it is written; undefined: it stays. */
export type Replacement = (address: string) => string | undefined;

/**
 * A session description whose addresses are all of the overlay: each other one of connection data, origin, RTCP and candidates (RFC 8839, the
 * related one too: nobody is told an address of the LAN) becomes the own one of its family, or of the other when there is none of that. No
 * other byte changes. Left are host names, multicast, and 0.0.0.0 and ::, which mean hold (RFC 3264 s8.4).
 * @returns with the addresses that were replaced, in canonical text, each once.
 */
export function rewriteAddresses(
  body: Uint8Array,
  own: OwnAddresses,
  isOverlayAddress: IsOverlayAddress,
): { body: Uint8Array; changed: string[] } {
  return replaceAddresses(body, (address) => ownFor(address, own, isOverlayAddress));
}

/** The same of the session descriptions in a message, wherever they are in its body. Signed and encrypted bodies are left. */
export function rewriteSessions<T extends SipMessage>(
  message: T,
  own: OwnAddresses,
  isOverlayAddress: IsOverlayAddress,
): { message: T; changed: string[] } {
  return replaceInSessions(message, (address) => ownFor(address, own, isOverlayAddress));
}

function replaceAddresses(body: Uint8Array, replacementFor: Replacement): { body: Uint8Array; changed: string[] } {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1');
  const lines = sdpLines(text).filter(mayHoldAddress);
  if (lines.length > MAX_ADDRESS_LINES) return { body, changed: [] };
  const changed = new Set<string>();
  const pieces: string[] = [];
  let copied = 0;
  const replace = (at: number, length: number, by: string): void => {
    pieces.push(text.slice(copied, at), by);
    copied = at + length;
  };
  for (const { address, at, familyAt } of lines.flatMap(lineAddresses)) {
    const replacement = replacementFor(address);
    if (replacement === undefined) continue;
    changed.add(canonicalAddress(address));
    if (familyAt !== undefined) replace(familyAt, 1, replacement.includes(':') ? '6' : '4');
    replace(at, address.length, replacement);
  }
  if (changed.size === 0) return { body, changed: [] };
  pieces.push(text.slice(copied));
  return { body: Buffer.from(pieces.join(''), 'latin1'), changed: [...changed] };
}

/** In all session descriptions of a message. Signed and encrypted bodies are left. @returns with what was replaced, in canonical text */
export function replaceInSessions<T extends SipMessage>(
  message: T,
  replacementFor: Replacement,
): { message: T; changed: string[] } {
  const changed = new Set<string>();
  const pieces: Uint8Array[] = [];
  let copied = 0;
  for (const { start, end } of sessionParts(message)) {
    const session = replaceAddresses(message.body.subarray(start, end), replacementFor);
    for (const address of session.changed) changed.add(address);
    pieces.push(message.body.subarray(copied, start), session.body);
    copied = end;
  }
  if (changed.size === 0) return { message, changed: [] };
  pieces.push(message.body.subarray(copied));
  return { message: { ...message, body: Buffer.concat(pieces) }, changed: [...changed] };
}

function ownFor(address: string, own: OwnAddresses, isOverlayAddress: IsOverlayAddress): string | undefined {
  const canonical = canonicalAddress(address);
  if (canonical === '0.0.0.0' || canonical === '::' || isOverlayAddress(canonical)) return undefined;
  if (parseIpAddress(address).isMulticast()) return undefined;
  return address.includes(':') ? (own.ipv6 ?? own.ipv4) : (own.ipv4 ?? own.ipv6);
}
