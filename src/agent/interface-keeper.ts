import type { Timed } from '../base/clock.ts';
import { IdlocError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { RateLimit } from '../base/rate-limit.ts';

// Implementation constants.

/** Each thing that is put back is a change again, which is looked at: a dozen are put back at once, then one in a second. */
const LOOKS_AT_ONCE = 24;
const LOOKS_PER_SECOND = 1;
/** Nobody says when what failed would work: tried again after this, doubled each time. It may just have been taken away meanwhile. */
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 10_000;
/** Somebody who takes it away again and again must not fill the log. */
const LINES_AT_ONCE = 12;
const LINES_PER_SECOND = 1 / 60;

/**
 * Keeps the interface, its addresses and the routes as the agent has set them: what somebody takes away is put back at once.
 * Against somebody who goes on and on it keeps a moderate pace. What fails leaves it usable: tried again.
 */
export class InterfaceKeeper implements Timed {
  private readonly logger: Logger;
  private readonly putBack: () => readonly string[];
  private readonly looks = new RateLimit(LOOKS_PER_SECOND, LOOKS_AT_ONCE);
  private readonly lines = new RateLimit(LINES_PER_SECOND, LINES_AT_ONCE);
  private lookAt: number | undefined;
  private retryMs = FIRST_RETRY_MS;
  /** Since the last line in the log. */
  private times = 0;

  /** @param components.putBack compares what is there with what is wanted. @returns what was missing. */
  constructor(components: { readonly logger: Logger; readonly putBack: () => readonly string[] }) {
    this.logger = components.logger;
    this.putBack = components.putBack;
  }

  /** Something was changed, by whomever. */
  changed(now: number): void {
    if (this.looks.take(now)) this.look(now);
    else this.lookAt = Math.min(this.lookAt ?? Infinity, now + 1_000 / LOOKS_PER_SECOND);
  }

  nextTimeout(): number | undefined {
    return this.lookAt;
  }

  handleTimeout(now: number): void {
    if (this.lookAt === undefined || this.lookAt > now) return;
    this.looks.take(now);
    this.look(now);
  }

  private look(now: number): void {
    this.lookAt = undefined;
    try {
      const missing = this.putBack();
      this.retryMs = FIRST_RETRY_MS;
      if (missing.length > 0) this.say('put back what someone else took away', { missing: missing.join(', ') }, now);
    } catch (error) {
      if (!(error instanceof IdlocError)) throw error;
      this.lookAt = now + this.retryMs;
      this.retryMs = Math.min(2 * this.retryMs, MAX_RETRY_MS);
      this.say('the interface and its routes are not as they should be', { err: messageOf(error) }, now);
    }
  }

  private say(message: string, fields: Readonly<Record<string, string>>, now: number): void {
    this.times += 1;
    if (!this.lines.take(now)) return;
    this.logger.warn(message, { ...fields, times: this.times });
    this.times = 0;
  }
}
