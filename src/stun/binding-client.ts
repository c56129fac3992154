import { toHex } from '../base/bytes.ts';
import type { Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { encodeStun } from './codec.ts';
import {
  ATTRIBUTE,
  BINDING_PACING_MS,
  BINDING_RTO_MS,
  BINDING_TIMEOUT_MS,
  EAGER_BINDING_TIMEOUT_MS,
  HEADER_BYTES,
  MAX_BINDING_QUERIES,
  PADDED_REQUEST_BYTES,
  TRANSACTION_ID_BYTES,
} from './constants.ts';
import type { StunMessage } from './message.ts';
import { BINDING_METHOD } from './message.ts';

export type BindingEvent =
  | {
      readonly type: 'mapped';
      readonly local: SocketAddress;
      readonly server: SocketAddress;
      /** Where the server saw us. Not authenticated. */
      readonly mapped: SocketAddress;
      readonly rttMs: number;
    }
  | {
      readonly type: 'failed';
      readonly local: SocketAddress;
      readonly server: SocketAddress;
      readonly reason: 'timeout' | 'refused';
    };

interface Query {
  readonly local: SocketAddress;
  readonly server: SocketAddress;
  /** Repeated without longer pauses each time. */
  eager: boolean;
  padded: boolean;
  id: string;
  request: Uint8Array;
  startedAt: number;
  sentAt: number;
  rtoMs: number;
}

/**
 * Asks servers for our reflexive addresses (RFC 8489 s2; RFC 8445 s5.1.1.2), one query per local address and server.
 * A query that fails leaves the others alone; `close` ends it.
 */
export class BindingClient implements Timed {
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly queries = new Map<string, Query>();
  /** Queries that wait for their slot. */
  private waiting: Pick<Query, 'local' | 'server' | 'eager'>[] = [];
  private nextSlotAt = 0;
  private readonly timers = new TimerQueue<string>();
  private transmits: { local: SocketAddress; remote: SocketAddress; data: Uint8Array }[] = [];
  private events: BindingEvent[] = [];

  constructor(components: { random: Random; logger: Logger }) {
    this.random = components.random;
    this.logger = components.logger;
  }

  /** @returns false: too many queries at a time, or this one is under way; `eager` counts then too. */
  query(local: SocketAddress, server: SocketAddress, now: number, eager = false): boolean {
    const same = (other: { local: SocketAddress; server: SocketAddress }): boolean =>
      sameSocketAddress(other.local, local) && sameSocketAddress(other.server, server);
    const known = this.waiting.find(same) ?? [...this.queries.values()].find(same);
    if (known !== undefined) {
      known.eager ||= eager;
      return false;
    }
    if (this.queries.size + this.waiting.length >= MAX_BINDING_QUERIES) return false;
    this.waiting.push({ local, server, eager });
    this.startWaiting(now);
    return true;
  }

  hasTransaction(id: string): boolean {
    return this.queries.has(id);
  }

  /** @returns false: the message answers none of our queries. */
  receive(message: StunMessage, local: SocketAddress, remote: SocketAddress, now: number): boolean {
    const query = this.queries.get(message.transactionId);
    if (query === undefined || (message.class !== 'success' && message.class !== 'error')) return false;
    if (!sameSocketAddress(remote, query.server) || !sameSocketAddress(local, query.local)) return false;
    const { xorMappedAddress, errorCode, unknownAttributes } = message.attributes;
    if (message.class === 'success' && xorMappedAddress !== undefined) {
      this.end(query, {
        type: 'mapped',
        local,
        server: query.server,
        mapped: xorMappedAddress,
        rttMs: now - query.sentAt,
      });
    } else if (errorCode?.code === 420 && query.padded && unknownAttributes?.includes(ATTRIBUTE.padding) === true) {
      // A server of RFC 8489 alone need not know PADDING, and needs none to answer.
      this.forget(query);
      this.send(query, false, now);
    } else {
      this.end(query, { type: 'failed', local, server: query.server, reason: 'refused' });
    }
    return true;
  }

  pollTransmit(): { local: SocketAddress; remote: SocketAddress; data: Uint8Array } | undefined {
    return this.transmits.shift();
  }

  pollEvent(): BindingEvent | undefined {
    return this.events.shift();
  }

  nextTimeout(): number | undefined {
    return earliest(this.timers.next(), this.waiting.length > 0 ? this.nextSlotAt : undefined);
  }

  handleTimeout(now: number): void {
    for (let id = this.timers.due(now); id !== undefined; id = this.timers.due(now)) {
      const query = this.queries.get(id);
      if (query === undefined) continue;
      if (now >= endOf(query)) {
        this.end(query, { type: 'failed', local: query.local, server: query.server, reason: 'timeout' });
        continue;
      }
      query.rtoMs = query.eager ? BINDING_RTO_MS : 2 * query.rtoMs;
      this.transmit(query, now);
    }
    this.startWaiting(now);
  }

  /** Idempotent. Queries under way are forgotten without an event. */
  close(): void {
    for (const query of [...this.queries.values()]) this.forget(query);
    this.waiting = [];
    this.transmits = [];
    this.events = [];
  }

  private startWaiting(now: number): void {
    while (now >= this.nextSlotAt) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      this.nextSlotAt = now + BINDING_PACING_MS;
      this.send(
        { ...next, padded: true, id: '', request: new Uint8Array(), startedAt: now, sentAt: now, rtoMs: 0 },
        true,
        now,
      );
    }
  }

  private send(query: Query, padded: boolean, now: number): void {
    query.padded = padded;
    query.id = toHex(this.random.bytes(TRANSACTION_ID_BYTES));
    // Header, PADDING's own four bytes and FINGERPRINT's eight are there anyway.
    const paddingLength = PADDED_REQUEST_BYTES - HEADER_BYTES - 4 - 8;
    query.request = encodeStun(
      {
        class: 'request',
        method: BINDING_METHOD,
        transactionId: query.id,
        attributes: padded ? { paddingLength } : {},
      },
      { fingerprint: true },
    );
    query.rtoMs = BINDING_RTO_MS;
    this.queries.set(query.id, query);
    this.transmit(query, now);
  }

  private transmit(query: Query, now: number): void {
    query.sentAt = now;
    this.transmits.push({ local: query.local, remote: query.server, data: query.request });
    this.timers.set(query.id, Math.min(now + query.rtoMs, endOf(query)));
  }

  private end(query: Query, event: BindingEvent): void {
    this.forget(query);
    this.events.push(event);
    this.logger.debug('stun.binding', { addr: formatSocketAddress(query.server), result: event.type });
  }

  private forget(query: Query): void {
    this.queries.delete(query.id);
    this.timers.clear(query.id);
  }
}

function endOf({ startedAt, eager }: Query): number {
  return startedAt + (eager ? EAGER_BINDING_TIMEOUT_MS : BINDING_TIMEOUT_MS);
}
