import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';

/**
 * Where a SIP message came in, or goes out: the sans-IO side of a socket (RFC 5626's flow). Two flows are the same when their `key` is.
 */
export interface SipFlow {
  readonly transport: 'udp' | 'tcp';
  /** Our end. */
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /** Of TCP the connection, of UDP both ends. */
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
