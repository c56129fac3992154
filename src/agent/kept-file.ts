import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { StateDirectory } from '../identity/state-directory.ts';

/** A disk that is full now may have room later. */
const RETRY_MS = 60_000;

export interface KeptFileComponents {
  readonly state: Pick<StateDirectory, 'read' | 'write' | 'writeSoon'>;
  readonly logger: Logger;
  /** What is to be written; plain data. */
  readonly snapshot: () => unknown;
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

  /** Undefined: none, or none that can be read. It may hold anything. */
  load(): unknown {
    const { state, logger } = this.components;
    const { file, what } = this.options;
    try {
      const bytes = state.read(file, { secret: true });
      return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString());
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
      this.components.state.write(this.options.file, this.text(), { secret: true });
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
      await this.components.state.writeSoon(this.options.file, this.text(), { secret: true });
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

  private text(): string {
    return `${JSON.stringify(this.components.snapshot())}\n`;
  }
}
