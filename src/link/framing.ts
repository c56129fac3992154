import { earliest } from '../base/clock.ts';
import type { Timed } from '../base/clock.ts';
import { FIXED_HEADER_BYTES, MESSAGE_CODES } from '../reload/constants.ts';
import { fragmentMessage } from '../reload/fragment.ts';
import { decodeFrame, encodeFrame } from '../reload/frame.ts';
import { ACK_PAUSE_MS, DOUBT_SENDS, MAX_FRAME_MESSAGE_BYTES, MAX_SENDS, RECEIVED_WINDOW } from './constants.ts';
import { RetransmissionTimeout } from './retransmission-timeout.ts';
import { type Cargo, type Entry, SendQueue } from './send-queue.ts';

const { store_req, fetch_req, stat_req, find_req } = MESSAGE_CODES;
const STORAGE_REQUESTS: ReadonlySet<number> = new Set([store_req, fetch_req, stat_req, find_req]);

/** The message in flight: each of its transmissions has a sequence number of its own (RFC 6940 s6.6.3.1). */
interface InFlight {
  readonly message: Uint8Array;
  readonly sentAt: Map<number, number>;
  /** Sends since the path last changed. */
  sends: number;
  timeout: number;
  deadline: number;
}

export interface FramingCounters {
  readonly sent: number;
  readonly retransmitted: number;
  /** Messages given up after five sends. */
  readonly failed: number;
  /** Frames that found the queue full, or that no record can hold. */
  readonly dropped: number;
}

/**
 * RELOAD messages over the records of one association: fragments, sequence numbers, acknowledgements, stop-and-wait
 * (RFC 6940 s6.6.2, s6.6.3, s6.7). Nothing ends it: a message that fails is dropped and told by `takeFailure`.
 */
export class Framing implements Timed {
  private readonly queue = new SendQueue();
  private readonly timeout = new RetransmissionTimeout();
  private readonly received: number[] = [];
  private transmits: Uint8Array[] = [];
  private inFlight: InFlight | undefined;
  private nextSequence = 0;
  private nextSendAt = 0;
  private paused = false;
  private failure = false;
  private doubt = false;
  private sent = 0;
  private retransmitted = 0;
  private failed = 0;
  private oversized = 0;

  get counters(): FramingCounters {
    const { sent, retransmitted, failed } = this;
    return { sent, retransmitted, failed, dropped: this.queue.dropped + this.oversized };
  }

  get smoothedRttMs(): number | undefined {
    return this.timeout.smoothedRttMs;
  }

  /** Nothing is under way to the peer. */
  get idle(): boolean {
    return this.inFlight === undefined && this.queue.length === 0;
  }

  /** s6.6.3.1: "The RTT of a successful STUN transaction from the ICE stage is used as the initial measurement". */
  measuredByIce(rttMs: number): void {
    if (this.timeout.smoothedRttMs === undefined) this.timeout.measured(rttMs);
  }

  /** @throws {MalformedMessageError} when a message that needs fragments has no forwarding header. */
  send(message: Uint8Array, now: number): void {
    const cargo = cargoOf(message);
    for (const fragment of fragmentMessage(message, MAX_FRAME_MESSAGE_BYTES)) {
      // A header with too long lists cannot be fragmented (s6.7), and a record is not left to IP fragmentation here.
      if (fragment.length > MAX_FRAME_MESSAGE_BYTES) this.oversized += 1;
      else this.queue.push(fragment, cargo);
    }
    this.sendNext(now);
  }

  /**
   * Takes the place of `before`, with the same peer: what that one has not delivered goes out here. What the peer has got
   * already it may get again, as it may a retransmitted message.
   */
  inherit(before: Framing, now: number): void {
    for (const entry of before.takeUndelivered()) this.queue.push(entry.frame, entry);
    this.sendNext(now);
  }

  /**
   * @returns the RELOAD message (or fragment of one) that came with the frame, a view of the input.
   * @throws {MalformedMessageError}
   */
  receive(record: Uint8Array, now: number): Uint8Array | undefined {
    const frame = decodeFrame(record);
    if (frame.type === 'ack') {
      this.acknowledged(frame.ackSequence, now);
      return undefined;
    }
    const repeated = this.received.includes(frame.sequence);
    this.transmits.push(
      encodeFrame({ type: 'ack', ackSequence: frame.sequence, received: receivedMask(frame.sequence, this.received) }),
    );
    if (repeated) return undefined;
    this.received.push(frame.sequence);
    if (this.received.length > RECEIVED_WINDOW) this.received.shift();
    return frame.message;
  }

