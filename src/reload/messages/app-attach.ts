import type { IceOffer } from '../ice-candidate.ts';

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
