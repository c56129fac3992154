import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { readCredentials, readRoleAndCandidates, writeCredentials, writeRoleAndCandidates } from '../ice-candidate.ts';
import type { IceOffer } from '../ice-candidate.ts';
import { writeU16 } from '../wire.ts';

/**
 * RFC 6940 s6.5.2.1.
 *
 * ```
 * struct {
 *   opaque ufrag<0..2^8-1>;  opaque password<0..2^8-1>;  uint16 application;  opaque role<0..2^8-1>;
 *   IceCandidate candidates<0..2^16-1>;
 * } AppAttachReq;
 * ```
 */
export interface AppAttachRequest extends IceOffer {
  readonly type: 'app_attach_req';
  /** Application-ID (s14.5). */
  readonly application: number;
}

export interface AppAttachAnswer extends IceOffer {
  readonly type: 'app_attach_ans';
  readonly application: number;
}

export function encodeAppAttach(writer: ByteWriter, body: AppAttachRequest | AppAttachAnswer): void {
  writeCredentials(writer, body);
  writeU16(writer, body.application);
  writeRoleAndCandidates(writer, body);
}

export function decodeAppAttachRequest(reader: ByteReader): AppAttachRequest {
  return { type: 'app_attach_req', ...readAppAttach(reader) };
}

export function decodeAppAttachAnswer(reader: ByteReader): AppAttachAnswer {
  return { type: 'app_attach_ans', ...readAppAttach(reader) };
}

function readAppAttach(reader: ByteReader): Omit<AppAttachRequest, 'type'> {
  return { ...readCredentials(reader), application: reader.u16(), ...readRoleAndCandidates(reader) };
}
