import { earliest, type Timed } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { isStreamAddress } from '../base/stream-address.ts';
import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';

// Implementation constants.
/** Between two addresses of one round. Of old addresses several may be wrong, and those who are there may be starting too. */
const STAGGER_MS = 25;
/** A ticket's first address is mostly good; with a link to each of them, many newcomers keep the members from their work (RFC 8305 s5). */
const PATIENT_STAGGER_MS = 250;
/** After a round without success. Others may be starting too, as after a power cut: they are found soon. */
const FIRST_PAUSE_MS = 400;
const EAGER_MS = 30_000;
/**
 * Then the pause is a part of what it took so far, with jitter, so that a restarted overlay is not stormed: who was away for
 * two minutes is back within four seconds from when it can be, who was for ten or more, within 19.
 */
const PAUSE_SHARE = 1 / 40;
const MAX_PAUSE_MS = 15_000;
/** A link is up: whether it is a way in, its other end tells at once; where newcomers crowd, not quite at once. */
const REST_MS = 250;
const PATIENT_REST_MS = 1_000;
/** Streams (TLS over TCP) are for where UDP is blocked: tried beside the others as RFC 8305 s5 does, which are ahead by a handshake. */
const STREAM_HEAD_START_MS = 400;
/** Found at meeting places, and tried in each round; the oldest give way. */
const MAX_FOUND = 16;

/**
 * Finds the way into the overlay: tries the known addresses in turn, in rounds, until it is told that there is one; streams beside
 * the others, a little later.
 *
 *   idle ──start──> trying ──stop──> idle
 *                   └─^ rest: a link is up, which may be the way
 */
export class Bootstrap implements Timed {
  private readonly connect: (remote: SocketAddress, now: number) => void;
  private readonly random: Random;
  private readonly staggerMs: number;
  private readonly restMs: number;
  private addresses: readonly SocketAddress[] = [];
  private found: SocketAddress[] = [];
  private streams: readonly SocketAddress[] = [];
  private active = false;
  private index = 0;
  private streamIndex = 0;
  private nextAt: number | undefined;
  private startedAt = 0;
  private restUntil = -Infinity;
  /** Undefined: all of this round were tried. */
  private nextStreamAt: number | undefined;

  /** @param options.patient the addresses are of a ticket, which was made a while ago at most. */
  constructor(
    components: { connect: (remote: SocketAddress, now: number) => void; random: Random },
    { patient }: { readonly patient: boolean },
  ) {
    this.connect = components.connect;
    this.random = components.random;
    this.staggerMs = patient ? PATIENT_STAGGER_MS : STAGGER_MS;
    this.restMs = patient ? PATIENT_REST_MS : REST_MS;
  }

  get trying(): boolean {
    return this.active;
  }

  /**
   * Starts with the first address at once; a second start with other addresses begins anew. Without any it waits for those
   * that are found.
   */
  start(addresses: readonly SocketAddress[], now: number): void {
    this.active = true;
    this.found = [];
    this.addresses = addresses.filter(({ address }) => !isStreamAddress(address));
    this.streams = addresses.filter(({ address }) => isStreamAddress(address));
    this.index = 0;
    this.startedAt = now;
    // Nobody is kept waiting where there is nothing else.
    this.beginStreams(this.addresses.length === 0 ? now : now + STREAM_HEAD_START_MS);
    this.nextAt = addresses.length === 0 ? undefined : now;
    this.restUntil = -Infinity;
    this.handleTimeout(now);
  }

  /**
   * Somebody may be there too: tried in each round, and at once between two of them, since the other side may be sending just
   * now. Not while a link may be the way in already.
   */
  add(address: SocketAddress, now: number): void {
    if (!this.active) return;
    if (![...this.addresses, ...this.streams, ...this.found].some((known) => sameSocketAddress(known, address)))
      this.found = [...this.found, address].slice(-MAX_FOUND);
    this.nextAt ??= now + this.pauseMs(now);
    if (now >= this.restUntil && this.index === 0) this.connect(address, now);
  }

  /** A link that may be the way in is up: the search goes on only if it is not stopped soon. */
  rest(now: number, forMs = this.restMs): void {
    this.restUntil = now + forMs;
    if (this.nextAt !== undefined) this.nextAt = Math.max(this.nextAt, this.restUntil);
    if (this.nextStreamAt !== undefined) this.nextStreamAt = Math.max(this.nextStreamAt, this.restUntil);
  }

  stop(): void {
    this.active = false;
    this.nextAt = undefined;
    this.nextStreamAt = undefined;
  }

  nextTimeout(): number | undefined {
    return earliest(this.nextAt, this.nextStreamAt);
  }

  handleTimeout(now: number): void {
    if (this.nextAt !== undefined && this.nextAt <= now) this.tryNext(now);
    if (this.nextStreamAt !== undefined && this.nextStreamAt <= now) this.tryNextStream(now);
  }

  private tryNext(now: number): void {
    const remote = this.addresses[this.index] ?? this.found[this.index - this.addresses.length];
    if (remote === undefined) {
      this.index = 0;
      this.nextAt = now + this.pauseMs(now) * (0.75 + this.random.float() / 2);
      if (this.nextStreamAt === undefined) this.beginStreams(this.nextAt);
      return;
    }
    this.index += 1;
    this.nextAt = now + this.staggerMs;
    this.connect(remote, now);
  }

  private beginStreams(at: number): void {
    this.streamIndex = 0;
    this.nextStreamAt = this.streams.length === 0 ? undefined : at;
  }

  private tryNextStream(now: number): void {
    const remote = this.streams[this.streamIndex];
    this.streamIndex += 1;
    this.nextStreamAt = this.streamIndex < this.streams.length ? now + this.staggerMs : undefined;
    if (remote !== undefined) this.connect(remote, now);
  }

  private pauseMs(now: number): number {
    const soFar = now - this.startedAt;
    return soFar < EAGER_MS ? FIRST_PAUSE_MS : Math.min(PAUSE_SHARE * soFar, MAX_PAUSE_MS);
  }
}
