import { parseIpv4Prefix } from '../../../src/base/ipv4-prefix.ts';
import { hitToAddress } from '../../../src/base/node-id.ts';
import { type SipFlow, udpFlow } from '../../../src/sip/flow.ts';
import { parseSip } from '../../../src/sip/message/codec.ts';
import type { SipRequest } from '../../../src/sip/message/message.ts';
import { OverlayNames } from '../../../src/sip/names.ts';
import { Parties } from '../../../src/sip/parties.ts';

export const BOBS_HIT = '20010022'.padEnd(31, '0') + '2';
export const ALICES_HIT = '20010022'.padEnd(31, '0') + '1';
export const CAROLS_HIT = '20010022'.padEnd(31, '0') + '3';
export const BOBS = hitToAddress(BOBS_HIT);
export const ALICES = hitToAddress(ALICES_HIT);
/** A member without a name. */
export const CAROLS = hitToAddress(CAROLS_HIT);
export const names = new OverlayNames('home.example');

/** At bob's host: alice is a member, and so is carol, who has no name. */
export function parties(): Parties {
  const members = new Map([
    [ALICES, { hit: ALICES_HIT, user: 'alice@home.example' }],
    ['198.18.0.1', { hit: ALICES_HIT, user: 'alice@home.example' }],
    [CAROLS, { hit: CAROLS_HIT, user: null }],
  ]);
  return new Parties({
    self: BOBS_HIT,
    own: { ipv6: BOBS, ipv4: '198.18.0.2' },
    prefix: parseIpv4Prefix('198.18.0.0/15'),
    memberAt: (_, address) => members.get(address),
  });
}

/** A datagram to bob's adaptor. */
export function from(address: string, port = 5060): SipFlow {
  const local = { address: address.includes(':') ? BOBS : '198.18.0.2', port: 5062 };
  return udpFlow({ local, remote: { address, port } });
}

export function request(uri: string, headers: readonly string[] = [], method = 'INVITE'): SipRequest {
  const fixed = ['To: <sip:bob@home.example>', 'Call-ID: a', `CSeq: 1 ${method}`, 'Via: SIP/2.0/UDP x;branch=z9hG4bK1'];
  const text = [`${method} ${uri} SIP/2.0`, ...fixed, ...headers, 'Content-Length: 0', '', ''].join('\r\n');
  const message = parseSip(new TextEncoder().encode(text));
  if (message.type !== 'request') throw new TypeError('a request');
  return message;
}
