import type { Candidate } from '../base/candidate.ts';

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
