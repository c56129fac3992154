export interface MediaSession {
  /** Of one call. */
  readonly id: string;
  /** Tag of whose SDP it is. */
  readonly fromTag: string;
  /** Tag of the other end, where it is known. */
  readonly toTag?: string | undefined;
  /** Where the SDP comes from. */
  readonly from: 'overlay' | 'outside';
  /** Where it goes to: to the other side, but for a call that was handed on outside. */
  readonly to: 'overlay' | 'outside';
  /** Whether the outside is reached over IPv6. */
  readonly isOutsideIpv6: boolean;
  /** A call for help: it is connected without what it may be spared. */
  readonly isEmergency: boolean;
}

/**
 * What carries RTP between the overlay and the world outside of it. Each gives SDP as the other end is to have it; undefined: it does
 * not work now.
 */
export interface TrunkMedia {
  offer(session: MediaSession, sdp: Uint8Array, done: (sdp: Uint8Array | undefined, now: number) => void): void;
  answer(session: MediaSession, sdp: Uint8Array, done: (sdp: Uint8Array | undefined, now: number) => void): void;
  /** What that end says is not taken, and why: the reason of a SIP response. Undefined: it is. */
  objection(session: MediaSession, sdp: Uint8Array): string | undefined;
  /** The call is over. */
  delete(id: string): void;
}
