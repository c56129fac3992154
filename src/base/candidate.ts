import type { SocketAddress } from './socket-address.ts';

/** RFC 8445 s5.1.1. */
export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay';

/** One ICE candidate; RELOAD has one component, so none is named (RFC 6940 s6.5.1.1). */
export interface Candidate {
  readonly type: CandidateType;
  readonly address: SocketAddress;
  readonly priority: number;
  /** 1 to 32 ice-chars (RFC 8445 s5.1.1.3). */
  readonly foundation: string;
  /** The base of a srflx or relay candidate. */
  readonly relatedAddress?: SocketAddress;
  /** Of a relay candidate of our own at a TURN server: the local end that stands for the allocation. Nobody is told. */
  readonly base?: SocketAddress;
  readonly extensions?: readonly { readonly name: string; readonly value: string }[];
}

/** What Attach and AppAttach carry for one side (RFC 6940 s6.5.1.1). */
export interface IceParameters {
  readonly ufrag: string;
  readonly pwd: string;
  readonly candidates: readonly Candidate[];
}
