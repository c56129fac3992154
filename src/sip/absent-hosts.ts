import type { Timed } from '../base/clock.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import type { HostWatchPorts } from './host-watch.ts';

// Implementation constants.

/** As long as a registration lives that nobody renews (`SipRecords`): after that the overlay does not name the host any more. */
const REMEMBERED_MS = 600_000;
const LOOK_EVERY_MS = 2_000;
/** Between two questions to the overlay: doubled each time. A call asks sooner. */
const REACH_EVERY_MS = { least: 4_000, most: 60_000 } as const;
const REACH_FOR_CALL_MS = 1_000;
const MAX_HOSTS = 256;

interface Absent {
  readonly address: string;
  readonly until: number;
  /** Of the record that led there. */
  readonly storedAt: number | undefined;
  /** It has had its link ever since it was found gone: one that says nothing. */
  isLinkSilent: boolean;
  isAsked: boolean;
  reachAt: number;
  reachEveryMs: number;
}

export interface AbsentHostsPorts extends Pick<HostWatchPorts, 'isLinked' | 'echo' | 'reach'> {
  /** Whether this host is in the overlay: else whoever it does not reach may be there all the same. */
  isJoined(): boolean;
}

/**
 * Hosts that were found gone (`HostWatch`): the next call to one need not wait to find it out again. A host is back as soon as anything
 * is heard from it, its link comes up, the overlay has one to it, or it has written its record anew; and is looked for meanwhile.
 *
 *     gone ──> absent ──link, echo, way through the overlay, newer record, ten minutes──> (none)
 */
export class AbsentHosts implements Timed {
  private readonly ports: AbsentHostsPorts;
  /** By address, the longest absent first. */
  private readonly absent = new Map<string, Absent>();
  /** Of hosts that were called, by address: when the record was written that led there. */
  private readonly records = new Map<string, number>();
  private readonly timers = new TimerQueue<Absent>();

  constructor(components: { readonly ports: AbsentHostsPorts }) {
    this.ports = components.ports;
  }

  get size(): number {
    return this.absent.size;
  }

  gone(address: string, now: number): void {
    this.back(address);
    if (!this.ports.isJoined()) return;
    const absent: Absent = {
      ...{ address, until: now + REMEMBERED_MS, storedAt: this.records.get(address) },
      ...{ isLinkSilent: this.ports.isLinked(address), isAsked: false },
      ...{ reachAt: now + REACH_EVERY_MS.least, reachEveryMs: REACH_EVERY_MS.least },
    };
    this.absent.set(address, absent);
    this.timers.set(absent, now + LOOK_EVERY_MS);
    const [oldest] = this.absent.keys();
    if (this.absent.size > MAX_HOSTS && oldest !== undefined) this.back(oldest);
  }

  /** It is there. */
  back(address: string): void {
    const absent = this.absent.get(address);
    if (absent === undefined) return;
    this.absent.delete(address);
    this.timers.clear(absent);
  }

  /** This host has another network, or has joined the overlay: nothing is known of others any more. */
  forgetAll(): void {
    for (const address of [...this.absent.keys()]) this.back(address);
  }

  /**
   * Whether a call to that host would only find out what is known. Asked of each host that is called.
   * @param storedAt when the record was written that leads there, by whatever clock; undefined: there is none.
   */
  isAbsent(address: string, storedAt: number | undefined, now: number): boolean {
    const absent = this.absent.get(address);
    if (storedAt !== undefined) this.note(address, storedAt);
    if (absent === undefined) return false;
    const isNews = storedAt !== undefined && absent.storedAt !== undefined && storedAt !== absent.storedAt;
    if (isNews || this.isLinkedAnew(absent)) {
      this.back(address);
      return false;
    }
    absent.reachAt = Math.min(absent.reachAt, now + REACH_FOR_CALL_MS);
    this.timers.set(absent, now);
    return true;
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let absent = this.timers.due(now); absent !== undefined; absent = this.timers.due(now)) this.look(absent, now);
  }

  private look(absent: Absent, now: number): void {
    const { address, until } = absent;
    if (now >= until || this.isLinkedAnew(absent)) {
      this.back(address);
      return;
    }
    this.timers.set(absent, now + LOOK_EVERY_MS);
    if (absent.isAsked) return;
    const isThere = (is: boolean): void => {
      absent.isAsked = false;
      if (is && this.absent.get(address) === absent) this.back(address);
    };
    absent.isAsked = true;
    if (absent.isLinkSilent) this.ports.echo(address, now, isThere);
    else if (now >= absent.reachAt) {
      absent.reachAt = now + absent.reachEveryMs;
      absent.reachEveryMs = Math.min(2 * absent.reachEveryMs, REACH_EVERY_MS.most);
      this.ports.reach(address, now, isThere);
    } else absent.isAsked = false;
  }

  private isLinkedAnew(absent: Absent): boolean {
    const isLinked = this.ports.isLinked(absent.address);
    if (!isLinked) absent.isLinkSilent = false;
    return isLinked && !absent.isLinkSilent;
  }

  private note(address: string, storedAt: number): void {
    this.records.delete(address);
    this.records.set(address, storedAt);
    const [oldest] = this.records.keys();
    if (this.records.size > MAX_HOSTS && oldest !== undefined) this.records.delete(oldest);
  }
}
