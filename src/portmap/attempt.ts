import type { Timed } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';

export type Protocol = 'pcp' | 'nat-pmp' | 'upnp';

/** What is asked of whom. */
export interface Wanted {
  /** The router, IPv4. */
  readonly gateway: string;
  /** Our address on its network. */
  readonly local: string;
  /** Our UDP port, and the one that we would like to have at the router too. */
  readonly port: number;
  /** PCP's, 12 bytes: who knows it may change the mapping (RFC 6887 s11.2). The same after a crash. */
  readonly nonce: Uint8Array;
  readonly random: Random;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** Its host is the gateway's address. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Transmit =
  /** A datagram to the gateway's port 5351. */
  | { readonly type: 'gateway'; readonly data: Uint8Array }
  /** A datagram of SSDP. */
  | { readonly type: 'search'; readonly to: SocketAddress; readonly data: Uint8Array }
  /** Answered by one `answered` or `failed` with the same `id`, or never. */
  | { readonly type: 'http'; readonly id: number; readonly request: HttpRequest };

export type Input =
  /** From the gateway's port 5351. */
  | { readonly type: 'gateway'; readonly data: Uint8Array }
  /** Nobody listens at the gateway's port 5351 (ICMP). */
  | { readonly type: 'refused' }
  | { readonly type: 'searched'; readonly from: SocketAddress; readonly data: Uint8Array }
  | { readonly type: 'answered'; readonly id: number; readonly status: number; readonly body: Uint8Array }
  | { readonly type: 'failed'; readonly id: number; readonly why: string };

/** The router sends what comes to `external` to us. */
export interface Lease {
  readonly protocol: Protocol;
  readonly external: SocketAddress;
  /** Seconds, as granted. */
  readonly lifetimeS: number;
  /** The router's own clock, where the protocol has one. */
  readonly epochS: number | undefined;
  renewal(now: number): Attempt;
  removal(now: number): Attempt;
}

export type Outcome =
  | { readonly ok: true; readonly lease: Lease }
  | { readonly ok: true; readonly lease: undefined }
  /** `heard`: somebody answered; a silent router does not speak the protocol. */
  | { readonly ok: false; readonly heard: boolean; readonly why: string };

/** Asks one router by one protocol for a mapping, or to take it away. Hostile input is dropped; it ends by itself. */
export interface Attempt extends Timed {
  readonly protocol: Protocol;
  /** Set when it has ended. */
  readonly outcome: Outcome | undefined;
  input(input: Input, now: number): void;
  pollTransmit(): Transmit | undefined;
}

export const NO_ANSWER: Outcome = { ok: false, heard: false, why: 'no answer' };
