import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { LAN_SIDE, OUTSIDE_SIDE, OVERLAY_SIDE } from '../sip/media/sides.ts';
import type { OwnAddresses } from '../sip/parties.ts';

// Implementation constants: of Debian's rtpengine 10.5.

/** RTP of relayed calls: below those that the kernel gives away by itself (32768 to 60999). */
const PORTS = { min: 30_000, max: 31_999 };
/** Without media a call is over; held ones have none; an INVITE rings no longer than three minutes (timer C of RFC 3261). */
const TIMEOUTS_S = { media: 60, silent: 3_600, offer: 240, call: 43_200 };
/** A family's phones. Each takes four ports. */
const MAX_CALLS = 128;

/** This host's addresses outside of the overlay; absent: no media cross there. */
export interface RtpengineOutside {
  readonly lan?: string | undefined;
  /** That leads to the provider of a gateway, and what is told of it, if that is another one. */
  readonly trunk?: { readonly address: string; readonly told: string | undefined } | undefined;
}

/** What rtpengine is to know of this host: its addresses on both sides, no kernel module, and no one to command it but us. */
export function rtpengineConfiguration(
  own: OwnAddresses,
  { lan, trunk }: RtpengineOutside,
  listen: SocketAddress,
): string {
  const interfaces = [
    ...(lan === undefined ? [] : [`${LAN_SIDE}/${lan}`]),
    ...(trunk === undefined
      ? []
      : [`${OUTSIDE_SIDE}/${trunk.address}${trunk.told === undefined ? '' : `!${trunk.told}`}`]),
    `${OVERLAY_SIDE}/${own.ipv6}`,
    ...(own.ipv4 === undefined ? [] : [`${OVERLAY_SIDE}/${own.ipv4}`]),
  ];
  return `# Written by idloc.
[rtpengine]
table = -1
interface = ${interfaces.join(';')}
listen-ng = ${formatSocketAddress(listen)}
port-min = ${PORTS.min}
port-max = ${PORTS.max}
timeout = ${TIMEOUTS_S.media}
silent-timeout = ${TIMEOUTS_S.silent}
offer-timeout = ${TIMEOUTS_S.offer}
final-timeout = ${TIMEOUTS_S.call}
max-sessions = ${MAX_CALLS}
num-threads = 2
log-level = 5
`;
}

/** For idloc-media.service, which runs rtpengine by it. @throws when it cannot be written. */
export function writeRtpengineConfiguration(directory: string, text: string): void {
  const path = join(directory, 'rtpengine.conf');
  const prepared = `${path}.new`;
  writeFileSync(prepared, text);
  // rtpengine is another user.
  chmodSync(prepared, 0o644);
  renameSync(prepared, path);
}
