import type { Timed } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { PERSIST_RETRY_MS } from './constants.ts';

/**
 * Writes what must outlast this run. A write that fails is no reason to stop: what was to be written is in force, and is
 * written when there is room again. A later write of the same name replaces one that waits.
 */
export class Keeper implements Timed {
  private readonly logger: Logger;
  private readonly waiting = new Map<string, () => void>();
  private retryAt: number | undefined;

  constructor(components: { logger: Logger }) {
    this.logger = components.logger;
  }

  /** Names of what is not on the disk. */
  get unwritten(): readonly string[] {
    return [...this.waiting.keys()];
  }

  /** @param write throws when it cannot. */
  keep(name: string, write: () => void, now: number): void {
    this.waiting.set(name, write);
    this.flush(now);
  }

  nextTimeout(): number | undefined {
    return this.retryAt;
  }

  handleTimeout(now: number): void {
    if (this.retryAt !== undefined && this.retryAt <= now) this.flush(now);
  }

  private flush(now: number): void {
    for (const [name, write] of this.waiting) {
      try {
        write();
        this.waiting.delete(name);
      } catch (error) {
        this.logger.warn('cannot write', { what: name, err: messageOf(error), againInS: PERSIST_RETRY_MS / 1000 });
      }
    }
    this.retryAt = this.waiting.size === 0 ? undefined : now + PERSIST_RETRY_MS;
  }
}
