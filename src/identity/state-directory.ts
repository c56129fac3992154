import {
  closeSync,
  constants,
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
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { KeyStoreError } from './errors.ts';
import { isErrno, LOCK_NAME, StateLock } from './state-lock.ts';

export const DEFAULT_STATE_DIRECTORY = '/var/lib/idloc';
/** The register of 100,000 members is the largest file. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;
const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const GROUP_AND_OTHERS = 0o077;
/** What an agent that was killed while writing leaves. */
const LEFTOVER = /^\..+\.\d+\.tmp$/;

export interface WriteOptions {
  /** Only the owner may read it. */
  readonly secret: boolean;
  /** Refuse when the file is there already. */
  readonly createOnly?: boolean;
}

/** Files of one agent. A file is always whole, the old or the new one, whenever the agent or the machine stops. */
export class StateDirectory {
  readonly path: string;
  private readonly lock: StateLock | undefined;

  private constructor(path: string, lock: StateLock | undefined) {
    this.path = path;
    this.lock = lock;
  }

  /**
   * For the one agent that uses it: makes the directory where needed, and locks it.
   * @throws {StateInUseError} when another agent runs on it.
   * @throws {KeyStoreError} when it cannot be made or locked.
   */
  static open(path: string): StateDirectory {
    let lock: StateLock | undefined;
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      lock = StateLock.acquire(path);
      for (const name of readdirSync(path)) if (LEFTOVER.test(name)) rmSync(join(path, name), { force: true });
    } catch (error) {
      lock?.release();
      if (error instanceof Error && 'syscall' in error)
        throw new KeyStoreError(
          `the state directory ${path} cannot be used (${reasonOf(error)}): use --state, or run as root`,
          {
            cause: error,
          },
        );
      throw error;
    }
    return new StateDirectory(path, lock);
  }

  /** For reading beside an agent that runs. */
  static readOnly(path: string): StateDirectory {
    return new StateDirectory(path, undefined);
  }

  /** Gives the lock back. Idempotent. */
  close(): void {
    this.lock?.release();
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
    this.checkLocked(path);
    const prepared = this.pathOf(`.${name}.${process.pid}.tmp`);
    try {
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
      throw new KeyStoreError(`${path} cannot be written: ${reasonOf(cause)}`, { cause });
    } finally {
      rmSync(prepared, { force: true });
    }
  }

  /**
   * Idempotent.
   * @throws {KeyStoreError} when it is there and stays.
   */
  remove(name: string): void {
    const path = this.pathOf(name);
    this.checkLocked(path);
    try {
      rmSync(path, { force: true });
      this.syncDirectory();
    } catch (cause) {
      throw new KeyStoreError(`${path} cannot be removed: ${reasonOf(cause)}`, { cause });
    }
  }

  /**
   * Moves all files but `kept` into a folder of their own, which nobody reads any more: a key is never deleted.
   * @param first the file without which the others mean nothing, should the machine stop in between.
   * @returns the path of the folder.
   * @throws {KeyStoreError}
   */
  setAside(folder: string, { kept, first }: { readonly kept: readonly string[]; readonly first: string }): string {
    this.checkLocked(this.path);
    try {
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
      throw new KeyStoreError(`the files of ${this.path} cannot be moved: ${reasonOf(cause)}`, { cause });
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
    if (this.lock === undefined)
      throw new KeyStoreError(`${path} cannot be written: the state directory was opened to read`);
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

/** `EACCES: permission denied`, without the call and the path that Node adds. */
function reasonOf(error: unknown): string {
  return messageOf(error).replace(/, .*$/s, '');
}
