import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KeyStoreError, StateInUseError } from './errors.ts';

export const LOCK_NAME = 'lock';
/** Each round another process won a race; nobody loses so often. */
const MAX_ROUNDS = 8;
/** proc(5), /proc/PID/stat: `starttime` is field 22; fields are counted from the third one, after the command's `)`. */
const STARTTIME_INDEX = 19;
const UNKNOWN_BOOT = '-';

/**
 * Keeps two agents from one state directory. The lock is a file that names its process: id, start time and boot, so that a lock
 * left by a crash, or by a process whose id was given out again, does not hold. All processes must see the same /proc.
 */
export class StateLock {
  private readonly path: string;
  private readonly content: string;
  private held = true;

  private constructor(path: string, content: string) {
    this.path = path;
    this.content = content;
  }

  /** @throws {StateInUseError} when a running process has the lock. */
  static acquire(directory: string): StateLock {
    const path = join(directory, LOCK_NAME);
    const own = processMark(process.pid);
    if (own === undefined) throw new KeyStoreError('/proc cannot be read: it is needed to lock the state directory');
    const content = `${own}\n`;
    // Also where nothing can be written.
    const held = readIfThere(path);
    if (held !== undefined) checkStale(directory, held);
    // Written beside and linked into place, so that nobody ever reads half a lock.
    const prepared = `${path}.${process.pid}.tmp`;
    rmSync(prepared, { force: true });
    try {
      writeFileSync(prepared, content, { mode: 0o600, flag: 'wx' });
      for (let round = 0; round < MAX_ROUNDS; round++) {
        try {
          linkSync(prepared, path);
          return new StateLock(path, content);
        } catch (error) {
          if (!isErrno(error, 'EEXIST')) throw error;
        }
        takeAwayStale(directory, path);
      }
    } finally {
      rmSync(prepared, { force: true });
    }
    throw new KeyStoreError(
      `the lock of ${directory} cannot be had: too many agents want it at once`,
      {},
      'state_busy',
    );
  }

  /** Idempotent. */
  release(): void {
    if (this.held && readIfThere(this.path) === this.content) rmSync(this.path, { force: true });
    this.held = false;
  }
}

function takeAwayStale(directory: string, path: string): void {
  const found = readIfThere(path);
  if (found === undefined) return;
  checkStale(directory, found);
  // Renamed first: should a third process have put its own lock there meanwhile, it gets it back.
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readIfThere(aside) !== found) linkSync(aside, path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EEXIST')) throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function checkStale(directory: string, content: string): void {
  const pid = Number(/^(\d{1,10}) /.exec(content)?.[1]);
  if (Number.isInteger(pid) && sameProcess(processMark(pid), content.trimEnd()))
    throw new StateInUseError(
      `${directory} is used by the running agent with process id ${pid}: stop it (idloc down) or use --state with another directory`,
      pid,
    );
}

/** `PID STARTTIME BOOT`; undefined when no such process runs. A sandbox (ProcSubset=pid) may hide the boot's id: then it is `-`. */
function processMark(pid: number): string | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const boot = readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? UNKNOWN_BOOT;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return `${pid} ${fields[STARTTIME_INDEX] ?? ''} ${boot}`;
}

function sameProcess(a: string | undefined, b: string): boolean {
  if (a === undefined) return false;
  const [pidA, startA, bootA] = a.split(' ');
  const [pidB, startB, bootB] = b.split(' ');
  const sameBoot = bootA === bootB || bootA === UNKNOWN_BOOT || bootB === UNKNOWN_BOOT;
  return pidA === pidB && startA === startB && sameBoot;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // ESRCH: the process ended between opening its stat and reading it.
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
