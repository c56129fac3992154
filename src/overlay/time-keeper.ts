import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { NodeId } from '../base/node-id.ts';
import { CLOCK_TOLERANCE_MS, type OverlayClock } from '../base/overlay-clock.ts';
import { TimerQueue } from '../base/timer-queue.ts';

// Implementation constants.
/** Whoever hears nothing for so long after its first link goes on with its own time. */
const PATIENCE_MS = 3_000;
/**
 * A time other than ours is believed when it is told again after this: whoever told it may be about to take over ours. A
 * host that joins takes a later time over at once, and an earlier one soon; one that is alone in the overlay gives way to
 * those who cannot be newcomers any more.
 */
const BELIEVED_AFTER_MS = {
  joining: { later: 0, earlier: 2_000 },
  alone: { later: 10_000, earlier: 20_000 },
} as const;
/** So many are asked as soon as they are linked. Who has agreed on a time asks the others after a while: many may be coming at once. */
const HURRIED = 4;
const UNHURRIED_MS = 4_000;
/** As long as nobody has answered; doubled each time, since those that are linked may never say. */
const UNHEARD_RETRY_MS = 10_000;
/** Members' clocks may have been corrected, and ours drifts. */
const RECHECK_MS = 15 * 60_000;
/** How soon a host's clock that was set is noticed. */
const WATCH_MS = 60_000;
/** An answer that took longer says too little. */
const MAX_ROUND_TRIP_MS = 20_000;
/** Of so many linked members one may be wrong or lie. */
const QUORUM = 3;
/** What was told before is asked again before it moves our time. */
const FRESH_MS = 30_000;
/** No overlay's authority is valid for longer: a later time is nonsense. */
const MAX_AHEAD_MS = 20 * 365 * 86_400_000;
/** Enough to judge by. */
const MAX_ASKED = 64;

export interface TimePorts {
  /** Asks a linked member for its time (ms since the epoch); undefined: no answer. `done` is called once. */
  ask(hit: NodeId, now: number, done: (time: number | undefined, now: number) => void): void;
  /** The time is known now; called once. What was let pass until then is judged. */
  known(now: number): void;
  /** The time that was known was another: what was judged or dated by it is judged and dated again. */
  corrected(now: number): void;
}

interface Sample {
  /** Theirs minus ours, ms; undefined: not heard yet. */
  offsetMs: number | undefined;
  askedAt: number;
  asking: boolean;
  /** Since when it tells a time later, or earlier, than ours. */
  differs: { readonly later: boolean; readonly since: number } | undefined;
}

type TimerKey = 'patience' | 'recheck' | 'watch' | `ask ${NodeId}`;

/**
 * Agrees with the other members about the time, by RELOAD's Ping over each link:
 *
 *   unheard ──the same──> agreed
 *      │ └────another───> asked again, still another ──> agreed, with their time
 *      └──nobody answers, or alone──> known: our own time, until somebody is heard
 *   agreed ──most of three or more, and us, say another──> agreed, with that
 *
 * So a host that joins takes over the time of those who are in; two that meet before either has heard anybody agree on the
 * later time; one member's word moves nobody who has heard others. A time before the last proven moment is never believed.
 */
export class TimeKeeper implements Timed {
  private readonly clock: OverlayClock;
  private readonly ports: TimePorts;
  private readonly logger: Logger;
  private readonly samples = new Map<NodeId, Sample>();
  private readonly timers = new TimerQueue<TimerKey>();
  private isKnown = false;
  private unheardRetryMs = UNHEARD_RETRY_MS;
  private complained = false;

  constructor(components: { readonly clock: OverlayClock; readonly ports: TimePorts; readonly logger: Logger }) {
    this.clock = components.clock;
    this.ports = components.ports;
    this.logger = components.logger;
  }

  /** False: nothing that depends on the time is to be judged for good. */
  get known(): boolean {
    return this.isKnown;
  }

  start(now: number): void {
    this.watch(now);
  }

  /** A member is linked and can be asked. */
  linkUp(hit: NodeId, now: number): void {
    if (this.samples.size >= MAX_ASKED && !this.samples.has(hit) && !this.forgetSilent(now)) return;
    this.samples.set(hit, { offsetMs: undefined, askedAt: now, asking: false, differs: undefined });
    if (!this.isKnown && !this.timers.has('patience')) this.timers.set('patience', now + PATIENCE_MS);
    if (!this.timers.has('recheck')) this.recheckLater(now);
    // By the timer: whoever tells us of the link has messages of its own to send first.
    this.timers.set(`ask ${hit}`, this.clock.agreed && this.samples.size > HURRIED ? now + UNHURRIED_MS : now);
  }

  linkDown(hit: NodeId): void {
    this.samples.delete(hit);
    this.timers.clear(`ask ${hit}`);
  }

