import type { IceOffer } from '../ice-candidate.ts';

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
