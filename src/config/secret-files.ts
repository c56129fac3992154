import { statSync } from 'node:fs';
import { ConfigError } from './errors.ts';

/** Of a file's mode: all users may read it. */
const READABLE_BY_OTHERS = 0o004;

/** @throws {ConfigError} when every user of this host may read the file. @param what it holds. */
export function refuseOpen(path: string, what = 'a password'): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & READABLE_BY_OTHERS) === 0) return;
  throw new ConfigError(`${path}: holds ${what}, and every user can read it; chmod o= ${path}`);
}
