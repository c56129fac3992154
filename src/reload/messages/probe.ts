import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { MAX_PROBE_INFORMATION, PROBE_INFORMATION_TYPES } from '../constants.ts';
import { malformed, readList, readOpaque, writeList, writeOpaque, writeU32, writeU8 } from '../wire.ts';

/** `struct { ProbeInformationType requested_info<0..2^8-1>; } ProbeReq;` (RFC 6940 s6.4.2.5.1); PROBE_INFORMATION_TYPES. */
export interface ProbeRequest {
  readonly type: 'probe_req';
  readonly requestedInfo: readonly number[];
}

/**
 * RFC 6940 s6.4.2.5.2.
 *
 * ```
 * struct { ProbeInformationType type; uint8 length; ProbeInformationData value; } ProbeInformation;
 * ```
 */
export type ProbeInformation =
  | { readonly type: 'responsible_set'; /** Parts per billion of the overlay. */ readonly responsiblePpb: number }
  | { readonly type: 'num_resources'; readonly numResources: number }
  | { readonly type: 'uptime'; /** Seconds. */ readonly uptime: number }
  | { readonly type: 'unknown'; readonly code: number; readonly value: Uint8Array };

/** `struct { ProbeInformation probe_info<0..2^16-1>; } ProbeAns;` (RFC 6940 s6.4.2.5.2). */
export interface ProbeAnswer {
  readonly type: 'probe_ans';
  readonly info: readonly ProbeInformation[];
}

export function encodeProbeRequest(writer: ByteWriter, body: ProbeRequest): void {
  writeList(writer, 1, body.requestedInfo, writeU8);
}

export function decodeProbeRequest(reader: ByteReader): ProbeRequest {
  return { type: 'probe_req', requestedInfo: [...readOpaque(reader, 1)] };
}

export function encodeProbeAnswer(writer: ByteWriter, body: ProbeAnswer): void {
  writeList(writer, 2, body.info, writeInformation);
}

export function decodeProbeAnswer(reader: ByteReader): ProbeAnswer {
  return { type: 'probe_ans', info: readList(reader.vector(2), MAX_PROBE_INFORMATION, readInformation) };
}

function writeInformation(writer: ByteWriter, info: ProbeInformation): void {
  if (info.type === 'unknown') {
    if (info.code <= PROBE_INFORMATION_TYPES.uptime)
      throw new RangeError(`${info.code} is not an unknown ProbeInformationType`);
    writeU8(writer, info.code);
    writeOpaque(writer, 1, info.value);
    return;
  }
  writer.u8(PROBE_INFORMATION_TYPES[info.type]);
  writer.vector(1, () => writeU32(writer, numberOf(info)));
}

function numberOf(info: Exclude<ProbeInformation, { type: 'unknown' }>): number {
  switch (info.type) {
    case 'responsible_set':
      return info.responsiblePpb;
    case 'num_resources':
      return info.numResources;
    case 'uptime':
      return info.uptime;
  }
}

function readInformation(reader: ByteReader): ProbeInformation {
  const at = reader.offset;
  const code = reader.u8();
  if (code === 0) malformed(at, 'ProbeInformationType 0 is invalid');
  const value = reader.vector(1);
  const information = readValue(code, value);
  value.end();
  return information;
}

function readValue(code: number, value: ByteReader): ProbeInformation {
  switch (code) {
    case PROBE_INFORMATION_TYPES.responsible_set:
      return { type: 'responsible_set', responsiblePpb: value.u32() };
    case PROBE_INFORMATION_TYPES.num_resources:
      return { type: 'num_resources', numResources: value.u32() };
    case PROBE_INFORMATION_TYPES.uptime:
      return { type: 'uptime', uptime: value.u32() };
    default:
      return { type: 'unknown', code, value: value.rest() };
  }
}
