import { toHex } from '../base/bytes.ts';
import type { Clock, Timed } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { MAX_TELL_AGAIN_MS, MAX_TICKETS, MAX_TOLD, MAX_TOLD_A_MINUTE, TELL_AGAIN_MS } from './constants.ts';
import { meetingDays, meetingKey, type Topic } from './meeting-key.ts';
import type { MeetingPlace, Urgency } from './meeting-place.ts';
import { pauseAfter } from './visiting-plan.ts';

const MINUTE_MS = 60_000;
/** Longer than any place's least pause. */
const VISITS_KEPT_MS = 10 * MINUTE_MS;

export interface RendezvousComponents {
  readonly places: readonly MeetingPlace[];
  /**
   * Somebody may be there: to be dialed, also for the sake of our own NAT, which lets in whom we have sent to.
   * @returns false when there was nothing to do.
   */
  readonly tell: (address: SocketAddress, now: number) => boolean;
  readonly random: Random;
  readonly clock: Clock;
}

export interface OpenTicket {
  /** What inviter and newcomer both know of its code. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

interface Attendance {
  readonly urgency: Urgency;
  /** Since when it is as urgent as that. */
  readonly since: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * When which meeting place is visited for whom, and which of the addresses found there are tried. Nothing that a place tells
 * ends it; what strangers leave there costs at most twice `MAX_TOLD_A_MINUTE` dials a minute.
 */
export class Rendezvous implements Timed {
  private readonly places: readonly MeetingPlace[];
  private readonly tell: RendezvousComponents['tell'];
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly secret: Uint8Array;
  private readonly topics = new Map<Topic, Attendance>();
  private readonly timers = new TimerQueue<Topic>();
  /** When a place was visited under a key last. */
  private readonly visitedAt = new Map<string, number>();
  /** When an address was told last and how often, oldest first. */
  private readonly told = new Map<string, { readonly at: number; readonly times: number }>();
  private minute = -Infinity;
  private readonly toldThisMinute = { anew: 0, again: 0 };

  /** @param options.secret the overlay's rendezvous secret. */
  constructor(components: RendezvousComponents, options: { readonly secret: Uint8Array }) {
    this.places = components.places;
    this.tell = components.tell;
    this.random = components.random;
    this.clock = components.clock;
    this.secret = options.secret;
    for (const place of this.places)
      place.onFound((address) => {
        this.found(address);
      });
  }

  /** Newcomers with these tickets may be looking for us, and with no others. */
  expect(tickets: readonly OpenTicket[], now: number): void {
    const open = new Map(tickets.map(({ id, expiresAt }) => [`ticket ${id}` as const, expiresAt]));
    for (const topic of this.topics.keys())
      if (topic !== 'overlay' && !open.has(topic)) this.attend(topic, undefined, now);
    for (const [topic, expiresAt] of open) this.attend(topic, 'wait', now, expiresAt);
  }

  /** What a topic is attended for now; undefined: not any more. A change takes effect at once. */
  attend(topic: Topic, urgency: Urgency | undefined, now: number, expiresAt = Infinity): void {
    const before = this.topics.get(topic);
    if (before?.urgency === urgency) return;
    if (urgency === undefined) {
      this.topics.delete(topic);
      this.timers.clear(topic);
      return;
    }
    this.topics.delete(topic);
    this.topics.set(topic, { urgency, since: now, expiresAt });
    this.timers.set(topic, now);
    this.boundTickets();
    this.handleTimeout(now);
  }

  /** The host has another network, or another place: others must learn of it, and may be near now. */
  visitAnew(now: number): void {
    for (const topic of this.topics.keys()) this.timers.set(topic, now);
    this.visitedAt.clear();
    this.handleTimeout(now);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let topic = this.timers.due(now); topic !== undefined; topic = this.timers.due(now)) {
      const attendance = this.topics.get(topic);
      if (attendance === undefined) continue;
      if (attendance.expiresAt <= this.clock.wall()) {
        this.topics.delete(topic);
        continue;
      }
      this.visit(topic, now);
      // Spread, so that hosts that started together do not come together for ever.
      const pause = pauseAfter(attendance.urgency, now - attendance.since, this.topics.size);
      this.timers.set(topic, now + pause * (0.9 + this.random.float() / 5));
    }
  }

  private visit(topic: Topic, now: number): void {
    for (const [key, at] of this.visitedAt) if (now - at > VISITS_KEPT_MS) this.visitedAt.delete(key);
    for (const place of this.places)
      for (const day of meetingDays(this.clock.wall())) {
        const key = meetingKey(this.secret, place.name, topic, day);
        const visited = this.visitedAt.get(toHex(key)) ?? -Infinity;
        if (now - visited < place.leastPauseMs) continue;
        this.visitedAt.set(toHex(key), now);
        place.visit(key);
      }
  }

  private found(address: SocketAddress): void {
    const now = this.clock.monotonic();
    if (this.topics.size === 0 || address.port === 0) return;
    const key = formatSocketAddress(address);
    const before = this.told.get(key);
    const times = before?.times ?? 0;
    const pause = Math.min(TELL_AGAIN_MS * 2 ** (times - 1), MAX_TELL_AGAIN_MS);
    if (before !== undefined && now - before.at < pause) return;
    if (now - this.minute >= MINUTE_MS) {
      this.minute = now;
      Object.assign(this.toldThisMinute, { anew: 0, again: 0 });
    }
    const share = before === undefined ? 'anew' : 'again';
    if (this.toldThisMinute[share] >= MAX_TOLD_A_MINUTE || !this.tell(address, now)) return;
    this.toldThisMinute[share] += 1;
    this.told.delete(key);
    this.told.set(key, { at: now, times: times + 1 });
    for (const [oldest] of this.told) {
      if (this.told.size <= MAX_TOLD) break;
      this.told.delete(oldest);
    }
  }

  private boundTickets(): void {
    const tickets = [...this.topics.keys()].filter((topic) => topic !== 'overlay');
    for (const oldest of tickets.slice(0, Math.max(0, tickets.length - MAX_TICKETS))) {
      this.topics.delete(oldest);
      this.timers.clear(oldest);
    }
  }
}
