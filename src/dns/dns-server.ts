import type { Socket as UdpSocket } from 'node:dgram';
import type { Server, Socket } from 'node:net';
import { type Clock, earliest } from '../base/clock.ts';
import { MalformedMessageError, type ReportError, reporting } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { MAX_TCP_CLIENTS, MAX_TCP_PENDING, TCP_IDLE_MS } from './constants.ts';
import { Forwarder } from './forwarder.ts';
import { LookupCache } from './lookup-cache.ts';
import {
  decodeEdns,
  decodeQuery,
  encodeHeaderError,
  encodeResponse,
  type Edns,
  isQuery,
  type Query,
  Rcode,
  type Response,
  udpLimit,
} from './message.ts';
import { listenError, listenOnBoth, type InheritedSockets } from './listen.ts';
import { frameMessage, MessageStream } from './message-stream.ts';
import type { NameLookup } from './name-lookup.ts';
import { UpstreamList } from './resolv-conf.ts';
import { reportingTransport, socketTransport } from './upstream-transport.ts';
import type { OwnSip } from './own-sip.ts';
import { OverlayZone } from './zone.ts';

export interface DnsServerComponents {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly report: ReportError;
}

/** The overlay whose names are answered. */
export interface DnsOverlay {
  readonly lookup: NameLookup;
  readonly overlay: string;
  /** `198.18.0.0/15`; undefined: the overlay has no IPv4 addresses. */
  readonly ipv4Prefix: string | undefined;
  /** The SIP proxy of this host, as it is now. */
  readonly ownSip?: () => OwnSip | undefined;
}

export interface DnsServerOptions {
  /** Where to bind. Port 0: any free one, the same for UDP and TCP. Ignored for kinds of socket that were handed over. */
  readonly listen: SocketAddress;
  /** Bound sockets of systemd's socket activation, as file descriptors. */
  readonly inherited?: InheritedSockets | undefined;
  /** Servers for the rest of the DNS; undefined: those of `/etc/resolv.conf`, as it changes. */
  readonly upstreams?: readonly SocketAddress[] | undefined;
}

export interface DnsCounters {
  queries: number;
  /** Answered from the overlay's zone. */
  answered: number;
  forwarded: number;
  servfail: number;
  formerr: number;
  /** Not worth an answer: no whole header, or an answer where a query belongs. */
  dropped: number;
}

/**
 * The DNS stub's sockets: a query comes in, the zone, the overlay or an upstream server answers it, always, within seconds.
 * `start` rejects when the address is taken or needs privilege; errors afterwards are logged and leave it running.
 */
export class DnsServer {
  readonly counters: DnsCounters = { queries: 0, answered: 0, forwarded: 0, servfail: 0, formerr: 0, dropped: 0 };
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly report: ReportError;
  private readonly options: DnsServerOptions;
  private serving: { readonly zone: OverlayZone; readonly cache: LookupCache } | undefined;
  private readonly forwarder: Forwarder;
  private readonly clients = new Set<Socket>();
  private udp: UdpSocket | undefined;
  private tcp: Server | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(components: DnsServerComponents, options: DnsServerOptions) {
    const { clock, random } = components;
    this.clock = clock;
    this.logger = components.logger;
    this.report = components.report;
    this.options = options;
    const fixed = options.upstreams;
    const list = new UpstreamList({ clock }, { exclude: [options.listen] });
    const upstreams = fixed === undefined ? () => list.current() : () => fixed;
    const transport = reportingTransport(socketTransport, this.report);
    this.forwarder = new Forwarder({ clock, random, transport, upstreams });
  }

  /** Answers for this overlay from now on; undefined: for none, everything is forwarded. */
  serve(overlay: DnsOverlay | undefined): void {
    this.serving = overlay && {
      zone: new OverlayZone(overlay),
      cache: new LookupCache({ lookup: overlay.lookup, clock: this.clock }),
    };
  }

  /** @returns where it listens. */
  async start(): Promise<SocketAddress> {
    const { listen, inherited } = this.options;
    try {
      const { udp, tcp } = await listenOnBoth(listen, inherited);
      this.udp = udp;
      this.tcp = tcp;
      this.attach(udp, tcp);
      const { address, port } = udp.address();
      return { address, port };
    } catch (error) {
      await this.stop();
      throw listenError(listen, error);
    }
  }

