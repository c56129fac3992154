import { concatBytes } from '../../../src/base/bytes.ts';
import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import type { Datagram } from './datagram.ts';
import type { EventLoop } from './event-loop.ts';
import type { SimHost } from './host.ts';

/** Linux: the first of a connection, and the least (RFC 6298 has a second); doubled each time. */
const FIRST_RTO_MS = 1_000;
const MIN_RTO_MS = 200;
const MAX_RTO_MS = 120_000;
/** RFC 5681 s3.2. */
const DUPLICATE_ACKS = 3;
/** In flight; what the path would carry is not looked for. */
const WINDOW = 64;
/** As in native/src/stream/streams.cc (TCP_USER_TIMEOUT): nothing acknowledged for so long is the end. */
const USER_TIMEOUT_MS = 15_000;
const FIRST_EPHEMERAL_PORT = 32_768;

const [SYN, ACK, RST, FIN] = [1, 2, 4, 8];
const HEADER_BYTES = 9;

type EndReason = 'closed' | 'reset' | 'timeout';

interface Segment {
  readonly flags: number;
  readonly data: Uint8Array;
  sentAt: number;
  again: boolean;
}

interface Handlers {
  opened(): void;
  /** One chunk, as it was sent: in order, and once. */
  received(data: Uint8Array): void;
  ended(reason: EndReason): void;
}

/**
 * One end of a connection: chunks arrive in order, late when some are lost, or not at all any more.
 *
 *   connecting ──SYN and ACK──> open ──FIN, RST, nothing acknowledged for 15 s──> closed
 */
class Connection {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  handlers: Handlers = { opened: () => undefined, received: () => undefined, ended: () => undefined };
  private readonly loop: EventLoop;
  private readonly transmit: (connection: Connection, segment: Uint8Array) => void;
  private readonly forget: (connection: Connection) => void;
  private state: 'connecting' | 'open' | 'closed' = 'connecting';
  // What is sent: numbers from the SYN's 0 on, one for each chunk.
  private readonly unacknowledged: Segment[] = [];
  private readonly waiting: Segment[] = [];
  private base = 0;
  private duplicates = 0;
  /** Lost ones before it are sent again, each when the one before is acknowledged (RFC 6582). */
  private recoverTo = -1;
  private rtoMs = FIRST_RTO_MS;
  private srtt: number | undefined;
  private rttvar = 0;
  private progressAt: number;
  private timer = 0;
  // What comes.
  private expected = 0;
  private readonly early = new Map<number, { readonly flags: number; readonly data: Uint8Array }>();

