import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import fc from 'fast-check';

export type Direction = 'forward' | 'backward';
/** What to send on instead of this datagram. */
export type Treatment = (data: Uint8Array, direction: Direction) => readonly Uint8Array[];

/** A path that loses, repeats and reorders one datagram in eight each. */
export function unreliable(seed: number): Treatment {
  const draws = fc.sample(fc.integer({ min: 0, max: 7 }), { seed, numRuns: 4096 });
  const held: Record<Direction, Uint8Array[]> = { forward: [], backward: [] };
  let at = 0;
  return (data, direction) => {
    const draw = draws[at++ % draws.length];
    if (draw === 0) return [];
    if (draw === 1) return [data, data];
    if (draw !== 2) return [data, ...held[direction].splice(0)];
    held[direction].push(data);
    return [];
  };
}

/** A bound UDP socket. */
export async function openSocket(address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(0, address);
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
  private client: number;
  private readonly server: number;
  private readonly front: Socket;
  private back: Socket;
  private readonly arrivals = new EventEmitter();
  private arrived = 0;

  private constructor(client: number, server: number, front: Socket, back: Socket) {
    this.client = client;
    this.server = server;
    this.front = front;
    this.back = back;
    front.on('message', (data, { port }) => {
      if (this.client === 0) this.client = port;
      this.deliver(data, 'forward');
    });
    back.on('message', (data) => this.deliver(data, 'backward'));
  }

  /** `client` and `server` are ports on 127.0.0.1; 0: the client is whoever sends first. */
  static async open(client: number, server: number): Promise<Relay> {
    return new Relay(client, server, await openSocket(), await openSocket());
  }

  /** As a NAT that lost its mapping: the server sees the client elsewhere from now on, and nothing passes the old way. */
  async rebind(): Promise<{ address: string; port: number }> {
    const back = await openSocket();
    back.on('message', (data) => this.deliver(data, 'backward'));
    this.back.close();
    this.back = back;
    return this.serverSide;
  }

  /** Treats and sends on a datagram. */
  deliver(data: Uint8Array, direction: Direction): void {
    this.arrived += 1;
    const [out, port] = direction === 'forward' ? [this.back, this.server] : [this.front, this.client];
    for (const piece of this.treatment(Uint8Array.from(data), direction)) out.send(piece, port, '127.0.0.1');
    this.arrivals.emit('datagram');
  }

  /** Resolves when `count` more datagrams have come than by now. */
  async passed(count: number): Promise<void> {
    const until = this.arrived + count;
    while (this.arrived < until) await once(this.arrivals, 'datagram');
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
}
