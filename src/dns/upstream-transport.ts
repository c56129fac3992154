import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { SocketAddress } from '../base/socket-address.ts';
import type { UpstreamEvents, UpstreamExchange, UpstreamTransport } from './forwarder.ts';
import { frameMessage, MessageStream } from './message-stream.ts';

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
    socket.connect(server.port, server.address, () => {
      if (!open) return;
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
