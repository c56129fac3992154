import type { CandidateType } from '../base/candidate.ts';
import type { SocketAddress } from '../base/socket-address.ts';

export type IceRole = 'controlling' | 'controlled';

export type IceState = 'new' | 'checking' | 'connected' | 'failed' | 'closed';

/** A pair of addresses on which checks succeeded. */
export interface Path {
  /** The base: the interface address (and the one port) that is sent from. */
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** How the peer sees us: host, or a reflexive address when a NAT is between. */
  readonly localType: CandidateType;
  readonly remoteType: CandidateType;
}

export type IceEvent =
  /** The first success of a pair: data may be sent on it (RFC 8445 s12.1). */
  | { readonly type: 'valid'; readonly path: Path }
  /** Nominated at both ends, or moved to. */
  | { readonly type: 'selected'; readonly path: Path }
  /** No pair works. The agent still answers; `setLocalCandidates` or a late check of the peer can revive it. */
  | { readonly type: 'failed' }
  /** Nothing may be sent on the path that was selected (RFC 7675 s5.1). Other pairs are being tried; `selected` or `failed` follows. */
  | { readonly type: 'consentExpired' }
  /** A remote that was asked does not know our credentials: the peer may have restarted. Unauthenticated, so only a hint. */
  | { readonly type: 'peerForgot' }
  /** After that the peer has answered on the selected pair, authenticated: somebody else said it. */
  | { readonly type: 'peerRemembers' };

/** The distance of a path through another host. */
export const RELAYED = 2;
const DISTANCE: Readonly<Record<CandidateType, number>> = { host: 0, prflx: 1, srflx: 1, relay: RELAYED };

/** 0: direct between interfaces, 1: through a NAT, 2: through a relay. */
export function distanceOf(path: Pick<Path, 'localType' | 'remoteType'>): number {
  return Math.max(DISTANCE[path.localType], DISTANCE[path.remoteType]);
}

/** The one type shown to people: the worse of both. */
export function pathType(path: Pick<Path, 'localType' | 'remoteType'>): CandidateType {
  return DISTANCE[path.localType] > DISTANCE[path.remoteType] ? path.localType : path.remoteType;
}
