import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { type ReportError, reporting } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { UpstreamEvents, UpstreamExchange, UpstreamTransport } from './forwarder.ts';
import { frameMessage, MessageStream } from './message-stream.ts';

/** As the other, but what becomes of an event ends that event alone. */
export function reportingTransport(transport: UpstreamTransport, report: ReportError): UpstreamTransport {
  const guarded = ({ message, failed }: UpstreamEvents): UpstreamEvents => ({
    message: (bytes) => void reporting(report, 'dns upstream', () => message(bytes)),
    failed: () => void reporting(report, 'dns upstream', failed),
  });
  return {
    udp: (server, query, events) => transport.udp(server, query, guarded(events)),
    tcp: (server, query, events) => transport.tcp(server, query, guarded(events)),
  };
}

/** Real sockets. A UDP socket is connected: the kernel drops what comes from others, and reports a closed port at once. */
export const socketTransport: UpstreamTransport = {
  udp(server: SocketAddress, query: Uint8Array, events: UpstreamEvents): UpstreamExchange {
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4');
    let open = true;
    const close = (): void => {
      if (!open) return;
      open = false;
      socket.close();
    };
    const fail = (): void => {
      if (!open) return;
      close();
      events.failed();
    };
    socket.on('error', fail);
    socket.on('message', (bytes) => events.message(bytes));
    // Of a server that no route leads to, the callback is told, and nobody else.
    socket.connect(server.port, server.address, (error?: Error) => {
      if (!open) return;
      if (error !== undefined) {
        fail();
        return;
      }
      // The caller uses its buffer again for the next try.
      socket.send(Uint8Array.from(query), (error) => {
        if (error !== null) fail();
      });
    });
    return { close };
  },

  tcp(server: SocketAddress, query: Uint8Array, events: UpstreamEvents): UpstreamExchange {
    const socket = connect(server.port, server.address);
    const stream = new MessageStream();
    let open = true;
    const close = (): void => {
      open = false;
      socket.destroy();
    };
    const fail = (): void => {
      if (!open) return;
      close();
      events.failed();
    };
    socket.on('error', fail);
    socket.on('close', fail);
    socket.on('data', (bytes) => {
      for (const message of stream.push(bytes)) if (open) events.message(message);
    });
    socket.write(frameMessage(query));
    return { close };
  },
};
