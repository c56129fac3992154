import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { makeFolder } from '../base/make-folder.ts';
import { KeyStoreError, StateInUseError, StateWriteError } from './errors.ts';
import { isErrno, LOCK_NAME, StateLock } from './state-lock.ts';

export const DEFAULT_STATE_DIRECTORY = '/var/lib/idloc';
/** The register of 100,000 members is the largest file. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const GROUP_AND_OTHERS = 0o077;
/** Nothing can be written, but what is there can be read. */
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);
const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);
/** What an agent that was killed while writing leaves. */
const LEFTOVER = /^\..+\.\d+(\.\d+)?\.tmp$/;

export interface WriteOptions {
  /** Only the owner may read it. */
  readonly secret: boolean;
  /** Refuse when the file is there already. */
  readonly createOnly?: boolean;
}

/** Files of one agent. A file is always whole, the old or the new one, whenever the agent or the machine stops. */
export class StateDirectory {
  readonly path: string;
  /** Takes the lock; undefined: opened to read only, or closed. */
  private acquire: ((path: string) => StateLock) | undefined;
  private lock: StateLock | undefined;
  private problem: string | undefined;
  /** Counts the writes of each file: a slow one does not replace what was written after it began. */
  private readonly writes = new Map<string, number>();

  private constructor(path: string, acquire?: (path: string) => StateLock) {
    this.path = path;
    this.acquire = acquire;
  }

  /**
   * For the one agent that uses it: makes the directory where needed, and locks it. On a disk that takes no lock, a full one
   * say, what is there can be read all the same: the lock is taken before the first write that succeeds.
   * @throws {StateInUseError} when another agent runs on it.
   * @throws {KeyStoreError} when it cannot be made or used.
   */
  static open(path: string, acquire: (path: string) => StateLock = (own) => StateLock.acquire(own)): StateDirectory {
    const directory = new StateDirectory(path, acquire);
    try {
      makeFolder(path, 0o700);
      readdirSync(path);
      directory.takeLock();
    } catch (error) {
      if (error instanceof StateInUseError || !isSystemError(error)) throw error;
      if (!NO_ROOM.has(error.code)) {
        const advice = DENIED.has(error.code) ? 'use --state, or run as root' : 'use --state';
        throw new StateWriteError(`the state directory ${path} cannot be used (${reasonOf(error)}): ${advice}`, {
          cause: error,
        });
      }
      directory.problem = reasonOf(error);
    }
    return directory;
  }

  /** For reading beside an agent that runs. */
  static readOnly(path: string): StateDirectory {
    return new StateDirectory(path);
  }

  /** Why it cannot be written; undefined: it can, as far as is known. */
  get unwritable(): string | undefined {
    return this.problem;
  }

  /** Gives the lock back. Idempotent. */
  close(): void {
    this.lock?.release();
    this.lock = undefined;
    this.acquire = undefined;
  }

  private takeLock(): void {
    if (this.lock !== undefined || this.acquire === undefined) return;
    this.lock = this.acquire(this.path);
    this.problem = undefined;
    for (const name of readdirSync(this.path)) if (LEFTOVER.test(name)) rmSync(join(this.path, name), { force: true });
  }

  has(name: string): boolean {
    return existsSync(this.pathOf(name));
  }

  pathOf(name: string): string {
    return join(this.path, name);
  }

