import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';

/** TLS is spoken by a gateway to its provider alone: phones and adaptors are in the overlay, which encrypts. */
export type SipTransport = 'udp' | 'tcp' | 'tls';

/**
 * Where a SIP message came in, or goes out: the sans-IO side of a socket (RFC 5626's flow). Two flows are the same when their `key` is.
 */
export interface SipFlow {
  readonly transport: SipTransport;
  /** Our end. */
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** Of TCP and TLS the connection, of UDP both ends. */
  readonly key: string;
}

interface Ends {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

export function udpFlow({ local, remote }: Ends): SipFlow {
  return { transport: 'udp', local, remote, key: `udp ${formatSocketAddress(local)} ${formatSocketAddress(remote)}` };
}

/** A connection that is opened when there is none to this address; `local` without the port that it then gets. */
export function tcpFlow({ local, remote }: Ends): SipFlow {
  return { transport: 'tcp', local, remote, key: `tcp ${local.address} ${formatSocketAddress(remote)}` };
}

/** As `tcpFlow`, with TLS in it. */
export function tlsFlow({ local, remote }: Ends): SipFlow {
  return { transport: 'tls', local, remote, key: `tls ${local.address} ${formatSocketAddress(remote)}` };
}

export function flowBy(transport: SipTransport, ends: Ends): SipFlow {
  switch (transport) {
    case 'udp':
      return udpFlow(ends);
    case 'tcp':
      return tcpFlow(ends);
    case 'tls':
      return tlsFlow(ends);
  }
}
