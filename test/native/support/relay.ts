import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { once } from 'node:events';

export type Direction = 'forward' | 'backward';
/** What to send on instead of this datagram. */
export type Treatment = (data: Uint8Array, direction: Direction) => readonly Uint8Array[];

/** A bound UDP socket on 127.0.0.1. */
export async function openSocket(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** The next datagram at a socket. */
export async function receiveOne(socket: Socket): Promise<Uint8Array> {
  const [data] = (await once(socket, 'message')) as [Buffer];
  return Uint8Array.from(data);
}

/** Stands between two hosts, as a path that loses, repeats, reorders or changes datagrams. */
export class Relay {
  treatment: Treatment = (data) => [data];
  private readonly front: Socket;
  private readonly back: Socket;

  private constructor(front: Socket, back: Socket) {
    this.front = front;
    this.back = back;
  }

  /** `client` and `server` are ports on 127.0.0.1. */
  static async open(client: number, server: number): Promise<Relay> {
    const relay = new Relay(await openSocket(), await openSocket());
    relay.front.on('message', (data) => relay.pass(data, 'forward', relay.back, server));
    relay.back.on('message', (data) => relay.pass(data, 'backward', relay.front, client));
    return relay;
  }

  /** Where the client finds the server, and where the server finds the client. */
  get clientSide(): { address: string; port: number } {
    return { address: '127.0.0.1', port: this.front.address().port };
  }
  get serverSide(): { address: string; port: number } {
    return { address: '127.0.0.1', port: this.back.address().port };
  }

  close(): void {
    this.front.close();
    this.back.close();
  }

  private pass(data: Buffer, direction: Direction, out: Socket, port: number): void {
    for (const piece of this.treatment(Uint8Array.from(data), direction)) out.send(piece, port, '127.0.0.1');
  }
}