  /** A whole record. */
  pollTransmit(): Uint8Array | undefined {
    return this.transmits.shift();
  }

  /** Whether a message was given up since the last call. */
  takeFailure(): boolean {
    const failure = this.failure;
    this.failure = false;
    return failure;
  }

  /** Whether sends of the message in flight are unanswered, which fails if more are. */
  get doubtful(): boolean {
    return this.inFlight !== undefined && this.inFlight.sends > DOUBT_SENDS;
  }

  /** Whether it has become doubtful since the last call. */
  takeDoubt(): boolean {
    const doubt = this.doubt;
    this.doubt = false;
    return doubt;
  }

  /** The path is known to be broken: waiting says nothing about the peer, sending is of no use. */
  pause(): void {
    this.paused = true;
  }

  /** A path works: what is in flight goes out at once, with all its five sends. */
  resume(now: number): void {
    if (!this.paused) return;
    this.paused = false;
    this.timeout.forget();
    if (this.inFlight === undefined) this.sendNext(now);
    else {
      this.inFlight.sends = 0;
      this.inFlight.timeout = this.timeout.current;
      this.transmit(this.inFlight, now);
    }
  }

  nextTimeout(): number | undefined {
    if (this.paused) return undefined;
    return earliest(
      this.inFlight?.deadline,
      this.inFlight === undefined && this.queue.length > 0 ? this.nextSendAt : undefined,
    );
  }

  handleTimeout(now: number): void {
    if (this.paused) return;
    const { inFlight } = this;
    if (inFlight !== undefined && now >= inFlight.deadline) {
      if (inFlight.sends >= MAX_SENDS) {
        this.inFlight = undefined;
        this.failed += 1;
        this.failure = true;
      } else {
        inFlight.timeout *= 2;
        this.retransmitted += 1;
        this.transmit(inFlight, now);
        if (inFlight.sends === DOUBT_SENDS + 1) this.doubt = true;
      }
    }
    this.sendNext(now);
  }

  private takeUndelivered(): readonly Entry[] {
    const { inFlight } = this;
    this.inFlight = undefined;
    const waiting = this.queue.takeAll();
    return inFlight === undefined ? waiting : [{ frame: inFlight.message, ...cargoOf(inFlight.message) }, ...waiting];
  }

  private sendNext(now: number): void {
    if (this.paused || this.inFlight !== undefined || now < this.nextSendAt) return;
    const message = this.queue.shift();
    if (message === undefined) return;
    this.inFlight = { message, sentAt: new Map(), sends: 0, timeout: this.timeout.current, deadline: 0 };
    this.sent += 1;
    this.transmit(this.inFlight, now);
  }

  private transmit(inFlight: InFlight, now: number): void {
    const sequence = this.nextSequence;
    this.nextSequence = (this.nextSequence + 1) >>> 0;
    inFlight.sentAt.set(sequence, now);
    inFlight.sends += 1;
    inFlight.deadline = now + inFlight.timeout;
    this.transmits.push(encodeFrame({ type: 'data', sequence, message: inFlight.message }));
  }

  private acknowledged(sequence: number, now: number): void {
    const sentAt = this.inFlight?.sentAt.get(sequence);
    if (sentAt === undefined) return;
    this.timeout.measured(now - sentAt);
    this.inFlight = undefined;
    this.nextSendAt = now + ACK_PAUSE_MS;
  }
}

/**
 * s6.6.2: "if the sequence number M is less than N but greater than N-32, the N-M bit of the received bitmask is set to
 * one", over the packets received before N.
 */
export function receivedMask(sequence: number, received: readonly number[]): number {
  let mask = 0;
  for (const earlier of received) {
    const distance = (sequence - earlier) >>> 0;
    if (distance > 0 && distance < RECEIVED_WINDOW) mask |= 1 << distance;
  }
  return mask >>> 0;
}

/** Message codes of requests are odd (s14.8). Reads no more than the code; what is too short for one is no request. */
function cargoOf(message: Uint8Array): Cargo {
  const u16 = (at: number): number => ((message[at] ?? 0) << 8) | (message[at + 1] ?? 0);
  // s6.3.2: the lengths of the three lists end the fixed header.
  const header = FIXED_HEADER_BYTES + u16(32) + u16(34) + u16(36);
  const code = u16(header);
  const request = (code & 1) === 1;
  return { request, storage: STORAGE_REQUESTS.has(request ? code : code - 1) };
}