  /** Idempotent. Queries in progress are not answered any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    this.forwarder.close();
    for (const client of this.clients) client.destroy();
    const { udp, tcp } = this;
    this.udp = undefined;
    this.tcp = undefined;
    await Promise.all([
      udp === undefined ? undefined : new Promise<void>((resolve) => udp.close(() => resolve())),
      tcp === undefined ? undefined : new Promise<void>((resolve) => tcp.close(() => resolve())),
    ]);
  }

  private attach(udp: UdpSocket, tcp: Server): void {
    udp.on('message', (bytes, from) => {
      const reply = (answer: Uint8Array): void => {
        if (this.stopped || from.port === 0) return;
        udp.send(answer, from.port, from.address, (error) => {
          if (error !== null) this.logger.debug('dns answer not sent', { addr: from.address, err: error.message });
        });
      };
      reporting(this.report, 'dns datagram', () => this.receive(bytes, false, reply));
    });
    udp.on('error', (error) => this.logger.warn('dns socket error', { err: error.message }));
    tcp.on('connection', (socket) => this.accept(socket));
    tcp.on('error', (error) => this.logger.warn('dns socket error', { err: error.message }));
  }

  private accept(socket: Socket): void {
    if (this.clients.size >= MAX_TCP_CLIENTS) {
      socket.destroy();
      return;
    }
    this.clients.add(socket);
    const stream = new MessageStream();
    let pending = 0;
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.clients.delete(socket));
    const take = (bytes: Uint8Array): void => {
      for (const message of stream.push(bytes)) {
        if (pending >= MAX_TCP_PENDING || !isQuery(message)) {
          this.counters.dropped++;
          socket.destroy();
          return;
        }
        pending++;
        this.receive(message, true, (answer) => {
          pending--;
          if (!socket.destroyed) socket.write(frameMessage(answer));
        });
      }
    };
    socket.on('data', (bytes) => {
      if (!reporting(this.report, 'dns stream', () => take(bytes))) socket.destroy();
    });
  }

  private receive(bytes: Uint8Array, overTcp: boolean, reply: (answer: Uint8Array) => void): void {
    if (!isQuery(bytes)) {
      this.counters.dropped++;
      return;
    }
    this.counters.queries++;
    try {
      const query = decodeQuery(bytes);
      if (query.opcode === 0) this.answer(query, bytes, overTcp, reply);
      else reply(encodeHeaderError(bytes, Rcode.NOTIMP));
    } catch (error) {
      if (error instanceof MalformedMessageError) {
        this.counters.formerr++;
        this.logger.debug('dns query malformed', { err: error.message });
        reply(encodeHeaderError(bytes, Rcode.FORMERR));
      } else {
        this.counters.servfail++;
        this.report('dns query', error);
        reply(encodeHeaderError(bytes, Rcode.SERVFAIL));
      }
    } finally {
      this.schedule();
    }
  }

  private answer(query: Query, bytes: Uint8Array, overTcp: boolean, reply: (answer: Uint8Array) => void): void {
    const { serving } = this;
    const verdict = serving?.zone.consider(query.question);
    if (serving === undefined || verdict === undefined || verdict.kind === 'outside') {
      this.forward(query, bytes, overTcp, reply);
      return;
    }
    const edns = decodeEdns(bytes);
    const limit = overTcp ? 0xffff : udpLimit(edns);
    const send = (response: Response): void => {
      if (response.rcode === Rcode.SERVFAIL) this.counters.servfail++;
      else this.counters.answered++;
      reply(encodeResponse(query, response, edns, limit));
    };
    // RFC 6891 s6.1.3.
    if (edns !== undefined && edns.version > 0) send(errorResponse(Rcode.BADVERS));
    else if (verdict.kind === 'answer') send(verdict.response);
    else
      serving.cache.ask(verdict.key, (found) => {
        // Of this question; others wait for the same.
        if (reporting(this.report, 'dns answer', () => send(verdict.respond(found)))) return;
        this.counters.servfail++;
        reply(encodeHeaderError(bytes, Rcode.SERVFAIL));
      });
  }

  private forward(query: Query, bytes: Uint8Array, overTcp: boolean, reply: (answer: Uint8Array) => void): void {
    this.counters.forwarded++;
    this.forwarder.forward(bytes, overTcp, (answer) => {
      if (answer === undefined) this.counters.servfail++;
      reply(answer ?? encodeResponse(query, errorResponse(Rcode.SERVFAIL), ednsOrNone(bytes), 0xffff));
    });
  }

  /** One timer for whatever is due first. */
  private schedule(): void {
    clearTimeout(this.timer);
    const at = earliest(this.serving?.cache.nextTimeout(), this.forwarder.nextTimeout());
    if (this.stopped || at === undefined) return;
    this.timer = setTimeout(() => this.onTimer(), Math.max(0, Math.ceil(at - this.clock.monotonic())));
    this.timer.unref();
  }

  private onTimer(): void {
    const now = this.clock.monotonic();
    try {
      this.serving?.cache.handleTimeout(now);
      this.forwarder.handleTimeout(now);
    } catch (error) {
      // The next query sets the timer again: not at once, for what is due still.
      this.report('dns timer', error);
      return;
    }
    this.schedule();
  }
}

function errorResponse(rcode: Rcode): Response {
  return { rcode, authoritative: false, answers: [], authorities: [], additionals: [] };
}

function ednsOrNone(bytes: Uint8Array): Edns | undefined {
  try {
    return decodeEdns(bytes);
  } catch {
    return undefined;
  }
}
