import { readdirSync, readFileSync } from 'node:fs';
import { parseSip } from '../../../src/sip/message/codec.ts';
import type { SipMessage, SipRequest, SipResponse } from '../../../src/sip/message/message.ts';

const FOLDER = new URL('../../vectors/sip/', import.meta.url);

export function vectorNames(rfc: 'rfc4475' | 'rfc5118'): string[] {
  return readdirSync(new URL(rfc, FOLDER)).map((file) => file.replace(/\.dat$/, ''));
}

/** The bytes of a torture message of RFC 4475 or 5118. */
export function vector(name: string): Uint8Array {
  const rfc = vectorNames('rfc4475').includes(name) ? 'rfc4475' : 'rfc5118';
  return readFileSync(new URL(`${rfc}/${name}.dat`, FOLDER));
}

export const PHONES = ['baresip', 'linphonec', 'linphonec-ipv6', 'sipp'] as const;

/** The INVITE of a phone. */
export function phoneInvite(name: (typeof PHONES)[number]): Uint8Array {
  return readFileSync(new URL(`phones/${name}.dat`, FOLDER));
}

export function requestOf(message: SipMessage): SipRequest {
  if (message.type !== 'request') throw new Error('a response');
  return message;
}

export function responseOf(message: SipMessage): SipResponse {
  if (message.type !== 'response') throw new Error('a request');
  return message;
}

/** A message of these lines, and a body. */
export function written(lines: readonly string[], body = ''): SipMessage {
  return parseSip(Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1'));
}
