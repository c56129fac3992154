import type { SocketAddress } from '../base/socket-address.ts';

/** Where one server saw one of our addresses, and when last. */
export interface Reflexive {
  readonly base: SocketAddress;
  readonly server: SocketAddress;
  readonly mapped: SocketAddress;
  readonly seenAt: number;
}

/** What comes to `external` a router sends on to one of our addresses. */
export interface Forwarded {
  readonly base: SocketAddress;
  readonly external: SocketAddress;
}
