import type { Result } from '../control/schemas.ts';
import { formatMapping } from './format-status.ts';

const ADDRESSES = {
  none: 'none',
  private: 'a private address',
  shared: "an address that the provider's NAT shares (CGNAT)",
  global: 'a public address',
} as const;

const FILTERING_UNKNOWN = 'not known: a STUN server with two addresses in the configuration could tell (RFC 5780)';

/** What is known of the network, then what will work, then what to ask its owner for. */
export function formatNetcheck(network: Result<'netcheck'>): string {
  const { nat, ipv4, ipv6, nat64, udp, asked, portMapping, relays, turnServers, works, ask } = network;
  const seen = nat.mapped.length === 0 ? '' : `; seen as ${nat.mapped.join(', ')}`;
  const facts: [string, string][] = [
    ['nat', `${nat.kind}${seen}`],
    ['mapping', nat.mapping === 'unknown' ? 'not known' : nat.mapping],
    ['filtering', nat.filtering === 'unknown' ? FILTERING_UNKNOWN : nat.filtering],
    ['udp', formatUdp(udp, asked)],
    ['ipv4', ADDRESSES[ipv4]],
    ['ipv6', ADDRESSES[ipv6]],
    ['nat64', nat64.length === 0 ? 'none' : nat64.join(', ')],
    ['forwarded', formatMapping(portMapping)],
    ['relays', listOf(relays)],
    ['turn', listOf(turnServers)],
  ];
  const width = Math.max(...facts.map(([label]) => label.length));
  return [
    ...facts.map(([label, value]) => `${label.padEnd(width)}  ${value}`),
    '',
    'WILL WORK',
    ...works.map((line) => `- ${line}`),
    ...(ask.length === 0 ? [] : ['', 'ASK THE OWNER OF THE NETWORK FOR', ...ask.map((line) => `- ${line}`)]),
  ].join('\n');
}

function listOf(members: readonly { readonly hit: string; readonly name: string | null }[]): string {
  return members.length === 0 ? 'none found' : members.map(({ name, hit }) => name ?? hit).join(', ');
}

function formatUdp(udp: Result<'netcheck'>['udp'], asked: number): string {
  switch (udp) {
    case 'works':
      return 'works';
    case 'blocked':
      return `blocked, as it seems: none of the ${asked} that were asked answers`;
    case 'unknown':
      return 'not known: nobody answers, and too few on the Internet can be asked (STUN servers can be named in the configuration)';
  }
}
