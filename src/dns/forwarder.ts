import type { Clock, Timed } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { HEADER_BYTES, MAX_FORWARDED, UPSTREAM_TRIES, UPSTREAM_TRY_MS } from './constants.ts';
import { questionEnd, Rcode } from './message.ts';

/** One conversation with one upstream server, over a socket of its own: a random source port each (RFC 5452 s9.2). */
export interface UpstreamExchange {
  /** Idempotent. */
  close(): void;
}

export interface UpstreamEvents {
  readonly message: (bytes: Uint8Array) => void;
  readonly failed: () => void;
}

/** Sends one query to one server. Events come later, never from within the call. */
export interface UpstreamTransport {
  udp(server: SocketAddress, query: Uint8Array, events: UpstreamEvents): UpstreamExchange;
  tcp(server: SocketAddress, query: Uint8Array, events: UpstreamEvents): UpstreamExchange;
}

interface Forwarded {
  readonly key: number;
  readonly query: Uint8Array;
  readonly clientId: Uint8Array;
  readonly overTcp: boolean;
  readonly servers: readonly SocketAddress[];
  readonly reply: (answer: Uint8Array | undefined) => void;
  tries: number;
  exchange: UpstreamExchange | undefined;
  /** SERVFAIL or REFUSED of one server, shown only when no other does better. */
  refusal: Uint8Array | undefined;
}

/**
 * Queries for the rest of the DNS, passed on as the bytes they are: records and options that we do not know come through whole.
 * A truncated answer goes back truncated; the client then comes by TCP, and so do we.
 */
export class Forwarder implements Timed {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly transport: UpstreamTransport;
  private readonly upstreams: () => readonly SocketAddress[];
  private readonly running = new Map<number, Forwarded>();
  private readonly deadlines = new TimerQueue<number>();
  private nextKey = 0;

  constructor(components: {
    readonly clock: Clock;
    readonly random: Random;
    readonly transport: UpstreamTransport;
    readonly upstreams: () => readonly SocketAddress[];
  }) {
    this.clock = components.clock;
    this.random = components.random;
    this.transport = components.transport;
    this.upstreams = components.upstreams;
  }

  get inFlight(): number {
    return this.running.size;
  }

  /**
   * @param query whole and checked by `decodeQuery`
   * @param reply called once, with the answer under the client's own id; undefined: there is nobody to ask, or nobody answered
   */
  forward(query: Uint8Array, overTcp: boolean, reply: (answer: Uint8Array | undefined) => void): void {
    const servers = this.upstreams();
    if (servers.length === 0 || this.running.size >= MAX_FORWARDED) {
      reply(undefined);
      return;
    }
    const forwarded: Forwarded = {
      key: this.nextKey++,
      query: Uint8Array.from(query),
      clientId: Uint8Array.from(query.subarray(0, 2)),
      overTcp,
      servers,
      reply,
      tries: 0,
      exchange: undefined,
      refusal: undefined,
    };
    this.running.set(forwarded.key, forwarded);
    this.tryNext(forwarded);
  }

  nextTimeout(): number | undefined {
    return this.deadlines.next();
  }

  handleTimeout(now: number): void {
    for (let key = this.deadlines.due(now); key !== undefined; key = this.deadlines.due(now)) {
      const forwarded = this.running.get(key);
      if (forwarded !== undefined) this.tryNext(forwarded);
    }
  }

  /** Ends every exchange; nobody is answered. */
  close(): void {
    for (const forwarded of this.running.values()) {
      forwarded.exchange?.close();
      this.deadlines.clear(forwarded.key);
    }
    this.running.clear();
  }

  private tryNext(forwarded: Forwarded): void {
    forwarded.exchange?.close();
    forwarded.exchange = undefined;
    const server = forwarded.servers[forwarded.tries % forwarded.servers.length];
    if (server === undefined || forwarded.tries >= UPSTREAM_TRIES) {
      this.finish(forwarded, forwarded.refusal);
      return;
    }
    forwarded.tries++;
    // An id of our own for every try: what a client chose may be known to others.
    forwarded.query.set(this.random.bytes(2));
    const attempt = forwarded.tries;
    const events: UpstreamEvents = {
      message: (bytes) => {
        if (this.running.has(forwarded.key) && forwarded.tries === attempt) this.receive(forwarded, bytes);
      },
      failed: () => {
        if (this.running.has(forwarded.key) && forwarded.tries === attempt) this.tryNext(forwarded);
      },
    };
    this.deadlines.set(forwarded.key, this.clock.monotonic() + UPSTREAM_TRY_MS);
    forwarded.exchange = forwarded.overTcp
      ? this.transport.tcp(server, forwarded.query, events)
      : this.transport.udp(server, forwarded.query, events);
  }

  private receive(forwarded: Forwarded, bytes: Uint8Array): void {
    // Not the answer to this question: somebody guesses, or it comes very late. The right one may still come.
    if (!answers(forwarded.query, bytes)) return;
    const rcode = (bytes[3] ?? 0) & 0xf;
    if (rcode === Rcode.SERVFAIL || rcode === Rcode.REFUSED) {
      forwarded.refusal = Uint8Array.from(bytes);
      if (forwarded.tries < forwarded.servers.length) this.tryNext(forwarded);
      else this.finish(forwarded, forwarded.refusal);
      return;
    }
    this.finish(forwarded, Uint8Array.from(bytes));
  }

  private finish(forwarded: Forwarded, answer: Uint8Array | undefined): void {
    forwarded.exchange?.close();
    this.running.delete(forwarded.key);
    this.deadlines.clear(forwarded.key);
    answer?.set(forwarded.clientId);
    forwarded.reply(answer);
  }
}

/** RFC 5452 s9.1: the id and the question have to be ours. Letters may have changed case; an error may leave the question out. */
function answers(query: Uint8Array, answer: Uint8Array): boolean {
  if (answer.length < HEADER_BYTES || ((answer[2] ?? 0) & 0x80) === 0) return false;
  if (answer[0] !== query[0] || answer[1] !== query[1]) return false;
  const questions = ((answer[4] ?? 0) << 8) | (answer[5] ?? 0);
  if (questions === 0) return ((answer[3] ?? 0) & 0xf) !== 0 || ((answer[2] ?? 0) & 0x02) !== 0;
  const end = questionEnd(query);
  if (answer.length < end) return false;
  for (let i = HEADER_BYTES; i < end; i++) if (lower(answer[i] ?? 0) !== lower(query[i] ?? 0)) return false;
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
