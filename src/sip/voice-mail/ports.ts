import type { SocketAddress } from '../../base/socket-address.ts';
import type { Refusal } from '../proxy/ports.ts';
import type { AddressFamily } from '../sdp/families.ts';

/** What an answering machine has to know of a call. */
export interface MachineCall {
  /** Of the caller's media. */
  readonly family: AddressFamily;
  /** Opus only where the caller has no other. */
  readonly codec: 'g711' | 'opus';
}

/** @param at where it hears SIP; undefined: there is none @returns whether the call waits for it still */
export type MachineReady = (at: SocketAddress | undefined, now: number) => boolean;

/** What a member says to whoever calls in vain. */
export interface MailOffer {
  /** So long it rings before. */
  readonly ringMs: number;
  /** Starts a machine that takes a message. @param call.from who calls, as shown @param done called once, now or later */
  answer(call: MachineCall & { readonly from: string }, done: MachineReady): void;
}

export interface VoiceMailPorts {
  /** Whether this host has answering machines. */
  isThere(): boolean;
  /** @param done called once, now or later; undefined: the member takes no messages, or the overlay does not say */
  offerOf(user: string, done: (offer: MailOffer | undefined, now: number) => void): void;
  /**
   * Starts a machine that plays the messages of this host's user.
   * @param done called once, now or later; a refusal: there is nothing to hear. It returns whether the call waits for it still.
   */
  playBack(call: MachineCall, done: (at: SocketAddress | Refusal, now: number) => boolean): void;
}
