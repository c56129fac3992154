import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { StateDirectory } from '../identity/state-directory.ts';

/** A disk that is full now may have room later. */
const RETRY_MS = 60_000;

export interface KeptFileComponents {
  readonly state: Pick<StateDirectory, 'read' | 'write' | 'writeSoon'>;
  readonly logger: Logger;
  /** What is to be written; in pieces, between which the event loop turns. */
  readonly text: () => string | Iterable<string>;
}

interface KeptFileOptions {
  /** Its name in the state directory; nobody else may read it. */
  readonly file: string;
  /** For people: `registrations of phones`. */
  readonly what: string;
  /** Changes that come together are written together. */
  readonly saveDelayMs: number;
}

/** What is remembered from life to life, though one may end at any time: it is written soon after it has changed. */
export class KeptFile {
  private readonly components: KeptFileComponents;
  private readonly options: KeptFileOptions;
  private timer: NodeJS.Timeout | undefined;
  private unsaved = false;
  private saving = false;
  private failing = false;

  constructor(components: KeptFileComponents, options: KeptFileOptions) {
    this.components = components;
    this.options = options;
  }

  /** @param read of its text, which may be anything: what it throws is said @returns undefined: none, or none that can be read */
  loadBy<T>(read: (text: string) => T): T | undefined {
    const { state, logger } = this.components;
    const { file, what } = this.options;
    try {
      const bytes = state.read(file, { secret: true });
      return bytes === undefined ? undefined : read(Buffer.from(bytes).toString());
    } catch (error) {
      logger.warn(`${what} are not restored`, { err: messageOf(error) });
      return undefined;
    }
  }

  changed(): void {
    this.unsaved = true;
    this.saveIn(this.options.saveDelayMs);
  }

  /** Writes what is not written yet. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.unsaved && !this.saving) return;
    try {
      const text = this.components.text();
      const whole = typeof text === 'string' ? text : [...text].join('');
      this.components.state.write(this.options.file, whole, { secret: true });
      this.unsaved = false;
    } catch (error) {
      this.failed(error);
    }
  }

  private saveIn(delayMs: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.save();
    }, delayMs).unref();
  }

  private async save(): Promise<void> {
    if (this.saving) {
      this.saveIn(this.options.saveDelayMs);
      return;
    }
    this.saving = true;
    this.unsaved = false;
    try {
      await this.components.state.writeSoon(this.options.file, this.components.text(), { secret: true });
      this.failing = false;
    } catch (error) {
      this.unsaved = true;
      this.failed(error);
      this.saveIn(RETRY_MS);
    } finally {
      this.saving = false;
    }
  }

  private failed(error: unknown): void {
    const { what } = this.options;
    if (!this.failing)
      this.components.logger.warn(`${what} are not remembered over a restart`, { err: messageOf(error) });
    this.failing = true;
  }
}
