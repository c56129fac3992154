import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { readCredentials, readRoleAndCandidates, writeCredentials, writeRoleAndCandidates } from '../ice-candidate.ts';
import type { IceOffer } from '../ice-candidate.ts';
import { readBoolean, writeBoolean } from '../wire.ts';

/**
 * RFC 6940 s6.5.1.1.
 *
 * ```
 * struct {
 *   opaque ufrag<0..2^8-1>;  opaque password<0..2^8-1>;  opaque role<0..2^8-1>;
 *   IceCandidate candidates<0..2^16-1>;  Boolean send_update;
 * } AttachReqAns;
 * ```
 */
export interface AttachRequest extends IceOffer {
  readonly type: 'attach_req';
  readonly sendUpdate: boolean;
}

export interface AttachAnswer extends IceOffer {
  readonly type: 'attach_ans';
  readonly sendUpdate: boolean;
}

export function encodeAttach(writer: ByteWriter, body: AttachRequest | AttachAnswer): void {
  writeCredentials(writer, body);
  writeRoleAndCandidates(writer, body);
  writeBoolean(writer, body.sendUpdate);
}

export function decodeAttachRequest(reader: ByteReader): AttachRequest {
  return { type: 'attach_req', ...readAttach(reader) };
}

export function decodeAttachAnswer(reader: ByteReader): AttachAnswer {
  return { type: 'attach_ans', ...readAttach(reader) };
}

function readAttach(reader: ByteReader): Omit<AttachRequest, 'type'> {
  return { ...readCredentials(reader), ...readRoleAndCandidates(reader), sendUpdate: readBoolean(reader) };
}
