import { ByteReader } from '../base/bytes.ts';
import type { ByteWriter } from '../base/bytes.ts';
import type { Candidate } from '../base/candidate.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { MAX_CANDIDATES, MAX_CANDIDATE_EXTENSIONS, OVERLAY_LINK_TYPES } from './constants.ts';
import { decodeIpAddressPort, encodeIpAddressPort } from './ip-address-port.ts';
import { malformed, readList, readText, writeList, writeText, writeU32, writeU8 } from './wire.ts';

/** RFC 4145 as RFC 6940 s6.5.1.1 uses it: the offerer is "passive", the answerer "active". */
export type IceRole = 'active' | 'passive' | 'actpass';

/** A candidate with the overlay link protocol that would run over it (OVERLAY_LINK_TYPES). */
export interface IceCandidate extends Candidate {
  readonly overlayLink: number;
}

/** A candidate whose kind of address is not known here: not used, but written again where it stood. */
export interface SkippedCandidate {
  /** How many candidates, usable and skipped, stand before it. */
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** What Attach and AppAttach have in common; is an `IceParameters`. */
export interface IceOffer {
  readonly ufrag: string;
  readonly pwd: string;
  readonly role: IceRole;
  readonly candidates: readonly IceCandidate[];
  readonly skippedCandidates?: readonly SkippedCandidate[];
}

const CANDIDATE_TYPES = { host: 1, srflx: 2, relay: 4 } as const;

/** RFC 8445 s5.1.1.3 (RFC 8839 s5.1): ice-char. */
const FOUNDATION = /^[A-Za-z0-9+/]{1,32}$/;
const CREDENTIAL = /^[A-Za-z0-9+/]*$/;
/** RFC 8839 s5.1: names and values of extensions are visible characters. */
const EXTENSION = /^[\x21-\x7e]*$/;
const ROLE = /^(active|passive|actpass)$/;

/** The candidates of an ICE agent as candidates for one overlay link protocol. */
export function toIceCandidates(
  candidates: readonly Candidate[],
  overlayLink: number = OVERLAY_LINK_TYPES.dtlsUdpSr,
): IceCandidate[] {
  return candidates.map((candidate) => ({ ...candidate, overlayLink }));
}

export function writeCredentials(writer: ByteWriter, { ufrag, pwd }: IceOffer): void {
  writeText(writer, 1, ufrag, CREDENTIAL);
  writeText(writer, 1, pwd, CREDENTIAL);
}

export function readCredentials(reader: ByteReader): { ufrag: string; pwd: string } {
  return { ufrag: readText(reader, 1, CREDENTIAL), pwd: readText(reader, 1, CREDENTIAL) };
}

export function writeRoleAndCandidates(writer: ByteWriter, offer: IceOffer): void {
  writeText(writer, 1, offer.role, ROLE);
  const skipped = [...(offer.skippedCandidates ?? [])].sort((a, b) => a.position - b.position);
  writer.vector(2, () => {
    let position = 0;
    for (const candidate of [...offer.candidates, undefined]) {
      for (; skipped[0]?.position === position; position++) writer.bytes(skipped.shift()?.bytes ?? new Uint8Array(0));
      if (candidate !== undefined) writeCandidate(writer, candidate);
      position++;
    }
    if (skipped.length > 0) throw new RangeError('a skipped candidate stands behind the end of the list');
  });
}

export function readRoleAndCandidates(reader: ByteReader): Pick<IceOffer, 'role' | 'candidates' | 'skippedCandidates'> {
  const role = readText(reader, 1, ROLE) as IceRole;
  const content = reader.vector(2);
  const base = content.offset;
  const bytes = content.rest();
  const candidates: IceCandidate[] = [];
  const skippedCandidates: SkippedCandidate[] = [];
  const list = new ByteReader(bytes, base);
  for (let position = 0; list.remaining > 0; position++) {
    if (position === MAX_CANDIDATES) list.fail(`more than ${MAX_CANDIDATES} candidates`);
    const start = list.offset - base;
    const candidate = readCandidate(list);
    if (candidate !== undefined) candidates.push(candidate);
    else skippedCandidates.push({ position, bytes: bytes.subarray(start, list.offset - base) });
  }
  return { role, candidates, ...(skippedCandidates.length > 0 && { skippedCandidates }) };
}

/**
 * RFC 6940 s6.5.1.1.
 *
 * ```
 * struct {
 *   IpAddressPort addr_port;  OverlayLinkType overlay_link;  opaque foundation<0..255>;  uint32 priority;  CandType type;
 *   select (type) { case host: ; case srflx: case relay: IpAddressPort rel_addr_port; };
 *   IceExtension extensions<0..2^16-1>;        // struct { opaque name<0..2^16-1>; opaque value<0..2^16-1>; }
 * } IceCandidate;
 * ```
 */
function writeCandidate(writer: ByteWriter, candidate: IceCandidate): void {
  const { type } = candidate;
  if (type === 'prflx') throw new RangeError('peer-reflexive candidates are not sent in messages');
  encodeIpAddressPort(writer, candidate.address);
  writeU8(writer, candidate.overlayLink);
  writeText(writer, 1, candidate.foundation, FOUNDATION);
  writeU32(writer, candidate.priority);
  writer.u8(CANDIDATE_TYPES[type]);
  if (type !== 'host') encodeIpAddressPort(writer, candidate.relatedAddress ?? unspecifiedLike(candidate.address));
  writeList(writer, 2, candidate.extensions ?? [], (_, { name, value }) => {
    writeText(writer, 2, name, EXTENSION);
    writeText(writer, 2, value, EXTENSION);
  });
}

function readCandidate(reader: ByteReader): IceCandidate | undefined {
  const address = decodeIpAddressPort(reader);
  const overlayLink = reader.u8();
  const foundation = readText(reader, 1, FOUNDATION);
  const priority = reader.u32();
  const type = readCandidateType(reader);
  const relatedAddress = type === 'host' ? undefined : decodeIpAddressPort(reader);
  const extensions = readList(reader.vector(2), MAX_CANDIDATE_EXTENSIONS, (list) => ({
    name: readText(list, 2, EXTENSION),
    value: readText(list, 2, EXTENSION),
  }));
  if (address === undefined || (type !== 'host' && relatedAddress === undefined)) return undefined;
  return {
    type,
    address,
    priority,
    foundation,
    overlayLink,
    ...(relatedAddress && { relatedAddress }),
    ...(extensions.length > 0 && { extensions }),
  };
}

function readCandidateType(reader: ByteReader): 'host' | 'srflx' | 'relay' {
  const at = reader.offset;
  const code = reader.u8();
  switch (code) {
    case CANDIDATE_TYPES.host:
      return 'host';
    case CANDIDATE_TYPES.srflx:
      return 'srflx';
    case CANDIDATE_TYPES.relay:
      return 'relay';
    default:
      return malformed(at, `CandType ${code} is not known`);
  }
}

/** RFC 8839 s5.1: an agent that does not tell its base says so with an unspecified address. */
function unspecifiedLike({ address }: SocketAddress): SocketAddress {
  return { address: address.includes(':') ? '::' : '0.0.0.0', port: 0 };
}