  /** Nobody is there to ask: our time is the overlay's. */
  alone(now: number): void {
    if (!this.isKnown) this.know(now);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let key = this.timers.due(now); key !== undefined; key = this.timers.due(now)) {
      switch (key) {
        case 'patience':
          if (!this.isKnown) this.know(now);
          break;
        case 'recheck':
          for (const hit of this.samples.keys()) this.ask(hit, now);
          if (this.samples.size > 0) this.recheckLater(now);
          break;
        case 'watch':
          this.watch(now);
          break;
        default:
          this.ask(key.slice('ask '.length), now);
      }
    }
  }

  /** Somebody who has had the time to answer makes room for who may. @returns whether there is one. */
  private forgetSilent(now: number): boolean {
    for (const [hit, { offsetMs, askedAt }] of this.samples) {
      if (offsetMs !== undefined || askedAt + MAX_ROUND_TRIP_MS > now) continue;
      this.linkDown(hit);
      return true;
    }
    return false;
  }

  private recheckLater(now: number): void {
    this.timers.set('recheck', now + (this.clock.agreed ? RECHECK_MS : this.unheardRetryMs));
    this.unheardRetryMs = Math.min(2 * this.unheardRetryMs, RECHECK_MS);
  }

  private ask(hit: NodeId, now: number): void {
    const sample = this.samples.get(hit);
    if (sample === undefined || sample.asking) return;
    sample.asking = true;
    sample.askedAt = now;
    this.ports.ask(hit, now, (time, at) => {
      sample.asking = false;
      if (this.samples.get(hit) !== sample) return;
      if (time !== undefined && at - now <= MAX_ROUND_TRIP_MS) this.told(hit, sample, time + (at - now) / 2, at);
      else if (this.clock.agreed) this.judge(at);
    });
  }

  private told(hit: NodeId, sample: Sample, theirs: number, now: number): void {
    const { proven } = this.clock;
    const latest = Math.max(proven, this.clock.wall()) + MAX_AHEAD_MS;
    if (!(theirs + CLOCK_TOLERANCE_MS >= proven && theirs <= latest)) {
      this.logger.debug('impossible time', { nodeId: hit, time: theirs });
      return;
    }
    sample.offsetMs = theirs - this.clock.wall();
    if (this.clock.agreed) this.judge(now);
    else this.hear(hit, sample, sample.offsetMs, now);
  }

  /** The first word of others. */
  private hear(hit: NodeId, sample: Sample, offsetMs: number, now: number): void {
    if (Math.abs(offsetMs) <= CLOCK_TOLERANCE_MS) this.take(0, now);
    else {
      const later = offsetMs > 0;
      if (sample.differs?.later !== later) sample.differs = { later, since: now };
      const believedAt =
        sample.differs.since + BELIEVED_AFTER_MS[this.isKnown ? 'alone' : 'joining'][later ? 'later' : 'earlier'];
      if (now >= believedAt) {
        this.take(offsetMs, now);
        return;
      }
      this.timers.set(`ask ${hit}`, believedAt);
      if (!this.isKnown) this.timers.set('patience', believedAt + PATIENCE_MS);
    }
  }

  /** Whether the others, asked just now, are of one mind against us. */
  private judge(now: number): void {
    if (Math.abs(this.median([...this.samples.values()])) <= CLOCK_TOLERANCE_MS) return;
    for (const [hit, sample] of this.samples) if (sample.askedAt + FRESH_MS < now) this.ask(hit, now);
    const samples = [...this.samples.values()];
    if (samples.some(({ asking }) => asking)) return;
    const median = this.median(samples.filter(({ askedAt }) => askedAt + FRESH_MS >= now));
    if (Math.abs(median) > CLOCK_TOLERANCE_MS) this.take(median, now);
  }

  /** What most say, ourselves among them; of two in the middle the one that is nearer to us. 0 when there are too few. */
  private median(samples: readonly Sample[]): number {
    const heard = samples.flatMap(({ offsetMs }) => offsetMs ?? []);
    if (heard.length < QUORUM) return 0;
    const offsets = [0, ...heard].sort((a, b) => a - b);
    const low = offsets[Math.floor((offsets.length - 1) / 2)] ?? 0;
    const high = offsets[Math.ceil((offsets.length - 1) / 2)] ?? 0;
    return Math.abs(low) < Math.abs(high) ? low : high;
  }

  private take(shiftMs: number, now: number): void {
    this.clock.agree(shiftMs);
    for (const sample of this.samples.values()) if (sample.offsetMs !== undefined) sample.offsetMs -= shiftMs;
    if (this.timers.has('recheck')) this.recheckLater(now);
    this.watch(now);
    if (!this.isKnown) this.know(now);
    else if (shiftMs !== 0) this.ports.corrected(now);
  }

  private know(now: number): void {
    this.timers.clear('patience');
    this.isKnown = true;
    this.ports.known(now);
  }

  /** Says once that the host's clock is wrong, and once that it is right again. */
  private watch(now: number): void {
    this.timers.set('watch', now + WATCH_MS);
    const { offsetMs, source } = this.clock;
    const wrong = Math.abs(offsetMs) > CLOCK_TOLERANCE_MS;
    if (wrong === this.complained) return;
    this.complained = wrong;
    if (!wrong) this.logger.info('the clock of this host is right again');
    else {
      const comparedWith = source === 'proof' ? 'its certificate' : 'the overlay';
      const clock = `${inWords(Math.abs(offsetMs))} ${offsetMs > 0 ? 'slow' : 'fast'}`;
      this.logger.warn('the clock of this host is wrong: going on with the time of the overlay; set the clock', {
        clock,
        comparedWith,
      });
    }
  }
}

/** `2 days`, `3 hours`, `7 minutes`. */
function inWords(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  const [count, unit] =
    minutes >= 2_880 ? [minutes / 1_440, 'days'] : minutes >= 120 ? [minutes / 60, 'hours'] : [minutes, 'minutes'];
  return `${Math.round(count)} ${unit}`;
}
