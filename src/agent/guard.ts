import { reporting } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';

/** The same bug with every packet must not fill the log. */
const MAX_LOGGED_AT_A_PLACE = 5;

/**
 * Where events from outside enter: what is thrown in there and was not foreseen is a bug. It ends what was asked, is logged with
 * its stack and counted, and the agent goes on.
 */
export class Guard {
  private readonly logger: Logger;
  /** By where it was thrown: as many as there are lines of code that throw. */
  private readonly logged = new Map<string, number>();
  private seen = 0;

  constructor(components: { logger: Logger }) {
    this.logger = components.logger;
  }

  /** Unexpected errors since the start. */
  get count(): number {
    return this.seen;
  }

  /** @returns whether it ran to its end. */
  run(what: string, action: () => void): boolean {
    return reporting((where, error) => this.report(where, error), what, action);
  }

  /** A handler of events that come from elsewhere: what it throws ends that event. */
  handler<A extends readonly unknown[]>(what: string, handle: (...event: A) => void): (...event: A) => void {
    return (...event) => void this.run(what, () => handle(...event));
  }

  /** Calls once, after so many milliseconds. @returns what calls it off. */
  after(what: string, ms: number, then: () => void): () => void {
    const timer = setTimeout(this.handler(what, then), ms).unref();
    return () => clearTimeout(timer);
  }

  report(what: string, error: unknown): void {
    this.seen += 1;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const place = `${what} ${/^ +at .*$/m.exec(stack)?.[0] ?? ''}`;
    const times = (this.logged.get(place) ?? 0) + 1;
    this.logged.set(place, times);
    if (times <= MAX_LOGGED_AT_A_PLACE) this.logger.error('unexpected error', { in: what, stack, times });
  }
}
