import type { SocketAddress } from '../base/socket-address.ts';

/** RFC 8489 s5: the two class bits. */
export type StunClass = 'request' | 'indication' | 'success' | 'error';

/** RFC 8489 s18.2. */
export const BINDING_METHOD = 0x001;
/** RFC 8656 s17. */
export const ALLOCATE_METHOD = 0x003;
export const REFRESH_METHOD = 0x004;
export const DATA_METHOD = 0x007;
export const CREATE_PERMISSION_METHOD = 0x008;
export const CHANNEL_BIND_METHOD = 0x009;

/**
 * Attributes by name, each at most once (RFC 8489 s14: only the first of several counts, but of relayed and of peer addresses). What protects the message
 * (MESSAGE-INTEGRITY, FINGERPRINT) is not among them: `encodeStun` adds it, `verifyIntegrity` checks it.
 */
export interface StunAttributes {
  readonly software?: string;
  /** 0 to 2^32-1 (RFC 8445 s7.1.1). */
  readonly priority?: number;
  readonly useCandidate?: true;
  /** Tie-breaker of a sender in this role, 64 bits (RFC 8445 s7.1.3). */
  readonly iceControlled?: bigint;
  readonly iceControlling?: bigint;
  readonly username?: string;
  readonly realm?: string;
  readonly nonce?: string;
  /** Hexadecimal, 64 digits (RFC 8489 s14.4). */
  readonly userhash?: string;
  readonly errorCode?: StunErrorCode;
  /** Attribute types. */
  readonly unknownAttributes?: readonly number[];
  readonly mappedAddress?: SocketAddress;
  readonly xorMappedAddress?: SocketAddress;
  /** RFC 8656 s18: 0x4000 to 0x4fff. */
  readonly channelNumber?: number;
  /** Seconds. */
  readonly lifetime?: number;
  readonly xorPeerAddress?: SocketAddress;
  readonly xorRelayedAddress?: SocketAddress;
  /** A protocol of IP: 17 is UDP. */
  readonly requestedTransport?: number;
  /** The relayed port is to be even; true: and the next one reserved (RFC 8656 s18.8). */
  readonly evenPort?: boolean;
  /** Of a dual allocation, the second of its addresses: XOR-RELAYED-ADDRESS again, which alone may be there twice (RFC 8656 s7.2). */
  readonly additionalRelayedAddress?: SocketAddress;
  /** 1 is IPv4, 2 is IPv6. */
  readonly requestedAddressFamily?: number;
  /** As above: beside an IPv4 address, 2 (RFC 8656 s18.11). */
  readonly additionalAddressFamily?: number;
  /** The same, under the number that coturn knows. Written only. */
  readonly draftAdditionalAddressFamily?: number;
  /** Why there is no address of that family (RFC 8656 s18.12). */
  readonly addressErrorCode?: StunErrorCode & { readonly family: number };
  /** What came from, or goes to, the peer. */
  readonly data?: Uint8Array;
  readonly passwordAlgorithm?: PasswordAlgorithm;
  readonly passwordAlgorithms?: readonly PasswordAlgorithm[];
  /** What of its address a server is to answer from instead of (RFC 5780 s7.2). Written only: no server of ours has two. */
  readonly changeRequest?: { readonly address: boolean; readonly port: boolean };
  /** The server's other address and other port (RFC 5780 s7.4). */
  readonly otherAddress?: SocketAddress;
  /** Bytes of PADDING content (RFC 5780 s7.6); its value means nothing. */
  readonly paddingLength?: number;
}

/** RFC 8489 s14.11, s14.12. */
export interface PasswordAlgorithm {
  /** s18.5: 1 is MD5, 2 is SHA-256. */
  readonly number: number;
  readonly parameters: Uint8Array;
}

export interface StunErrorCode {
  /** 300 to 699. */
  readonly code: number;
  readonly reason: string;
}

export interface StunMessage {
  readonly class: StunClass;
  /** 0 to 0xfff. */
  readonly method: number;
  /** Hexadecimal, 24 digits. */
  readonly transactionId: string;
  readonly attributes: StunAttributes;
  /** Of decoded messages: comprehension-required attribute types that mean nothing here (a request with one gets 420). */
  readonly unknownRequired?: readonly number[];
  /** Of decoded messages: every XOR-PEER-ADDRESS, which alone may be there several times (RFC 8656 s10.1). */
  readonly peerAddresses?: readonly SocketAddress[];
  /** Of decoded messages: where the integrity attributes start, bytes from the start of the message. */
  readonly integrity?: { readonly sha1?: number; readonly sha256?: number };
  /** Of decoded messages: the whole of it, in bytes. An answer to an address that proved nothing may not be longer. */
  readonly byteLength?: number;
}