  constructor(
    components: {
      readonly loop: EventLoop;
      readonly transmit: (connection: Connection, segment: Uint8Array) => void;
      readonly forget: (connection: Connection) => void;
    },
    local: SocketAddress,
    remote: SocketAddress,
  ) {
    this.loop = components.loop;
    this.transmit = components.transmit;
    this.forget = components.forget;
    this.local = local;
    this.remote = remote;
    this.progressAt = this.loop.now;
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Of what has not left yet. */
  get waitingBytes(): number {
    return this.waiting.reduce((sum, { data }) => sum + data.length, 0);
  }

  /** The first word; the other end answers with its own. */
  begin(): void {
    this.queue(SYN, new Uint8Array());
  }

  send(data: Uint8Array): void {
    if (this.state !== 'closed') this.queue(0, data);
  }

  /** Nothing more is heard, and the other end is told behind all that waits. */
  close(): void {
    if (this.state === 'closed') return;
    this.queue(FIN, new Uint8Array());
    this.end(undefined);
  }

  /** The socket's address is gone, say: nobody is told. */
  abandon(): void {
    this.end(undefined);
  }

  receive(flags: number, number: number, acknowledged: number, data: Uint8Array): void {
    if (this.state === 'closed') return;
    if ((flags & RST) !== 0) {
      this.end('reset');
      return;
    }
    if ((flags & ACK) !== 0) this.takeAcknowledgement(acknowledged, flags, data);
    const carries = data.length > 0 || (flags & (SYN | FIN)) !== 0;
    if (!carries) return;
    if (number >= this.expected) this.early.set(number, { flags, data });
    let ended = false;
    for (let next = this.early.get(this.expected); next !== undefined; next = this.early.get(this.expected)) {
      this.early.delete(this.expected);
      this.expected += 1;
      if ((next.flags & SYN) !== 0) this.synchronized();
      else if ((next.flags & FIN) !== 0) ended = true;
      else this.handlers.received(next.data);
    }
    this.emit(ACK, 0, new Uint8Array());
    if (ended) this.end('closed');
  }

  private synchronized(): void {
    if (this.state !== 'connecting') return;
    this.state = 'open';
    this.handlers.opened();
  }

  private queue(flags: number, data: Uint8Array): void {
    this.waiting.push({ flags, data, sentAt: 0, again: false });
    this.pump();
  }

  private pump(): void {
    // Behind the SYN nothing leaves before it is acknowledged.
    while (this.waiting.length > 0 && this.unacknowledged.length < WINDOW) {
      if (this.unacknowledged[0] !== undefined && (this.unacknowledged[0].flags & SYN) !== 0) break;
      const next = this.waiting.shift() as Segment;
      next.sentAt = this.loop.now;
      this.unacknowledged.push(next);
      if (this.unacknowledged.length === 1) {
        this.progressAt = this.loop.now;
        this.arm();
      }
      this.emit(next.flags | ACK, this.base + this.unacknowledged.length - 1, next.data);
    }
  }

  private takeAcknowledgement(acknowledged: number, flags: number, data: Uint8Array): void {
    const count = acknowledged - this.base;
    if (count > 0 && count <= this.unacknowledged.length) {
      const last = this.unacknowledged[count - 1];
      // Karn: of what was sent twice nobody knows which one it is.
      if (last?.again === false) this.measure(this.loop.now - last.sentAt);
      this.unacknowledged.splice(0, count);
      this.base = acknowledged;
      this.duplicates = 0;
      this.progressAt = this.loop.now;
      this.settleRto();
      this.arm();
      if (this.base < this.recoverTo) this.resend();
      this.pump();
    } else if (count === 0 && this.unacknowledged.length > 0 && data.length === 0 && (flags & (SYN | FIN)) === 0) {
      this.duplicates += 1;
      if (this.duplicates === DUPLICATE_ACKS && this.base >= this.recoverTo) {
        this.recoverTo = this.base + this.unacknowledged.length;
        this.resend();
      }
    }
  }

  /** RFC 6298 s2. */
  private measure(rtt: number): void {
    if (this.srtt === undefined) [this.srtt, this.rttvar] = [rtt, rtt / 2];
    else {
      this.rttvar = 0.75 * this.rttvar + 0.25 * Math.abs(this.srtt - rtt);
      this.srtt = 0.875 * this.srtt + 0.125 * rtt;
    }
  }

  /** Not doubled any more: what left last has arrived. */
  private settleRto(): void {
    this.rtoMs = this.srtt === undefined ? FIRST_RTO_MS : Math.max(MIN_RTO_MS, this.srtt + 4 * this.rttvar);
  }

  private arm(): void {
    const timer = ++this.timer;
    if (this.unacknowledged.length === 0) return;
    this.loop.after(this.rtoMs, () => {
      if (this.timer !== timer || this.unacknowledged.length === 0) return;
      if (this.loop.now - this.progressAt >= USER_TIMEOUT_MS) {
        this.end('timeout');
        return;
      }
      this.rtoMs = Math.min(2 * this.rtoMs, MAX_RTO_MS, Math.max(1, this.progressAt + USER_TIMEOUT_MS - this.loop.now));
      this.recoverTo = this.base + this.unacknowledged.length;
      this.resend();
      this.arm();
    });
  }

  private resend(): void {
    const [first] = this.unacknowledged;
    if (first === undefined) return;
    for (const each of this.unacknowledged) each.again = true;
    this.emit(first.flags | ACK, this.base, first.data);
  }

  private emit(flags: number, number: number, data: Uint8Array): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt8(this.expected === 0 ? flags & ~ACK : flags, 0);
    header.writeUInt32BE(number, 1);
    header.writeUInt32BE(this.expected, 5);
    this.transmit(this, concatBytes(header, data));
  }

