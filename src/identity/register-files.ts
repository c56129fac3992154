import type { RegisterStore } from './enrollment-register.ts';
import { StateWriteError } from './errors.ts';
import type { StateDirectory } from './state-directory.ts';

const REGISTER = 'enrollment.json';
const JOURNAL = 'enrollment.journal';
/** It is written whole for each line, and goes with every write of the register: so long it is only where those fail. */
const MAX_JOURNAL_BYTES = 1024 * 1024;

/**
 * An inviter's register on the disk: the whole of it in one file, written once in a while; in a journal beside it each change
 * since then that must not be lost. A journal that is older than the register does no harm: each of its lines says how
 * something is, not how it changes, and the last word is the register's too.
 */
export class RegisterFiles implements RegisterStore {
  private readonly directory: StateDirectory;
  /** The journal: lines that the register does not have yet. */
  private lines: readonly string[] = [];
  /** Counts the writes of the register: one that was overtaken takes nothing from the journal. */
  private writes = 0;

  constructor(directory: StateDirectory) {
    this.directory = directory;
  }

  get path(): string {
    return this.directory.pathOf(REGISTER);
  }

  get journalPath(): string {
    return this.directory.pathOf(JOURNAL);
  }

  /** @throws {KeyStoreError} when they cannot be read. */
  read(): { readonly json: string | undefined; readonly journal: string } {
    const bytes = this.directory.read(REGISTER, { secret: true });
    const kept = this.directory.read(JOURNAL, { secret: true }) ?? new Uint8Array();
    const journal = Buffer.from(kept).toString('utf8');
    this.lines = journal === '' ? [] : journal.split(/(?<=\n)/);
    return { json: bytes && Buffer.from(bytes).toString('utf8'), journal };
  }

  append(line: string): void {
    const lines = [...this.lines, line];
    const text = lines.join('');
    if (text.length > MAX_JOURNAL_BYTES)
      throw new StateWriteError(`${this.journalPath} is too long: ${this.path} cannot be written`);
    this.directory.write(JOURNAL, text, { secret: true });
    this.lines = lines;
  }

  write(pieces: Iterable<string>): void {
    this.writes += 1;
    this.directory.write(REGISTER, [...pieces].join(''), { secret: true });
    this.cut(this.lines.length);
  }

  writeSoon(pieces: Iterable<string>, done: (error?: unknown) => void): void {
    const write = (this.writes += 1);
    const { length } = this.lines;
    this.directory
      .writeSoon(REGISTER, pieces, { secret: true })
      .then(() => {
        if (write === this.writes) this.cut(length);
      })
      .then(() => done(), done);
  }

  /** The register has the first lines of the journal by now. */
  private cut(count: number): void {
    const rest = this.lines.slice(count);
    if (rest.length === 0) this.directory.remove(JOURNAL);
    else if (count > 0) this.directory.write(JOURNAL, rest.join(''), { secret: true });
    this.lines = rest;
  }
}
