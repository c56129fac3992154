import type { Candidate, CandidateType } from '../base/candidate.ts';
import { allocationScope, isAllocationAddress } from '../base/allocation-address.ts';
import { isHitAddress } from '../base/node-id.ts';
import { isIndirectAddress, isStreamAddress } from '../base/stream-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { sameSocketAddress } from '../base/socket-address.ts';
import { baseOf, isLinkLocal, isLoopback, isPrivate, isUnicast } from './candidates.ts';
import { CHECK_LIFETIME_MS, CONSENT_TIMEOUT_MS, NOMINATION_PATIENCE_MS } from './constants.ts';
import type { IceRole, Path } from './path.ts';
import { RELAYED, distanceOf } from './path.ts';

/** RFC 8445 s6.1.2.6. */
export type PairState = 'frozen' | 'waiting' | 'in-progress' | 'succeeded' | 'failed';

export interface CandidatePair {
  readonly base: SocketAddress;
  readonly local: Candidate;
  /** A peer-reflexive one is replaced when the peer names it. */
  remote: Candidate;
  priority: bigint;
  state: PairState;
  /** When a check on it was last answered. */
  validAt: number | undefined;
  rttMs: number | undefined;
  /** From the first copy of a check to its answer, lately: a bound of the round-trip time also where copies hide that. */
  answerMs: number;
  /** How the peer sees us on this pair; meaningful once valid. */
  localType: CandidateType;
  /** The peer nominated it before our own check was answered (RFC 8445 s7.3.1.5). */
  nominatedByPeer: boolean;
  /** The next check nominates, without another one before it. */
  nominateAtOnce: boolean;
  /** RFC 7675 s5.1: once consent is lost these credentials are not used on this pair again. */
  expired: boolean;
  /** Transaction of the request by the peer that made us check last: a copy of it does not do so again. */
  triggeredBy: string | undefined;
}

/** RFC 8445 s6.1.2.3: 2^32 MIN(G,D) + 2 MAX(G,D) + (G>D ? 1 : 0). */
export function pairPriority(controlling: number, controlled: number): bigint {
  return (
    2n ** 32n * BigInt(Math.min(controlling, controlled)) +
    2n * BigInt(Math.max(controlling, controlled)) +
    (controlling > controlled ? 1n : 0n)
  );
}

export function priorityFor(role: IceRole, local: Candidate, remote: Candidate): bigint {
  return role === 'controlling'
    ? pairPriority(local.priority, remote.priority)
    : pairPriority(remote.priority, local.priority);
}

/** RFC 8445 s6.1.2.2, and what no check from here can reach. */
export function canPair(base: SocketAddress, remote: SocketAddress): boolean {
  // Through a relay, which is the base, only the HIT of the other end is reached; and no other way leads there.
  if (isHitAddress(base.address) || isHitAddress(remote.address))
    return isHitAddress(base.address) && isHitAddress(remote.address) && remote.port === 0;
  // Nor does any other way lead to the end of a stream, or that to anywhere else.
  if (isStreamAddress(base.address) || isStreamAddress(remote.address))
    return isStreamAddress(base.address) && isStreamAddress(remote.address);
  if (isAllocationAddress(remote.address)) return false;
  if (isAllocationAddress(base.address)) return isBeyondServer(allocationScope(base.address), remote);
  return (
    base.address.includes(':') === remote.address.includes(':') &&
    remote.port !== 0 &&
    isUnicast(remote.address) &&
    !isLinkLocal(remote.address) &&
    isLoopback(base.address) === isLoopback(remote.address)
  );
}

/**
 * A TURN server relays from an address to those of its family (RFC 8656 s9). On the internet it reaches no private ones, and is not told of those:
 * there are servers that end an allocation when a send fails.
 */
function isBeyondServer(relayed: ReturnType<typeof allocationScope>, { address, port }: SocketAddress): boolean {
  if (address.includes(':') !== relayed.isIpv6 || port === 0) return false;
  if (!isUnicast(address) || isLinkLocal(address) || isLoopback(address)) return false;
  return relayed.isPrivate || !isPrivate(address);
}

export function makePair(role: IceRole, local: Candidate, remote: Candidate): CandidatePair {
  const base = baseOf(local);
  return {
    base,
    local,
    remote,
    priority: priorityFor(role, local, remote),
    state: 'frozen',
    validAt: undefined,
    rttMs: undefined,
    answerMs: 0,
    localType: local.type,
    nominatedByPeer: false,
    nominateAtOnce: false,
    expired: false,
    triggeredBy: undefined,
  };
}

/** Each of `locals` with each of `remotes`, but for those that no check can go between. */
export function makePairs(role: IceRole, locals: Iterable<Candidate>, remotes: readonly Candidate[]): CandidatePair[] {
  return [...locals].flatMap((local) =>
    remotes.filter((remote) => canPair(baseOf(local), remote.address)).map((remote) => makePair(role, local, remote)),
  );
}

export function pathOf(pair: CandidatePair): Path {
  return {
    local: pair.base,
    remote: pair.remote.address,
    localType: pair.localType,
    remoteType: pair.remote.type,
  };
}

/** It goes through another host: any direct one is better. */
export function isRelayed(pair: CandidatePair): boolean {
  return distanceOf(pathOf(pair)) === RELAYED;
}

/** RFC 8445 s7.2.5.3.1: the mapped address of an answer is one of our candidates, or a new, peer-reflexive one. */
export function localTypeOf(
  mapped: SocketAddress,
  base: SocketAddress,
  candidates: readonly Candidate[],
): CandidateType {
  if (isIndirectAddress(base.address)) return 'relay';
  return (
    candidates.find(
      (candidate) => sameSocketAddress(candidate.address, mapped) && sameSocketAddress(baseOf(candidate), base),
    )?.type ?? 'prflx'
  );
}

/** Was a check on it answered lately enough to send there (RFC 7675 s5.1)? */
export function isFresh({ validAt }: CandidatePair, now: number): boolean {
  return validAt !== undefined && now < validAt + CONSENT_TIMEOUT_MS;
}

/** Fresh for as long as a check takes to renew that: else consent would expire, for good, while the check is under way. */
export function isRenewable(pair: CandidatePair, now: number): boolean {
  return isFresh(pair, now + CHECK_LIFETIME_MS);
}

/** Less than a round trip, and two valid pairs would take the nomination from one another for ever. */
export function nominationPatienceMs({ answerMs }: CandidatePair): number {
  return Math.max(NOMINATION_PATIENCE_MS, 2 * answerMs);
}
