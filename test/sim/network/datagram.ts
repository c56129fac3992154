import type { SocketAddress } from '../../../src/base/socket-address.ts';

/** One UDP datagram, or TCP segment (sim-tcp.ts), on its way through the simulated network. */
export interface Datagram {
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly data: Uint8Array;
  /** Absent: UDP. */
  readonly transport?: 'tcp';
}

/** What takes datagrams from a segment: the interface of a host, one side of a NAT. */
export interface Attachment {
  receive(datagram: Datagram): void;
}
