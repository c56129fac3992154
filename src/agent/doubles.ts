import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { type DoubleEvent, DoubleWatch, type Run } from '../membership/double-watch.ts';
import type { Roster } from '../membership/roster.ts';

export const AWAY = "another agent has this host's key";

/** Another agent that runs with this host's key. */
export interface Double {
  /** Milliseconds since the epoch, by its clock; undefined: not known. */
  readonly startedAt?: number;
  /** Where it was met; undefined: only what it wrote was seen. */
  readonly remote?: SocketAddress | undefined;
  /** This agent was started later: it stays out of the overlay. */
  readonly isAway: boolean;
}

export interface DoublesComponents {
  readonly logger: Logger;
  readonly hasLinks: () => boolean;
  /** Out of the overlay: another agent with our key was there before. */
  readonly leave: (now: number) => void;
  readonly enter: (now: number) => void;
  /** Undefined: there is no other any more. */
  readonly tell: (double: Double | undefined) => void;
}

/** What this agent does about another one with its key, a copied state folder say: see DoubleWatch for who gives way. */
export class Doubles implements Timed {
  private readonly components: DoublesComponents;
  /** From the moment that our node is made. */
  private current: DoubleWatch | undefined;
  private double: Double | undefined;

  constructor(components: DoublesComponents) {
    this.components = components;
  }

  /** As far as is known. */
  get known(): Double | undefined {
    return this.double;
  }

  get isAway(): boolean {
    return this.current?.isAway === true;
  }

  keepsBack(now: number): boolean {
    return this.current?.keepsBack(now) === true;
  }

  /** Our node was made. */
  watch(roster: Roster): void {
    const { logger, hasLinks } = this.components;
    const ports = {
      latestRun: (since: number | undefined, now: number, done: (run: Run | undefined, at: number) => void) => {
        // Alone, there is nobody who could have taken what another wrote.
        if (hasLinks()) roster.latestRun(since, now, done);
        else done(undefined, now);
      },
      reassert: (now: number) => roster.changed(now),
      startOver: (now: number) => roster.startOver(now),
    };
    const watch = new DoubleWatch({ ports, logger }, { startedAt: roster.startedAt });
    watch.onEvent((event, now) => {
      this.onEvent(event, now);
    });
    this.current = watch;
  }

  nextTimeout(): number | undefined {
    return this.current?.nextTimeout();
  }

  handleTimeout(now: number): void {
    this.current?.handleTimeout(now);
  }

  linkUp(now: number): void {
    this.current?.linkUp(now);
  }

  entered(now: number): void {
    this.current?.entered(now);
  }

  /** A member has ended its link with us. */
  suspect(hit: Hit, now: number): void {
    this.current?.suspect(hit, now);
  }

  /** A link showed it; which of the two gives way, only what both write into the overlay tells. */
  met(remote: SocketAddress, now: number): void {
    this.tell({ isAway: false, ...this.double, remote });
    this.entered(now);
  }

  private onEvent(event: DoubleEvent, now: number): void {
    switch (event.type) {
      case 'met':
      case 'away': {
        const { startedAt } = event;
        const isAway = event.type === 'away';
        this.tell({ startedAt, remote: this.double?.remote, isAway });
        if (isAway) this.components.leave(now);
        return;
      }
      case 'back':
        if (this.double !== undefined) this.double = { ...this.double, isAway: false };
        this.components.enter(now);
        return;
      case 'gone':
        this.tell(undefined);
    }
  }

  private tell(double: Double | undefined): void {
    this.double = double;
    this.components.tell(double);
  }
}
