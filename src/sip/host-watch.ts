import type { Timed } from '../base/clock.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import type { SipFlow } from './flow.ts';

// Implementation constants.

/** A host that is there has said 100 by then (RFC 3261 s17.2.1: within 200 ms), over most paths. */
const FIRST_MS = 500;
const NEXT_MS = 1_000;
/** A link finds another path sooner than that, and two echoes in a row may be lost. */
const SILENT_MS = 4_000;
const SILENT_ECHOES = 2;
/** The overlay's question is asked anew after three seconds (CONNECT_RETRY_MS); a host that is there answers one of both. */
const UNANSWERED_MS = 5_000;
/** Hosts that are called at a time; more are waited for as SIP waits. */
const MAX_WATCHED = 256;

export interface HostWatchPorts {
  /** Whether a request over this flow would end if nobody were behind it. */
  isWaiting(flow: SipFlow): boolean;
  /** Whether there is a link to the host, even one that does not work. */
  isLinked(address: string): boolean;
  /** An echo on that link. @param done called once, `isThere` false: no answer. */
  echo(address: string, now: number, done: (isThere: boolean, now: number) => void): void;
  /** Asks the overlay for a link. @param done called once, `isThere` false: there is none to be had. */
  reach(address: string, now: number, done: (isThere: boolean, now: number) => void): void;
  /** Whether it has answered by now, and its link is being made. */
  hasAnswered(address: string): boolean;
  /** Nobody is behind that flow: whatever waits for it need not. Called from `handleTimeout` or from within a `done`. */
  gone(flow: SipFlow, now: number): void;
}

interface Watched {
  readonly flow: SipFlow;
  /** Or when it was asked first. */
  heardAt: number;
  /** Echoes on the link that were sent since. */
  echoes: number;
  /** Since when the overlay has been asked; undefined: it is not. */
  reachingSince: number | undefined;
}

/**
 * Whether hosts that requests went to are there. SIP itself waits for half a minute (timer B); the link, or the overlay, knows sooner.
 *
 *     sent ──> watched ──half a second of silence──> asked, each second: an echo on its link, or a link of the overlay
 *                 │  ^                                 │          │
 *                 │  └──────────── heard ──────────────┘          └── no link, or nothing for some seconds ──> gone
 *                 └── nothing waits for it any more ──> (none)
 */
export class HostWatch implements Timed {
  private readonly ports: HostWatchPorts;
  /** By the key of the flow. */
  private readonly watched = new Map<string, Watched>();
  private readonly timers = new TimerQueue<Watched>();

  constructor(components: { readonly ports: HostWatchPorts }) {
    this.ports = components.ports;
  }

  /** Hosts that are watched: 0 when nothing goes on. */
  get size(): number {
    return this.watched.size;
  }

  /** A request goes to another host. */
  sent(flow: SipFlow, now: number): void {
    if (this.watched.has(flow.key) || this.watched.size >= MAX_WATCHED) return;
    const watched = { flow, heardAt: now, echoes: 0, reachingSince: undefined };
    this.watched.set(flow.key, watched);
    this.timers.set(watched, now + FIRST_MS);
  }

  /** Anything came by this flow. */
  heard({ key }: SipFlow, now: number): void {
    const watched = this.watched.get(key);
    if (watched !== undefined) noteLife(watched, now);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let watched = this.timers.due(now); watched !== undefined; watched = this.timers.due(now))
      this.look(watched, now);
  }

  private look(watched: Watched, now: number): void {
    const { flow, heardAt, reachingSince } = watched;
    const { address } = flow.remote;
    if (!this.ports.isWaiting(flow)) {
      this.drop(watched);
    } else if (this.isSilent(watched, now)) {
      this.gone(watched, now);
    } else {
      this.timers.set(watched, now + NEXT_MS);
      if (reachingSince !== undefined || now - heardAt < FIRST_MS) return;
      if (this.ports.isLinked(address)) this.echo(watched, now);
      else this.reach(watched, now);
    }
  }

  private isSilent({ flow, heardAt, echoes, reachingSince }: Watched, now: number): boolean {
    const { address } = flow.remote;
    if (reachingSince !== undefined) return now - reachingSince >= UNANSWERED_MS && !this.ports.hasAnswered(address);
    return this.ports.isLinked(address) && now - heardAt >= SILENT_MS && echoes >= SILENT_ECHOES;
  }

  private reach(watched: Watched, now: number): void {
    watched.reachingSince = now;
    this.ports.reach(watched.flow.remote.address, now, (isThere, at) => {
      watched.reachingSince = undefined;
      noteLife(watched, at);
      if (!isThere && this.watched.get(watched.flow.key) === watched) this.gone(watched, at);
    });
  }

  private echo(watched: Watched, now: number): void {
    const { flow } = watched;
    // One that could not be sent says nothing: its `done` comes within the call.
    watched.echoes += 1;
    let isSent = false;
    this.ports.echo(flow.remote.address, now, (isThere, at) => {
      if (isThere) noteLife(watched, at);
      else if (!isSent) watched.echoes -= 1;
    });
    isSent = true;
  }

  private gone(watched: Watched, now: number): void {
    this.drop(watched);
    this.ports.gone(watched.flow, now);
  }

  private drop(watched: Watched): void {
    this.watched.delete(watched.flow.key);
    this.timers.clear(watched);
  }
}

function noteLife(watched: Watched, now: number): void {
  watched.heardAt = now;
  watched.echoes = 0;
}
