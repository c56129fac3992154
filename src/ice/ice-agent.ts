import type { Candidate, IceParameters } from '../base/candidate.ts';
import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { StunMessage } from '../stun/message.ts';
import type { IceEvent, IceRole, IceState, Path } from './path.ts';

export type { IceEvent, IceRole, IceState, Path } from './path.ts';

export interface IceAgentOptions {
  readonly role: IceRole;
  /** Host candidates, and reflexive ones whose `relatedAddress` is the base. */
  readonly localCandidates: readonly Candidate[];
  /** Random when absent. */
  readonly localCredentials?: { readonly ufrag: string; readonly pwd: string };
}

export interface IceTransmit {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly data: Uint8Array;
}

/** ICE (RFC 8445, RFC 7675), one data stream with one component. */
export declare class IceAgent implements Timed {
  constructor(components: { random: Random; logger: Logger }, options: IceAgentOptions);
  readonly localParameters: IceParameters;
  /** May change: role conflicts, and a mover that takes control. */
  readonly role: IceRole;
  readonly state: IceState;
  readonly selected: Path | undefined;
  readonly rttMs: number | undefined;
  readonly loss: number;
  setRemote(remote: IceParameters, now: number): void;
  setLocalCandidates(candidates: readonly Candidate[], now: number): void;
  restart(options: { role: IceRole; localCandidates: readonly Candidate[] }, now: number): IceParameters;
  owns(username: string): boolean;
  receive(message: StunMessage, raw: Uint8Array, local: SocketAddress, remote: SocketAddress, now: number): boolean;
  pollTransmit(): IceTransmit | undefined;
  pollEvent(): IceEvent | undefined;
  nextTimeout(): number | undefined;
  handleTimeout(now: number): void;
  close(): void;
  hasTransaction(id: string): boolean;
}
