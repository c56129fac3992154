import type { Clock, Timed } from '../base/clock.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import {
  FAILURE_TTL_MS,
  LOOKUP_TIMEOUT_MS,
  MAX_CACHED_LOOKUPS,
  MAX_PENDING_LOOKUPS,
  MAX_WAITERS,
  NEGATIVE_TTL_S,
  POSITIVE_TTL_S,
  STALE_MS,
} from './constants.ts';
import type { LookupAnswer, LookupKey, NameLookup } from './name-lookup.ts';

type Waiter = (answer: LookupAnswer) => void;

interface Cached {
  readonly answer: LookupAnswer;
  readonly freshUntil: number;
  /** A found host may be shown until then while the overlay cannot be asked. */
  readonly staleUntil: number;
}

interface Pending {
  waiters: Waiter[];
  /** The waiters have had their answer, the overlay has not given its own. */
  late: boolean;
}

/**
 * One overlay lookup for all questions about the same thing, remembered for a short time, answered in a bounded time.
 *
 * Failures leave it usable: a lookup that fails or takes longer than `LOOKUP_TIMEOUT_MS` answers the last known host when
 * it is less than `STALE_MS` old, `failed` otherwise.
 */
export class LookupCache implements Timed {
  private readonly lookup: NameLookup;
  private readonly clock: Clock;
  private readonly cached = new Map<string, Cached>();
  private readonly pending = new Map<string, Pending>();
  private readonly deadlines = new TimerQueue<string>();

  constructor(components: { readonly lookup: NameLookup; readonly clock: Clock }) {
    this.lookup = components.lookup;
    this.clock = components.clock;
  }

  get size(): number {
    return this.cached.size;
  }

  ask(key: LookupKey, waiter: Waiter): void {
    const id = keyText(key);
    const known = this.cached.get(id);
    if (known !== undefined && known.freshUntil > this.clock.monotonic()) {
      waiter(known.answer);
      return;
    }
    const running = this.pending.get(id);
    if (running !== undefined) {
      // Its own time is over, so this question would wait for nothing it could be promised.
      if (running.late) waiter(this.lastKnown(id, 'the overlay has not answered yet'));
      else if (running.waiters.length >= MAX_WAITERS) waiter({ status: 'failed', reason: 'too many questions wait' });
      else running.waiters.push(waiter);
      return;
    }
    if (this.pending.size >= MAX_PENDING_LOOKUPS) {
      waiter(this.lastKnown(id, 'too many lookups in progress'));
      return;
    }
    const entry: Pending = { waiters: [waiter], late: false };
    this.pending.set(id, entry);
    this.deadlines.set(id, this.clock.monotonic() + LOOKUP_TIMEOUT_MS);
    this.start(key, (answer) => {
      // A second call for the same lookup, or one that was given up.
      if (this.pending.get(id) === entry) this.finish(id, entry, answer);
    });
  }

  nextTimeout(): number | undefined {
    return this.deadlines.next();
  }

  handleTimeout(now: number): void {
    for (let id = this.deadlines.due(now); id !== undefined; id = this.deadlines.due(now)) {
      const entry = this.pending.get(id);
      if (entry === undefined) continue;
      if (entry.late) {
        // The overlay owes an answer for ten times its time: the next question asks anew.
        this.pending.delete(id);
        continue;
      }
      entry.late = true;
      this.deadlines.set(id, now + 9 * LOOKUP_TIMEOUT_MS);
      this.wake(entry, this.lastKnown(id, 'the overlay did not answer in time'));
    }
  }

  private start(key: LookupKey, done: Waiter): void {
    switch (key.by) {
      case 'name':
        this.lookup.lookupName(key.name, done);
        return;
      case 'hit':
        this.lookup.lookupHit(key.hit, done);
        return;
      case 'ipv4':
        this.lookup.lookupIpv4(key.address, done);
        return;
    }
  }

  private finish(id: string, entry: Pending, answer: LookupAnswer): void {
    this.pending.delete(id);
    this.deadlines.clear(id);
    const now = this.clock.monotonic();
    let shown = answer;
    if (answer.status === 'failed') {
      shown = this.lastKnown(id, answer.reason);
      const staleUntil = shown.status === 'found' ? (this.cached.get(id)?.staleUntil ?? now) : now;
      this.remember(id, { answer: shown, freshUntil: now + FAILURE_TTL_MS, staleUntil });
    } else {
      const ttlMs = (answer.status === 'found' ? POSITIVE_TTL_S : NEGATIVE_TTL_S) * 1000;
      const staleUntil = answer.status === 'found' ? now + STALE_MS : now;
      this.remember(id, { answer, freshUntil: now + ttlMs, staleUntil });
    }
    this.wake(entry, shown);
  }

  private lastKnown(id: string, reason: string): LookupAnswer {
    const known = this.cached.get(id);
    if (known?.answer.status === 'found' && known.staleUntil > this.clock.monotonic()) return known.answer;
    return { status: 'failed', reason };
  }

  /** The map keeps insertion order: its first key is the one not renewed for longest. */
  private remember(id: string, entry: Cached): void {
    this.cached.delete(id);
    if (this.cached.size >= MAX_CACHED_LOOKUPS) {
      const oldest = this.cached.keys().next();
      if (oldest.done !== true) this.cached.delete(oldest.value);
    }
    this.cached.set(id, entry);
  }

  private wake(entry: Pending, answer: LookupAnswer): void {
    const waiters = entry.waiters;
    entry.waiters = [];
    for (const waiter of waiters) waiter(answer);
  }
}

function keyText(key: LookupKey): string {
  switch (key.by) {
    case 'name':
      return `name ${key.name}`;
    case 'hit':
      return `hit ${key.hit}`;
    case 'ipv4':
      return `ipv4 ${key.address}`;
  }
}
