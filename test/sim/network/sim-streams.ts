import { concatBytes } from '../../../src/base/bytes.ts';
import { formatSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import { fromStreamAddress, isStreamAddress, toStreamAddress } from '../../../src/base/stream-address.ts';
import type { EventLoop } from './event-loop.ts';
import type { SimHost } from './host.ts';
import { SimTcp, type SimConnection } from './sim-tcp.ts';

/** As in native/src/stream/streams.h and tls_stream.h. */
const MAX_DIALED = 16;
const MAX_ACCEPTED = 256;
const GRACE_MS = 15_000;
const DIALED_GRACE_MS = 60_000;
const HANDSHAKE_MS = 10_000;
const IDLE_MS = 60_000;
const SWEEP_MS = 2_000;
const SILENCE_MS = 3_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const MAX_EARLY_BYTES = 16 * 1024;
/** What programs send here is urgent, all of it. */
const MAX_WAITING_BYTES = 32 * 1024;

/** TLS 1.3 (RFC 8446 s2): a ClientHello, the server's flight, the client's Finished; then datagrams. */
const [CLIENT_HELLO, SERVER_FLIGHT, FINISHED, DATAGRAM] = [1, 2, 3, 4];

interface Stream {
  readonly remote: SocketAddress;
  readonly dialed: boolean;
  connection: SimConnection | undefined;
  isOpen: boolean;
  startedAt: number;
  heardAt: number;
  /** Accepted, or last used by a link. */
  since: number;
  /** Since it was last heard something was sent to it. */
  spokenAt: number | undefined;
  notBefore: number;
  pauseMs: number;
  /** Until TLS is done. */
  early: Uint8Array[];
}

/**
 * Streams of one host (native/src/stream/streams.h), over TCP of the simulated network; TLS is its round trips alone.
 *
 *   dial ──> connecting ──TCP, TLS──> open ──failed, silent, idle──> absent ──the next datagram──> connecting
 *   accepted ──TLS──> open ──failed, idle, no link──> forgotten
 */
export class SimStreams {
  /** Of all that were dialed and accepted. */
  begun = 0;
  private readonly loop: EventLoop;
  private readonly host: SimHost;
  private readonly deliver: (remote: SocketAddress, datagram: Uint8Array) => void;
  private readonly used: (remote: SocketAddress, dialed: boolean) => boolean;
  private readonly tcp: SimTcp;
  private readonly streams = new Map<string, Stream>();
  private sweeping = false;
  private closed = false;

  constructor(
    components: {
      readonly loop: EventLoop;
      readonly host: SimHost;
      readonly deliver: (remote: SocketAddress, datagram: Uint8Array) => void;
      /** Whether a link goes by it. */
      readonly used: (remote: SocketAddress, dialed: boolean) => boolean;
    },
    listen: readonly SocketAddress[],
  ) {
    this.loop = components.loop;
    this.host = components.host;
    this.deliver = components.deliver;
    this.used = components.used;
    const { loop, host } = components;
    this.tcp = new SimTcp({ loop, host, accept: (connection) => this.accept(connection) }, listen);
  }

  /** Those with a connection. */
  get count(): number {
    return [...this.streams.values()].filter(({ connection }) => connection !== undefined).length;
  }

  dial(remote: SocketAddress): void {
    if (this.closed || !isStreamAddress(remote.address)) return;
    let stream = this.streams.get(formatSocketAddress(remote));
    if (stream === undefined) {
      if ([...this.streams.values()].filter(({ dialed }) => dialed).length >= MAX_DIALED) return;
      stream = this.add(remote, true);
    }
    if (!stream.dialed) return;
    const { now } = this.loop;
    stream.since = now;
    const isSilent = stream.spokenAt !== undefined && now - stream.spokenAt > SILENCE_MS;
    if (stream.connection?.isOpen === true && isSilent) this.end(stream, 'silent');
    stream.notBefore = Math.min(stream.notBefore, now);
    if (stream.connection === undefined) this.connect(stream);
  }

  /** @returns false: it is dropped. */
  send(remote: SocketAddress, datagram: Uint8Array): boolean {
    const stream = this.streams.get(formatSocketAddress(remote));
    if (stream?.dialed === true && stream.connection === undefined && this.loop.now >= stream.notBefore)
      this.connect(stream);
    const { connection } = stream ?? {};
    if (stream === undefined || connection === undefined) return false;
    const waiting = stream.isOpen ? connection.waitingBytes : stream.early.reduce((sum, { length }) => sum + length, 0);
    if (waiting + datagram.length > (stream.isOpen ? MAX_WAITING_BYTES : MAX_EARLY_BYTES)) return false;
    stream.spokenAt ??= this.loop.now;
    if (stream.isOpen) connection.send(concatBytes(Uint8Array.of(DATAGRAM), datagram));
    else stream.early.push(datagram.slice());
    return true;
  }

  /** A dialed one whose address is gone is dialed anew with the next datagram. */
  networkChanged(): void {
    for (const stream of this.streams.values()) {
      if (!stream.dialed) continue;
      const local = stream.connection?.local.address;
      if (local !== undefined && this.host.deviceOf(local) !== undefined) continue;
      if (local !== undefined) this.end(stream, 'address gone');
      stream.pauseMs = stream.notBefore = 0;
    }
  }

  /** As when the machine dies. */
  close(): void {
    this.closed = true;
    this.streams.clear();
    this.tcp.close();
  }

  private add(remote: SocketAddress, dialed: boolean): Stream {
    const { now } = this.loop;
    const stream: Stream = {
      ...{ remote, dialed, connection: undefined, isOpen: false, early: [] },
      ...{ startedAt: now, heardAt: now, since: now, spokenAt: undefined, notBefore: now, pauseMs: 0 },
    };
    this.streams.set(formatSocketAddress(remote), stream);
    if (!this.sweeping) this.sweepLater();
    return stream;
  }

  private connect(stream: Stream): void {
    const { now } = this.loop;
    stream.pauseMs = Math.min(Math.max(2 * stream.pauseMs, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    stream.notBefore = now + stream.pauseMs;
    stream.spokenAt = undefined;
    const connection = this.tcp.connect(fromStreamAddress(stream.remote));
    if (connection === undefined) return;
    this.begin(stream, connection);
    connection.handlers.opened = () => connection.send(Uint8Array.of(CLIENT_HELLO));
  }

  private accept(connection: SimConnection): void {
    const remote = toStreamAddress(connection.remote);
    const before = this.streams.get(formatSocketAddress(remote));
    if (before?.dialed === false) this.end(before, 'its port is used again');
    if (this.streams.has(formatSocketAddress(remote)) || this.streams.size >= MAX_ACCEPTED) connection.abandon();
    else this.begin(this.add(remote, false), connection);
  }

  private begin(stream: Stream, connection: SimConnection): void {
    this.begun += 1;
    stream.connection = connection;
    stream.isOpen = false;
    stream.early = [];
    stream.startedAt = stream.heardAt = this.loop.now;
    connection.handlers.received = (chunk) => {
      if (stream.connection === connection) this.receive(stream, connection, chunk);
    };
    connection.handlers.ended = () => {
      if (stream.connection === connection) this.end(stream, 'connection');
    };
  }

  private receive(stream: Stream, connection: SimConnection, chunk: Uint8Array): void {
    stream.heardAt = this.loop.now;
    stream.spokenAt = undefined;
    switch (chunk[0]) {
      case CLIENT_HELLO:
        connection.send(Uint8Array.of(SERVER_FLIGHT));
        return;
      case SERVER_FLIGHT:
        connection.send(Uint8Array.of(FINISHED));
        this.opened(stream, connection);
        return;
      case FINISHED:
        this.opened(stream, connection);
        return;
      default:
        stream.pauseMs = 0;
        this.deliver(stream.remote, chunk.subarray(1));
    }
  }

  private opened(stream: Stream, connection: SimConnection): void {
    stream.isOpen = true;
    for (const datagram of stream.early.splice(0)) connection.send(concatBytes(Uint8Array.of(DATAGRAM), datagram));
  }

  private end(stream: Stream, why: 'silent' | 'connection' | 'address gone' | 'idle' | 'its port is used again'): void {
    const { connection } = stream;
    stream.connection = undefined;
    stream.isOpen = false;
    stream.spokenAt = undefined;
    stream.early = [];
    if (why === 'idle' || why === 'silent') connection?.close();
    else connection?.abandon();
    if (stream.dialed) stream.notBefore = Math.max(stream.notBefore, this.loop.now);
    else this.streams.delete(formatSocketAddress(stream.remote));
  }

  private sweepLater(): void {
    this.sweeping = true;
    this.loop.after(SWEEP_MS, () => {
      this.sweeping = false;
      if (this.closed) return;
      this.sweep();
      if (this.streams.size > 0) this.sweepLater();
    });
  }

  private sweep(): void {
    const { now } = this.loop;
    for (const [key, stream] of [...this.streams]) {
      if (this.used(stream.remote, stream.dialed)) stream.since = now;
      const isUnused = now - stream.since >= (stream.dialed ? DIALED_GRACE_MS : GRACE_MS);
      const deadline = stream.isOpen ? stream.heardAt + IDLE_MS : stream.startedAt + HANDSHAKE_MS;
      if (stream.connection !== undefined && (isUnused || now >= deadline)) this.end(stream, 'idle');
      if (stream.dialed && isUnused) this.streams.delete(key);
    }
  }
}
