import { sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { isRelayed, priorityFor } from './candidate-pair.ts';
import { MAX_PAIRS } from './constants.ts';
import type { IceRole } from './path.ts';

/**
 * The pairs of one session in order of priority, and which is checked next (RFC 8445 s6.1.2, s6.1.4).
 *
 *   frozen ──unfreeze──> waiting ──next()──> in-progress ──> succeeded | failed
 *                           ^────────── trigger ─────────────────┘
 *
 * A paused list (something is selected) serves the triggered-check queue only.
 */
export class Checklist {
  /** Few, in an array without room for more: every link keeps its own, and looks into it seldom. */
  private sorted: readonly CandidatePair[] = [];
  private triggered: CandidatePair[] = [];
  private paused = false;

  get pairs(): readonly CandidatePair[] {
    return this.sorted;
  }

  /** Pairs that wait for a check or for its answer: N of the RTO formula (RFC 8445 s14.3). */
  get active(): number {
    return this.sorted.filter((pair) => pair.state === 'waiting' || pair.state === 'in-progress').length;
  }

  find(base: SocketAddress, remote: SocketAddress): CandidatePair | undefined {
    return this.sorted.find(
      (pair) => sameSocketAddress(pair.remote.address, remote) && sameSocketAddress(pair.base, base),
    );
  }

  /**
   * Takes pairs in, best first. When the list is full, pairs of lower priority that nobody waits for make room.
   * @returns those that are in now and were not before.
   */
  add(pairs: readonly CandidatePair[]): CandidatePair[] {
    const added: CandidatePair[] = [];
    for (const pair of pairs.toSorted(byPriority)) {
      if (this.find(pair.base, pair.remote.address) !== undefined || !this.makeRoom(pair)) continue;
      added.push(pair);
      const sameFoundation = this.sorted.filter((other) => foundationOf(other) === foundationOf(pair));
      const blocked = sameFoundation.some((other) => other.state !== 'succeeded' && other.state !== 'failed');
      pair.state = blocked || this.paused ? 'frozen' : 'waiting';
      this.sorted = this.sorted.concat(pair).sort(byPriority);
    }
    return added.filter((pair) => this.sorted.includes(pair));
  }

  remove(pair: CandidatePair): void {
    this.sorted = this.sorted.filter((other) => other !== pair);
    this.triggered = this.triggered.filter((other) => other !== pair);
  }

  /** RFC 8445 s7.2.5.1: priorities depend on the role. */
  setRole(role: IceRole): void {
    for (const pair of this.sorted) pair.priority = priorityFor(role, pair.local, pair.remote);
    this.sorted = this.sorted.toSorted(byPriority);
  }

  /** Puts a pair into the triggered-check queue (RFC 8445 s7.3.1.4); `first` ahead of all. */
  trigger(pair: CandidatePair, first = false): void {
    if (pair.expired) return;
    pair.state = 'waiting';
    this.triggered = this.triggered.filter((other) => other !== pair);
    if (first) this.triggered.unshift(pair);
    else this.triggered.push(pair);
  }

  get hasTriggered(): boolean {
    return this.triggered.length > 0;
  }

  /** Is there something that `next` would return? */
  get hasNext(): boolean {
    return this.triggered.length > 0 || (!this.paused && (this.bestWaiting() ?? this.thawable()) !== undefined);
  }

  /** RFC 8445 s6.1.4.2: triggered checks, then waiting pairs, then a frozen one of an idle foundation. Now in progress. */
  next(): CandidatePair | undefined {
    const pair = this.triggered.shift() ?? (this.paused ? undefined : (this.bestWaiting() ?? this.thawable()));
    if (pair !== undefined) pair.state = 'in-progress';
    return pair;
  }

  succeeded(pair: CandidatePair): void {
    pair.state = 'succeeded';
    this.triggered = this.triggered.filter((other) => other !== pair);
    if (this.paused) return;
    // RFC 8445 s7.2.5.3.3.
    for (const other of this.sorted)
      if (other.state === 'frozen' && foundationOf(other) === foundationOf(pair)) other.state = 'waiting';
  }

  /** RFC 8445 s8.1.2: once a pair is nominated, no check that has not begun is made, and none is repeated. */
  pause(): void {
    this.paused = true;
    this.triggered = [];
    for (const pair of this.sorted) if (pair.state === 'waiting' || pair.state === 'in-progress') pair.state = 'frozen';
  }

  /** Checks everything anew. */
  resume(): void {
    this.paused = false;
    for (const pair of this.sorted) if (!pair.expired && pair.state !== 'in-progress') pair.state = 'waiting';
  }

  private bestWaiting(): CandidatePair | undefined {
    return this.sorted.find((pair) => pair.state === 'waiting');
  }

  private thawable(): CandidatePair | undefined {
    const busy = new Set(this.sorted.filter((pair) => pair.state === 'in-progress').map(foundationOf));
    const frozen = this.sorted.filter((pair) => pair.state === 'frozen' && !pair.expired);
    return frozen.find((pair) => !busy.has(foundationOf(pair)));
  }

  private makeRoom(pair: CandidatePair): boolean {
    if (this.sorted.length < MAX_PAIRS) return true;
    const idle = this.sorted.filter(({ state }) => state !== 'succeeded' && state !== 'in-progress');
    // The ways by relays are few, and what is left when nothing else works; of the peer-reflexive ones there may be no end.
    const least = isRelayed(pair)
      ? idle.findLast(({ remote }) => remote.type === 'prflx')
      : idle.findLast((other) => !isRelayed(other) && other.priority < pair.priority);
    if (least === undefined) return false;
    this.remove(least);
    return true;
  }
}

function byPriority(a: CandidatePair, b: CandidatePair): number {
  return a.priority === b.priority ? 0 : a.priority > b.priority ? -1 : 1;
}

function foundationOf(pair: CandidatePair): string {
  return `${pair.local.foundation} ${pair.remote.foundation}`;
}
