import { parse } from 'sdp-transform';
import { isIpAddress } from '../../base/ip-address.ts';
import { MAX_LINE_CHARACTERS } from './constants.ts';

/** An address where it stands in a session description, with where its family is said, if it is. */
export interface SdpAddress {
  readonly address: string;
  readonly at: number;
  /** Where the digit of `IP4` or `IP6` stands. */
  readonly familyAt?: number | undefined;
}

/** One line without its end. */
export interface SdpLine {
  readonly at: number;
  readonly text: string;
}

/** RFC 8866 s5; lines may end with CR, LF or both. */
export function sdpLines(text: string): SdpLine[] {
  return [...text.matchAll(/[^\r\n]+/g)].map((match) => ({ at: match.index, text: match[0] }));
}

/** Connection data, origin, RTCP and candidates. */
export function mayHoldAddress({ text }: SdpLine): boolean {
  return text.length <= MAX_LINE_CHARACTERS && /^(?:[co]=|a=(?:rtcp|candidate):)/.test(text);
}

/**
 * The addresses of such a line as `sdp-transform` reads it: it sees no other line, since some of its expressions take quadratic time. Host
 * names are none.
 */
export function lineAddresses({ at, text }: SdpLine): SdpAddress[] {
  // Of the session as of a medium: a line alone is of the session.
  const { connection, origin, rtcp, candidates } = parse(`${text}\r\n`) as ParsedLine;
  const found: (string | number | undefined)[] = [connection?.ip, origin?.address, rtcp?.address];
  for (const candidate of candidates ?? []) found.push(candidate.ip, candidate.raddr);
  const addresses: SdpAddress[] = [];
  let from = 0;
  for (const value of found) {
    // A multicast address has its TTL behind it.
    const address = String(value ?? '').replace(/\/.*$/, '');
    // All of them are words; those of a candidate come in this order.
    const index = address === '' ? -1 : text.indexOf(` ${address}`, from);
    if (index === -1) continue;
    from = index + 1 + address.length;
    if (!isIpAddress(address)) continue;
    const family = text.startsWith('a=candidate:') ? -1 : text.lastIndexOf('IP', index);
    addresses.push({ address, at: at + index + 1, familyAt: family === -1 ? undefined : at + family + 2 });
  }
  return addresses;
}

/** What of `sdp-transform`'s result is read here: what looks like a whole number comes as one. */
interface ParsedLine {
  readonly connection?: { readonly ip?: string | number };
  readonly origin?: { readonly address?: string | number };
  readonly rtcp?: { readonly address?: string | number };
  readonly candidates?: readonly { readonly ip?: string | number; readonly raddr?: string | number }[];
}
