import type { Timed } from '../base/clock.ts';
import { FIXED_HEADER_BYTES, MESSAGE_CODES } from '../reload/constants.ts';
import { fragmentMessage } from '../reload/fragment.ts';
import { decodeFrame, encodeFrame } from '../reload/frame.ts';
import { CongestionWindow } from './congestion-window.ts';
import { DOUBT_SENDS, MAX_FRAME_MESSAGE_BYTES, MAX_SENDS, RECEIVED_WINDOW, REORDERING } from './constants.ts';
import { RetransmissionTimeout } from './retransmission-timeout.ts';
import { type Cargo, type Entry, SendQueue } from './send-queue.ts';

const { store_req, fetch_req, stat_req, find_req } = MESSAGE_CODES;
const STORAGE_REQUESTS: ReadonlySet<number> = new Set([store_req, fetch_req, stat_req, find_req]);

/** A message under way: each of its transmissions has a sequence number of its own (RFC 6940 s6.6.3.1). */
interface InFlight {
  readonly message: Uint8Array;
  readonly sentAt: Map<number, number>;
  lastSequence: number;
  /** Since the path last changed. */
  sends: number;
  /** Its last transmission has not arrived: it is sent again when there is room. */
  lost: boolean;
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
 * RELOAD messages over the records of one association: fragments, sequence numbers, acknowledgements, retransmission
 * (RFC 6940 s6.6.2, s6.6.3, s6.7). "Any compliant sender algorithm may be used" (s6.6.4): a window of frames as TCP's,
 * since stop-and-wait, with its 10 ms between two frames, needs a quarter of a second for a newcomer's few kilobytes where
 * the round trip takes 50 ms. Nothing ends it: a message that fails is dropped and told by `takeFailure`.
 */
export class Framing implements Timed {
  private readonly queue = new SendQueue();
  private readonly timeout = new RetransmissionTimeout();
  private readonly window = new CongestionWindow();
  /** The oldest first, in an array without room for more: every link keeps one. */
  private received: readonly number[] = [];
  private transmits: Uint8Array[] = [];
  /** Oldest first. */
  private inFlight: InFlight[] = [];
  private nextSequence = 0;
  /** Losses of frames before this one were answered already. */
  private recovery = 0;
  /** When nothing was acknowledged until then, all that is under way counts as lost. */
  private deadline: number | undefined;
  /** Timeouts in a row. */
  private expired = 0;
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
    return this.inFlight.length === 0 && this.queue.length === 0;
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
      this.acknowledged(frame.ackSequence, frame.received, now);
      return undefined;
    }
    const repeated = this.received.includes(frame.sequence);
    this.transmits.push(
      encodeFrame({ type: 'ack', ackSequence: frame.sequence, received: receivedMask(frame.sequence, this.received) }),
    );
    if (repeated) return undefined;
    this.received = this.received.slice(1 - RECEIVED_WINDOW).concat(frame.sequence);
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

  /** Whether the last sends are unanswered: what is in flight fails if more are. */
  get doubtful(): boolean {
    return this.expired >= DOUBT_SENDS;
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
    this.window.reset();
    this.expired = 0;
    for (const inFlight of this.inFlight) {
      inFlight.lost = true;
      inFlight.sends = 0;
    }
    this.armTimeout(undefined);
    this.sendNext(now);
  }

  nextTimeout(): number | undefined {
    return this.paused ? undefined : this.deadline;
  }

  handleTimeout(now: number): void {
    if (this.paused) return;
    if (this.deadline !== undefined && now >= this.deadline) this.timedOut(now);
    this.sendNext(now);
  }

  private takeUndelivered(): readonly Entry[] {
    const { inFlight } = this;
    this.inFlight = [];
    this.armTimeout(undefined);
    return [...inFlight.map(({ message }) => ({ frame: message, ...cargoOf(message) })), ...this.queue.takeAll()];
  }

  /** What is lost goes before what is new. */
  private sendNext(now: number): void {
    let room = this.window.size - this.inFlight.filter(({ lost }) => !lost).length;
    for (; room > 0 && !this.paused; room--) {
      const lost = this.inFlight.find((inFlight) => inFlight.lost);
      if (lost !== undefined) {
        this.retransmit(lost, now);
        continue;
      }
      const message = this.queue.shift();
      if (message === undefined) return;
      const inFlight = { message, sentAt: new Map<number, number>(), lastSequence: 0, sends: 0, lost: false };
      this.inFlight.push(inFlight);
      this.sent += 1;
      this.transmit(inFlight, now);
    }
  }

  private retransmit(inFlight: InFlight, now: number): void {
    this.retransmitted += 1;
    this.transmit(inFlight, now);
  }

  private transmit(inFlight: InFlight, now: number): void {
    const sequence = this.nextSequence;
    this.nextSequence = (this.nextSequence + 1) >>> 0;
    inFlight.sentAt.set(sequence, now);
    inFlight.lastSequence = sequence;
    inFlight.sends += 1;
    inFlight.lost = false;
    if (this.deadline === undefined) this.armTimeout(now);
    this.transmits.push(encodeFrame({ type: 'data', sequence, message: inFlight.message }));
  }

  /** @param now undefined: nothing is waited for */
  private armTimeout(now: number | undefined): void {
    this.deadline = now === undefined ? undefined : now + this.timeout.current * 2 ** this.expired;
  }

  private timedOut(now: number): void {
    for (const inFlight of this.inFlight) inFlight.lost = true;
    this.window.timedOut();
    this.recovery = this.nextSequence;
    this.expired += 1;
    if (this.expired === DOUBT_SENDS) this.doubt = true;
    if (this.expired >= MAX_SENDS) {
      this.inFlight.shift();
      this.expired = 0;
      this.failed += 1;
      this.failure = true;
    }
    this.armTimeout(undefined);
    this.sendNext(now);
  }

  private acknowledged(sequence: number, mask: number, now: number): void {
    const isAcknowledged = (sent: number): boolean => {
      const distance = (sequence - sent) >>> 0;
      return distance === 0 || (distance < RECEIVED_WINDOW && (mask & (1 << distance)) !== 0);
    };
    const sentAt = this.inFlight.map(({ sentAt }) => sentAt.get(sequence)).find((at) => at !== undefined);
    if (sentAt !== undefined) this.timeout.measured(now - sentAt);
    const waiting = this.inFlight.filter(({ sentAt: sends }) => ![...sends.keys()].some(isAcknowledged));
    const arrived = this.inFlight.length - waiting.length;
    if (arrived === 0) return;
    this.inFlight = waiting;
    for (let i = 0; i < arrived; i++) this.window.acknowledged();
    this.expired = 0;
    this.noteLosses(sequence, now);
    this.armTimeout(this.inFlight.some(({ lost }) => !lost) ? now : undefined);
    this.sendNext(now);
  }

  /** Those that others have overtaken. The first goes out at once, as does TCP's (RFC 5681 s3.2). */
  private noteLosses(acknowledged: number, now: number): void {
    for (const inFlight of [...this.inFlight]) {
      const behind = (acknowledged - inFlight.lastSequence) | 0;
      if (inFlight.lost || behind < REORDERING) continue;
      if (inFlight.sends >= MAX_SENDS) {
        // The peer is there, this frame alone does not come through.
        this.inFlight.splice(this.inFlight.indexOf(inFlight), 1);
        this.failed += 1;
        continue;
      }
      inFlight.lost = true;
      if (((inFlight.lastSequence - this.recovery) | 0) < 0) continue;
      this.window.lost();
      this.recovery = this.nextSequence;
      this.retransmit(inFlight, now);
    }
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
