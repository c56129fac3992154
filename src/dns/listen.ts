import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { IdlocError, messageOf } from '../base/errors.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';

/** Another program may have the number that is free for UDP for TCP. */
const MAX_FREE_PORTS = 16;

/** File descriptors of bound sockets. */
export interface InheritedSockets {
  readonly udp?: number | undefined;
  readonly tcp?: number | undefined;
}

/**
 * Sockets for UDP and TCP at one port; at port 0 any that is free for both.
 * @param bind takes the address for UDP
 * @throws {Error} of the system, when the address is taken or needs privilege.
 */
export async function listenOnBoth(
  listen: SocketAddress,
  inherited: InheritedSockets | undefined,
  bind = bindUdp,
): Promise<{ readonly udp: UdpSocket; readonly tcp: Server }> {
  const isFree = listen.port === 0 && inherited?.udp === undefined && inherited?.tcp === undefined;
  for (let left = isFree ? MAX_FREE_PORTS : 1; ; left--) {
    const udp = await bind(listen, inherited?.udp);
    try {
      const tcp = await listenTcp({ address: listen.address, port: udp.address().port }, inherited?.tcp);
      return { udp, tcp };
    } catch (error) {
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      if (left === 1 || codeOf(error) !== 'EADDRINUSE') throw error;
    }
  }
}

export function bindUdp(listen: SocketAddress, fd: number | undefined): Promise<UdpSocket> {
  const socket = createSocket(listen.address.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    const done = (): void => {
      socket.removeAllListeners('error');
      resolve(socket);
    };
    if (fd === undefined) socket.bind({ address: listen.address, port: listen.port }, done);
    else socket.bind({ fd }, done);
  });
}

function listenTcp(listen: SocketAddress, fd: number | undefined): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const done = (): void => {
      server.off('error', reject);
      resolve(server);
    };
    if (fd === undefined) server.listen(listen.port, listen.address, done);
    else server.listen({ fd }, done);
  });
}

/** For the person who chose the address. */
export function listenError(listen: SocketAddress, error: unknown): IdlocError {
  const where = formatSocketAddress(listen);
  const code = codeOf(error);
  if (code === 'EADDRINUSE') {
    return new IdlocError(
      'port_in_use',
      `DNS on ${where}: another program has that port: choose another with dns.listen`,
      {
        cause: error,
      },
    );
  }
  if (code === 'EACCES') {
    const advice = 'use a port above 1023 with dns.listen, or run it as the service idloc';
    return new IdlocError('no_privilege', `DNS on ${where}: no permission for that port: ${advice}`, { cause: error });
  }
  return new IdlocError('dns_listen', `DNS on ${where}: ${messageOf(error)}: choose another address with dns.listen`, {
    cause: error,
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
