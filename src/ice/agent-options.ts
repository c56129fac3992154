import type { Candidate } from '../base/candidate.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { IceCredentials } from './credentials.ts';
import type { IceRole } from './path.ts';

export interface IceAgentOptions {
  readonly role: IceRole;
  /** Host candidates, and reflexive ones whose `relatedAddress` is the base. */
  readonly localCandidates: readonly Candidate[];
  /** Random when absent. */
  readonly localCredentials?: IceCredentials;
}

export interface IceTransmit {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly data: Uint8Array;
}