  private end(reason: EndReason | undefined): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.timer += 1;
    this.forget(this);
    if (reason !== undefined) this.handlers.ended(reason);
  }
}

export type SimConnection = Connection;

/** TCP of one host, as far as streams need it: what is lost comes late, and a connection breaks with the address that it has. */
export class SimTcp {
  private readonly loop: EventLoop;
  private readonly host: SimHost;
  private readonly listen: readonly SocketAddress[];
  private readonly accept: (connection: SimConnection) => void;
  private readonly connections = new Map<string, Connection>();
  private readonly bound: boolean;
  private nextPort = FIRST_EPHEMERAL_PORT;

  /** @param listen any address of the host does where it is the unspecified one. */
  constructor(
    components: { readonly loop: EventLoop; readonly host: SimHost; readonly accept: (made: SimConnection) => void },
    listen: readonly SocketAddress[],
  ) {
    this.loop = components.loop;
    this.host = components.host;
    this.accept = components.accept;
    this.listen = listen;
    this.bound = this.host.bindTcp((datagram) => this.receive(datagram));
    if (!this.bound && listen.length > 0) throw new Error('another node of this host has its TCP');
  }

  /** @returns undefined: no route. Set its handlers at once. */
  connect(remote: SocketAddress): SimConnection | undefined {
    if (!this.bound) throw new Error('another node of this host has its TCP');
    const address = this.host.sourceFor(remote.address);
    if (address === undefined) return undefined;
    const connection = this.add({ address, port: this.nextPort++ }, remote);
    connection.begin();
    return connection;
  }

  /** As when the machine dies: nobody is told. */
  close(): void {
    for (const connection of [...this.connections.values()]) connection.abandon();
    if (this.bound) this.host.bindTcp(undefined);
  }

  private add(local: SocketAddress, remote: SocketAddress): Connection {
    const { loop } = this;
    const transmit = (from: Connection, segment: Uint8Array): void =>
      void this.host.sendTcp(from.local, from.remote, segment);
    const forget = (ended: Connection): void => void this.connections.delete(keyOf(ended.local, ended.remote));
    const connection = new Connection({ loop, transmit, forget }, local, remote);
    this.connections.set(keyOf(local, remote), connection);
    return connection;
  }

  private receive({ source, destination, data }: Datagram): void {
    const header = Buffer.from(data.subarray(0, HEADER_BYTES));
    const flags = header.readUInt8(0);
    let connection = this.connections.get(keyOf(destination, source));
    const isFirst = (flags & SYN) !== 0 && (flags & ACK) === 0;
    if (connection === undefined && isFirst && this.isListening(destination)) {
      connection = this.add(destination, source);
      this.accept(connection);
      connection.receive(flags, header.readUInt32BE(1), header.readUInt32BE(5), data.subarray(HEADER_BYTES));
      connection.begin();
      return;
    }
    if (connection !== undefined)
      connection.receive(flags, header.readUInt32BE(1), header.readUInt32BE(5), data.subarray(HEADER_BYTES));
    else if ((flags & RST) === 0) this.host.sendTcp(destination, source, Buffer.of(RST, 0, 0, 0, 0, 0, 0, 0, 0));
  }

  private isListening(at: SocketAddress): boolean {
    return this.listen.some((each) =>
      each.address === '0.0.0.0' ? each.port === at.port : sameSocketAddress(each, at),
    );
  }
}

function keyOf(local: SocketAddress, remote: SocketAddress): string {
  return `${formatSocketAddress(local)} ${formatSocketAddress(remote)}`;
}
