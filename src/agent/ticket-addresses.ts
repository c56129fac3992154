import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { fromStreamAddress } from '../base/stream-address.ts';
import { MAX_TICKET_ADDRESSES } from '../identity/ticket.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { Standing } from '../mobility/standing.ts';

export interface KnownAddresses {
  /** What the configuration says: `advertise`. */
  readonly advertised: readonly SocketAddress[];
  /** Where members or STUN servers see us; of no use when the NAT gives each of them another one. */
  readonly reflexive: readonly SocketAddress[];
  /** What the router forwards to us (UPnP, NAT-PMP, PCP). */
  readonly mapped: readonly SocketAddress[];
  /** On our own interfaces. */
  readonly own: readonly SocketAddress[];
  /** What stands for the streams that we accept. */
  readonly streams?: readonly SocketAddress[];
}

/** Others are in tickets too: one of them may be the only one that is up, or that can be reached. */
const MAX_OTHER_PEERS = 3;
/** Tried when nothing else answers. */
const MAX_STREAMS = 2;

export interface TicketStart {
  /** Best first. */
  readonly addresses: readonly SocketAddress[];
  /** Some address of it is one that hosts outside our network can come to, as far as is known. */
  readonly leadInFromOutside: boolean;
}

/**
 * Where a newcomer is to try, best first: what was configured; then what everyone can reach, as others see it before as we see
 * it ourselves; then what only neighbours reach. Any peer leads a newcomer to its inviter, so other peers come before what a NAT
 * of ours shows to others, which lets in only whom we call at the same time, as those do who meet, or whom its owner has let
 * through. At most as many as a ticket holds: of the private ones at least one stays. Streams come
 * last.
 * @param standing whether others can come to us unasked.
 * @param peers other peers, best first.
 */
export function ticketAddresses(
  { advertised, reflexive, mapped, own, streams = [] }: KnownAddresses,
  standing: Standing['type'],
  peers: readonly SocketAddress[],
): TicketStart {
  const isFarStream = (stream: SocketAddress): boolean => isFar(fromStreamAddress(stream));
  const isFar = ({ address }: SocketAddress): boolean => isGloballyReachable(address);
  const open = [...advertised, ...mapped.filter(isFar)];
  const perhaps = [...reflexive, ...own].filter(isFar);
  const unseen = perhaps.filter((address) => own.includes(address));
  const sure = unique(
    standing === 'open' ? [...open, ...perhaps] : standing === 'unknown' ? [...open, ...unseen] : open,
  );
  const farPeers = peers.filter(isFar).slice(0, MAX_OTHER_PEERS);
  const near = [...own, ...reflexive, ...mapped].filter((address) => !isFar(address));
  const last = unique(streams.toSorted((a, b) => Number(isFarStream(b)) - Number(isFarStream(a)))).slice(
    0,
    MAX_STREAMS,
  );
  const far = unique([...sure, ...farPeers, ...perhaps]).slice(
    0,
    near.length > 0 ? MAX_TICKET_ADDRESSES - 1 : undefined,
  );
  const nearPeers = peers.filter((address) => !isFar(address)).slice(0, MAX_OTHER_PEERS);
  return {
    addresses: [...unique([...far, ...near, ...nearPeers]).slice(0, MAX_TICKET_ADDRESSES - last.length), ...last],
    leadInFromOutside: sure.length + farPeers.length > 0,
  };
}

function unique(addresses: readonly SocketAddress[]): SocketAddress[] {
  return [...new Map(addresses.map((address) => [formatSocketAddress(address), address])).values()];
}
