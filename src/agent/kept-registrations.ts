import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { StateDirectory } from '../identity/state-directory.ts';

/** Who has registered, and from where: nobody else's business. */
const FILE = 'registrations';
/** A phone that starts takes its old binding away and makes another one. */
const SAVE_DELAY_MS = 1_000;
/** A disk that is full now may have room later. */
const RETRY_MS = 60_000;

/** Registrations of phones from life to life: after a restart they are called without their doing. */
export class KeptRegistrations {
  private readonly state: Pick<StateDirectory, 'read' | 'write' | 'writeSoon'>;
  private readonly logger: Logger;
  /** What is to be written; plain data. */
  private readonly snapshot: () => unknown;
  private timer: NodeJS.Timeout | undefined;
  private unsaved = false;
  private saving = false;
  private failing = false;

  constructor(components: {
    readonly state: Pick<StateDirectory, 'read' | 'write' | 'writeSoon'>;
    readonly logger: Logger;
    readonly snapshot: () => unknown;
  }) {
    this.state = components.state;
    this.logger = components.logger;
    this.snapshot = components.snapshot;
  }

  /** Undefined: none, or none that can be read. It may hold anything. */
  load(): unknown {
    try {
      const bytes = this.state.read(FILE, { secret: true });
      return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString());
    } catch (error) {
      this.logger.warn('registrations of phones are not restored', { err: messageOf(error) });
      return undefined;
    }
  }

  changed(): void {
    this.unsaved = true;
    this.saveIn(SAVE_DELAY_MS);
  }

  /** Writes what is not written yet. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.unsaved && !this.saving) return;
    try {
      this.state.write(FILE, this.text(), { secret: true });
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
      this.saveIn(SAVE_DELAY_MS);
      return;
    }
    this.saving = true;
    this.unsaved = false;
    try {
      await this.state.writeSoon(FILE, this.text(), { secret: true });
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
    if (!this.failing)
      this.logger.warn('registrations of phones are not remembered over a restart', { err: messageOf(error) });
    this.failing = true;
  }

  private text(): string {
    return `${JSON.stringify(this.snapshot())}\n`;
  }
}
