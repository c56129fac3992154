import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../base/errors.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { bindSocket } from '../native/bound-socket.ts';

// Implementation constants.

/** Another program on our port may end; an address may come to the interface later. */
const RETRY_MS = 2_000;
/** What the kernel does not take at once; more would be late anyway. */
const MAX_UNSENT_BYTES = 1_048_576;

export interface SipListenerHooks {
  readonly datagram: (bytes: Uint8Array, from: RemoteInfo) => void;
  readonly connection: (socket: Socket) => void;
  /** Undefined: it listens on that transport now. */
  readonly changed: (transport: 'udp' | 'tcp', failure: unknown) => void;
}

/** UDP and TCP at one address, each bound as soon as that is possible: tried again and again until then. */
export class SipListener {
  readonly local: SocketAddress;
  private readonly interfaceName: () => string;
  private readonly hooks: SipListenerHooks;
  private udp: UdpSocket | undefined;
  private tcp: Server | undefined;
  private udpBound = false;
  private tcpListens = false;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  /** @param options.interfaceName by which what is heard must come, if not from this host; may throw while there is none. */
  constructor(
    hooks: SipListenerHooks,
    options: { readonly local: SocketAddress; readonly interfaceName: () => string },
  ) {
    this.hooks = hooks;
    this.local = options.local;
    this.interfaceName = options.interfaceName;
    this.bind();
  }

  get listens(): { readonly udp: boolean; readonly tcp: boolean } {
    return { udp: this.udpBound, tcp: this.tcpListens };
  }

  /** @returns false: not sent. What the network loses, SIP sends again. */
  send(bytes: Uint8Array, { address, port }: SocketAddress): boolean {
    const { udp } = this;
    // A Contact or a Via may name port 0, from which a datagram may come, too: nobody is there (RFC 768 leaves it to senders).
    if (port === 0 || udp === undefined || !this.udpBound) return false;
    if (udp.getSendQueueSize() + bytes.length > MAX_UNSENT_BYTES) return false;
    // An error of one datagram (unreachable, too long) is the other end's silence.
    udp.send(bytes, port, address, () => undefined);
    return true;
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    const { udp, tcp } = this;
    this.udp = undefined;
    this.tcp = undefined;
    this.udpBound = false;
    this.tcpListens = false;
    await Promise.all([
      udp === undefined ? undefined : new Promise<void>((resolve) => udp.close(() => resolve())),
      tcp === undefined ? undefined : new Promise<void>((resolve) => tcp.close(() => resolve())),
    ]);
  }

  private bind(): void {
    if (this.udp === undefined) this.attempt('udp', () => this.bindUdp());
    if (this.tcp === undefined) this.attempt('tcp', () => this.listenTcp());
    if (this.udp === undefined || this.tcp === undefined) this.bindLater();
  }

  private bindLater(): void {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.bind(), RETRY_MS).unref();
  }

  private attempt(transport: 'udp' | 'tcp', bind: () => void): void {
    try {
      bind();
    } catch (error) {
      this.hooks.changed(transport, error);
    }
  }

  private bindUdp(): void {
    const fd = bindSocket('udp', this.local, this.interfaceName());
    const socket = createSocket(this.local.address.includes(':') ? 'udp6' : 'udp4');
    this.udp = socket;
    socket.on('message', (bytes, from) => this.hooks.datagram(bytes, from));
    socket.on('error', (error) => this.failed('udp', error));
    socket.bind({ fd, exclusive: true }, () => {
      if (this.stopped) return;
      this.udpBound = true;
      this.hooks.changed('udp', undefined);
    });
  }

  private listenTcp(): void {
    const fd = bindSocket('tcp', this.local, this.interfaceName());
    const server = createServer((socket) => this.hooks.connection(socket));
    this.tcp = server;
    server.on('error', (error) => this.failed('tcp', error));
    server.listen({ fd }, () => {
      if (this.stopped) return;
      this.tcpListens = true;
      this.hooks.changed('tcp', undefined);
    });
  }

  /** Of a socket that had been made: the interface went away under it. */
  private failed(transport: 'udp' | 'tcp', error: unknown): void {
    if (this.stopped) return;
    if (transport === 'udp') {
      this.udp?.close();
      this.udp = undefined;
      this.udpBound = false;
    } else {
      this.tcp?.close();
      this.tcp = undefined;
      this.tcpListens = false;
    }
    this.hooks.changed(transport, new Error(messageOf(error), { cause: error }));
    this.bindLater();
  }
}
