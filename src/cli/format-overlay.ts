import type { Result } from '../control/schemas.ts';
import { formatDuration, table } from './format.ts';

const MODES = { invite: 'who has a ticket', open: 'anybody' } as const;
const PLACES = { none: 'on the LAN alone', mainline: "also in BitTorrent's Mainline" } as const;

/** The configuration document for a person: what may change first. */
export function formatOverlay(overlay: Result<'overlay'>): string {
  const { expiration } = overlay;
  return table([
    ['overlay', overlay.overlay],
    ['document', `number ${overlay.sequence}${overlay.changed ? ', just made' : ''}`],
    ['rendezvous', `${overlay.rendezvous}: members meet ${PLACES[overlay.rendezvous]}`],
    ['certificates', `live ${formatDuration(overlay.certificateLifetimeS)}, renewed at two thirds of it`],
    ['authority', `${overlay.authority}${overlay.hasAuthority ? ', on this host' : ''}`],
    ['lets in', MODES[overlay.mode]],
    ['names', `NAME.${overlay.dnsName}`],
    ['ipv4', overlay.ipv4Prefix],
    ['messages', `up to ${overlay.maxMessageSize} bytes and ${overlay.initialTtl} hops`],
    ['timers', timers(overlay)],
    [
      'ends',
      expiration === null ? 'never' : `${new Date(expiration).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    ],
  ]).join('\n');
}

function timers({ reliabilityTimerMs, chordUpdateIntervalS, chordPingIntervalS }: Result<'overlay'>): string {
  const [update, ping] = [formatDuration(chordUpdateIntervalS), formatDuration(chordPingIntervalS)];
  return `sent again after ${reliabilityTimerMs / 1000} s; neighbors told every ${update}, pinged every ${ping}`;
}
