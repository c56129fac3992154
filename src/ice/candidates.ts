import { crc32 } from 'node:zlib';
import { Address4 } from 'ip-address';
import type { Candidate, CandidateType } from '../base/candidate.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { parseIpAddress } from '../base/ip-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { COMPONENT, TYPE_PREFERENCE } from './constants.ts';

const MAX_LOCAL_PREFERENCE = 65535;
/** RFC 1122 s3.2.1.3: this network, and what is reserved, with the broadcast address. */
const NO_HOSTS = [new Address4('0.0.0.0/8'), new Address4('240.0.0.0/4')];

/** RFC 8445 s5.1.2.1. */
export function candidatePriority(type: CandidateType, localPreference: number): number {
  return TYPE_PREFERENCE[type] * 2 ** 24 + localPreference * 2 ** 8 + (256 - COMPONENT);
}

/** The part of a priority that tells the host's addresses apart. */
export function localPreferenceOf(priority: number): number {
  return (priority >>> 8) & 0xffff;
}

/**
 * RFC 8445 s5.1.1.3: equal for candidates of one type, base address and server. A checksum of them as text: short, and
 * a rare collision only delays a check.
 */
export function formFoundation(type: CandidateType, baseAddress: string, server = ''): string {
  return (crc32(`${type} ${baseAddress} ${server}`) >>> 0).toString(36);
}

/** Link-local addresses mean nothing to the peer without an interface (RFC 8445 s5.1.1.1 keeps them to link-local peers). */
export function isLinkLocal(address: string): boolean {
  return parseIpAddress(address).isLinkLocal();
}

export function isLoopback(address: string): boolean {
  return parseIpAddress(address).isLoopback();
}

/** Means nothing outside of its network, or its provider's (RFC 1918, RFC 4193, RFC 6598). */
export function isPrivate(address: string): boolean {
  const ip = parseIpAddress(address);
  return ip.isPrivate() || ip.isCGNAT();
}

/** No host answers at unspecified, multicast and broadcast addresses; checks there would only be a nuisance to others. */
export function isUnicast(address: string): boolean {
  const ip = parseIpAddress(address);
  if (ip.isMulticast() || ip.isUnspecified()) return false;
  return !NO_HOSTS.some((prefix) => ip.isHostInSubnet(prefix));
}

/**
 * Host candidates of interface addresses, which are in order of preference. IPv6 and IPv4 take turns, IPv6 first
 * (RFC 8421 s4), so that a broken family costs one check and not all. Which interfaces (loopback, the TUN) count, the
 * caller decides; link-local addresses are left out.
 */
export function hostCandidates(addresses: readonly string[], port: number): Candidate[] {
  const usable = [...new Set(addresses)].filter((address) => !isLinkLocal(address));
  const v6 = usable.filter((address) => address.includes(':'));
  const v4 = usable.filter((address) => !address.includes(':'));
  const inTurn: string[] = [];
  for (let i = 0; i < Math.max(v6.length, v4.length); i++)
    for (const address of [v6[i], v4[i]]) if (address !== undefined) inTurn.push(address);
  return inTurn.map((address, i) => ({
    type: 'host',
    address: { address, port },
    priority: candidatePriority('host', MAX_LOCAL_PREFERENCE - i),
    foundation: formFoundation('host', address),
  }));
}

/** A host candidate that any other one is preferred to. */
export function lastResort(address: SocketAddress): Candidate {
  return {
    type: 'host',
    address,
    priority: candidatePriority('host', 0),
    foundation: formFoundation('host', address.address),
  };
}

/** Where a server saw the host candidate `base`. `server` keeps candidates of several servers apart. */
export function reflexiveCandidate(base: Candidate, mapped: SocketAddress, server = ''): Candidate {
  return {
    type: 'srflx',
    address: mapped,
    priority: candidatePriority('srflx', localPreferenceOf(base.priority)),
    foundation: formFoundation('srflx', base.address.address, server),
    relatedAddress: base.address,
  };
}

/**
 * A relayed address of ours at a TURN server, before all other relays: those are members', who hand on as much as they like.
 * @param base stands for the allocation.
 * @param place among several: 0 is the best.
 */
export function relayedCandidate(relayed: SocketAddress, base: SocketAddress, place: number): Candidate {
  return {
    type: 'relay',
    address: relayed,
    priority: candidatePriority('relay', MAX_LOCAL_PREFERENCE - place),
    foundation: formFoundation('relay', relayed.address),
    base,
  };
}

/** The address that is sent from (RFC 8445 s4, "base"). */
export function baseOf(candidate: Candidate): SocketAddress {
  if (candidate.base !== undefined) return candidate.base;
  return candidate.type === 'host' || candidate.type === 'relay'
    ? candidate.address
    : (candidate.relatedAddress ?? candidate.address);
}

let latestBases: ReadonlyMap<string, Candidate> = new Map();

/** As `bestOfEachBase`: the same map for all links that have the same ones, one after the other. */
export function basesOf(candidates: readonly Candidate[]): ReadonlyMap<string, Candidate> {
  const best = bestOfEachBase(candidates);
  const isSame = best.size === latestBases.size && [...best].every(([key, one]) => latestBases.get(key) === one);
  if (!isSame) latestBases = best;
  return latestBases;
}

/** One candidate for each base, the best: a check from a reflexive candidate leaves from its base (RFC 8445 s6.1.2.4). */
export function bestOfEachBase(candidates: readonly Candidate[]): Map<string, Candidate> {
  const best = new Map<string, Candidate>();
  for (const candidate of candidates) {
    const key = formatSocketAddress(baseOf(candidate));
    const other = best.get(key);
    if (other === undefined || other.priority < candidate.priority) best.set(key, candidate);
  }
  return best;
}
