import { type Timed, earliest } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { GATHER_MS, PERSIST_RETRY_MS } from './constants.ts';

/** Begins to write; `done` is called once, with what went wrong if something did. */
export type Writing = (done: (error?: unknown) => void) => void;

interface Gathering {
  write: Writing;
  /** When it begins the next time. */
  at: number;
  isWriting: boolean;
  /** Something came while it was written. */
  again: boolean;
  /** The last attempt came to nothing. */
  failed: boolean;
}

const IDLE = { isWriting: false, again: false, failed: false };

/**
 * Writes what must outlast this run: at once, or gathered for a while. A write that fails is no reason to stop: what was to be
 * written is in force, and is written when there is room again. A later write of the same name replaces one that waits.
 */
export class Keeper implements Timed {
  private readonly logger: Logger;
  private readonly waiting = new Map<string, () => void>();
  private readonly gathered = new Map<string, Gathering>();
  private retryAt: number | undefined;

  constructor(components: { logger: Logger }) {
    this.logger = components.logger;
  }

  /** Names of what the disk did not take. */
  get unwritten(): readonly string[] {
    const gathered = [...this.gathered].filter(([, { failed }]) => failed).map(([name]) => name);
    return [...this.waiting.keys(), ...gathered];
  }

  /** @param write throws when it cannot. */
  keep(name: string, write: () => void, now: number): void {
    this.waiting.set(name, write);
    this.flush(now);
  }

  /** For what a crash may cost: it begins to be written a while after the first call, with all that came until then. */
  gather(name: string, write: Writing, now: number): void {
    const known = this.gathered.get(name);
    if (known === undefined) this.gathered.set(name, { ...IDLE, write, at: now + GATHER_MS });
    else {
      known.write = write;
      known.again = known.isWriting;
    }
  }

  nextTimeout(): number | undefined {
    return earliest(this.retryAt, ...[...this.gathered.values()].map(({ at }) => at));
  }

  handleTimeout(now: number): void {
    if (this.retryAt !== undefined && this.retryAt <= now) this.flush(now);
    for (const [name, gathering] of this.gathered) if (gathering.at <= now) this.writeGathered(name, gathering, now);
  }

  private writeGathered(name: string, gathering: Gathering, now: number): void {
    // When it has ended by then, there is no more to be done.
    gathering.at = now + PERSIST_RETRY_MS;
    if (gathering.isWriting) return;
    gathering.isWriting = true;
    gathering.again = false;
    gathering.write((error) => {
      gathering.isWriting = false;
      gathering.failed = error !== undefined;
      if (error !== undefined) this.complain(name, error);
      else if (!gathering.again) this.gathered.delete(name);
    });
  }

  private complain(name: string, error: unknown): void {
    this.logger.warn('cannot write', { what: name, err: messageOf(error), againInS: PERSIST_RETRY_MS / 1000 });
  }

  private flush(now: number): void {
    for (const [name, write] of this.waiting) {
      try {
        write();
        this.waiting.delete(name);
      } catch (error) {
        this.complain(name, error);
      }
    }
    this.retryAt = this.waiting.size === 0 ? undefined : now + PERSIST_RETRY_MS;
  }
}