  /**
   * @returns undefined when the file is not there.
   * @throws {KeyStoreError} when it cannot be read, or is a secret that others can read.
   */
  read(name: string, { secret }: { readonly secret: boolean }): Uint8Array<ArrayBuffer> | undefined {
    const path = this.pathOf(name);
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (cause) {
      if (isErrno(cause, 'ENOENT')) return undefined;
      throw new KeyStoreError(`${path} cannot be read: ${reasonOf(cause)}`, { cause });
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) throw new KeyStoreError(`${path} is no regular file`);
      if (secret && (stat.mode & GROUP_AND_OTHERS) !== 0)
        throw new KeyStoreError(`${path} is a secret but other users of this host can read it: chmod 600 ${path}`);
      if (stat.size > MAX_FILE_BYTES) throw new KeyStoreError(`${path} is too large to be a file of idloc`);
      return new Uint8Array(readFileSync(fd));
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Replaces the file as a whole: it is on the disk, under its name, when this returns.
   * @throws {KeyStoreError} when that fails, or `createOnly` finds a file; the old one is then untouched.
   */
  write(name: string, content: Uint8Array | string, { secret, createOnly = false }: WriteOptions): void {
    const path = this.pathOf(name);
    const prepared = this.pathOf(`.${name}.${process.pid}.tmp`);
    this.countWrite(name);
    try {
      this.checkLocked(path);
      rmSync(prepared, { force: true });
      const fd = openSync(prepared, 'wx', secret ? SECRET_MODE : PUBLIC_MODE);
      try {
        writeFileSync(fd, content);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      // rename() would replace a file that is there, link() does not.
      if (createOnly) linkSync(prepared, path);
      else renameSync(prepared, path);
      this.syncDirectory();
    } catch (cause) {
      if (createOnly && isErrno(cause, 'EEXIST'))
        throw new KeyStoreError(`${path} is there already and is not overwritten: move it away first`, { cause });
      throw writeError(`${path} cannot be written`, cause);
    } finally {
      removeQuietly(prepared);
    }
  }

  /**
   * As `write`, for what changes while the agent runs: a slow disk holds nothing up. A write of the same file that begins
   * later wins.
   * @param content text may come in pieces: the event loop turns between them.
   * @throws {KeyStoreError} when that fails; the old file is then untouched.
   */
  async writeSoon(
    name: string,
    content: string | Uint8Array | Iterable<string>,
    { secret }: { readonly secret: boolean },
  ): Promise<void> {
    const path = this.pathOf(name);
    const count = this.countWrite(name);
    const prepared = this.pathOf(`.${name}.${process.pid}.${count}.tmp`);
    try {
      this.checkLocked(path);
      const file = await open(prepared, 'wx', secret ? SECRET_MODE : PUBLIC_MODE);
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
      if (this.writes.get(name) !== count) return;
      this.checkLocked(path);
      renameSync(prepared, path);
      await this.syncDirectorySoon();
    } catch (cause) {
      throw writeError(`${path} cannot be written`, cause);
    } finally {
      removeQuietly(prepared);
    }
  }

  private countWrite(name: string): number {
    const count = (this.writes.get(name) ?? 0) + 1;
    this.writes.set(name, count);
    return count;
  }

  /**
   * Idempotent.
   * @throws {KeyStoreError} when it is there and stays.
   */
  remove(name: string): void {
    const path = this.pathOf(name);
    if (!this.has(name)) return;
    try {
      this.checkLocked(path);
      rmSync(path, { force: true });
      this.syncDirectory();
    } catch (cause) {
      throw writeError(`${path} cannot be removed`, cause);
    }
  }

  /**
   * As `remove`, for what changes while the agent runs: nobody finds the file from now on, and a slow disk holds nothing up. A write of it
   * that has not ended does not bring it back; one that begins later does.
   * @throws {KeyStoreError} when it is there and stays.
   */
  async removeSoon(name: string): Promise<void> {
    const path = this.pathOf(name);
    this.countWrite(name);
    if (!this.has(name)) return;
    try {
      this.checkLocked(path);
      rmSync(path, { force: true });
      await this.syncDirectorySoon();
    } catch (cause) {
      throw writeError(`${path} cannot be removed`, cause);
    }
  }

  /**
   * Moves all files but `kept` into a folder of their own, which nobody reads any more: a key is never deleted.
   * @param first the file without which the others mean nothing, should the machine stop in between.
   * @returns the path of the folder.
   * @throws {KeyStoreError}
   */
  setAside(folder: string, { kept, first }: { readonly kept: readonly string[]; readonly first: string }): string {
    try {
      this.checkLocked(this.path);
      const path = this.makeFolder(folder);
      const files = readdirSync(this.path, { withFileTypes: true })
        .filter((entry) => entry.isFile() && !kept.includes(entry.name) && !entry.name.startsWith('.'))
        .map(({ name }) => name)
        .filter((name) => name !== LOCK_NAME);
      files.sort((a, b) => Number(b === first) - Number(a === first));
      for (const name of files) renameSync(this.pathOf(name), join(path, name));
      this.syncDirectory();
      return path;
    } catch (cause) {
      throw writeError(`the files of ${this.path} cannot be moved`, cause);
    }
  }

  /** Once for each time: `left-home.example`, `left-home.example.2`, ... */
  private makeFolder(name: string): string {
    for (let number = 1; ; number++) {
      const path = this.pathOf(number === 1 ? name : `${name}.${number}`);
      try {
        mkdirSync(path, { mode: 0o700 });
        return path;
      } catch (error) {
        if (!isErrno(error, 'EEXIST')) throw error;
      }
    }
  }

  private checkLocked(path: string): void {
    if (this.acquire === undefined)
      throw new KeyStoreError(`${path} cannot be written: the state directory was opened to read`);
    this.takeLock();
  }

  private async syncDirectorySoon(): Promise<void> {
    const directory = await open(this.path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  /** Makes the new name itself survive a power failure. */
  private syncDirectory(): void {
    const fd = openSync(this.path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string';
}

/** One that already says what is wrong passes. */
function writeError(what: string, cause: unknown): Error {
  if (cause instanceof KeyStoreError || cause instanceof StateInUseError) return cause;
  const full = isSystemError(cause) && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT');
  return new StateWriteError(`${what}: ${full ? 'no space' : reasonOf(cause)}`, { cause });
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // On a read-only disk there is none either; the next agent looks again.
  }
}

/** `EACCES: permission denied`, without the call and the path that Node adds. */
function reasonOf(error: unknown): string {
  return messageOf(error).replace(/, .*$/s, '');
}
