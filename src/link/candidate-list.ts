import { ByteReader, ByteWriter } from '../base/bytes.ts';
import type { Candidate } from '../base/candidate.ts';
import { isIndirectAddress } from '../base/stream-address.ts';
import { candidatePriority, formFoundation } from '../ice/candidates.ts';
import { LATE_CANDIDATES } from '../native/data-plane.ts';
import { decodeIpAddressPort, encodeIpAddressPort } from '../reload/ip-address-port.ts';
import { malformed, writeU8 } from '../reload/wire.ts';
import { MAX_LATE_CANDIDATES } from './constants.ts';

const HOST = 1;
const SRFLX = 2;
/** Lists are numbered modulo this (RFC 1982 with SERIAL_BITS 8). */
export const LIST_NUMBERS = 256;

/** All candidates of the sender, best first; none: the list of that number has been taken. */
export interface CandidateList {
  readonly number: number;
  readonly candidates: readonly Candidate[];
}

/**
 * Link control, as RFC 8838 but inside the link. Candidates that are not of type host or server-reflexive, and more than some,
 * are left out.
 *
 * ```
 * struct { uint8 type (0x2a);  uint8 number;  LateCandidate candidates<0..16>, to the end of the record; } CandidateList;
 * struct { uint8 type (1 host, 2 srflx);  IpAddressPort address (RFC 6940 s6.3.1.1); } LateCandidate;
 * ```
 */
export function encodeCandidateList({ number, candidates }: CandidateList): Uint8Array {
  const writer = new ByteWriter();
  writeU8(writer, LATE_CANDIDATES);
  writeU8(writer, number);
  const known = candidates.filter(({ type }) => type === 'host' || type === 'srflx');
  for (const { type, address } of known.slice(0, MAX_LATE_CANDIDATES)) {
    writeU8(writer, type === 'host' ? HOST : SRFLX);
    encodeIpAddressPort(writer, address);
  }
  return writer.finish();
}

/**
 * What cannot be sent to is left out: a port 0, an address of an overlay or of a stream, a kind of address that is not known.
 * @throws {MalformedMessageError}
 */
export function decodeCandidateList(record: Uint8Array): CandidateList {
  const reader = new ByteReader(record);
  if (reader.u8() !== LATE_CANDIDATES) malformed(0, 'no list of candidates');
  const number = reader.u8();
  const candidates: Candidate[] = [];
  for (let i = 0; reader.remaining > 0; i++) {
    const at = reader.offset;
    if (i >= MAX_LATE_CANDIDATES) malformed(at, 'more candidates than there may be');
    const kind = reader.u8();
    if (kind !== HOST && kind !== SRFLX) malformed(at, 'neither a host nor a server-reflexive candidate');
    const address = decodeIpAddressPort(reader);
    if (address === undefined || address.port === 0 || isIndirectAddress(address.address)) continue;
    const type = kind === HOST ? 'host' : 'srflx';
    const priority = candidatePriority(type, 65_535 - i);
    candidates.push({ type, address, priority, foundation: formFoundation(type, address.address) });
  }
  return { number, candidates };
}
