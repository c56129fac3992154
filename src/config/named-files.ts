import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';
import { ConfigError } from './errors.ts';

/** Of a file's mode: all users may read it. */
const READABLE_BY_OTHERS = 0o004;

/** A file that the configuration names. @throws {ConfigError} when it cannot be read. */
export function readNamedFile(path: string): string {
  return reading(path, () => readFileSync(path, 'utf8'));
}

/**
 * A file of bytes that the configuration names.
 * @throws {ConfigError} when it cannot be read, is no regular file, or is longer than `maxBytes`.
 */
export function readNamedBytes(path: string, maxBytes: number): Uint8Array {
  return reading(path, () => {
    // A pipe would be waited for.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!fstatSync(fd).isFile()) throw new ConfigError(`${path}: cannot be read: no regular file`);
      const found = Buffer.alloc(maxBytes + 1);
      let length = 0;
      for (let read = -1; read !== 0 && length < found.length; length += read)
        read = readSync(fd, found, length, found.length - length, null);
      if (length > maxBytes) throw new ConfigError(`${path}: longer than ${maxBytes} bytes`);
      return new Uint8Array(found.subarray(0, length));
    } finally {
      closeSync(fd);
    }
  });
}

/** As `readNamedFile`. @param what it holds. @throws {ConfigError} also when every user of this host may read the file. */
export function readSecretFile(path: string, what = 'a password'): string {
  return reading(path, () => {
    refuseOpen(path, what);
    return readFileSync(path, 'utf8');
  });
}

/** @throws {ConfigError} when every user of this host may read the file. @param what it holds. */
export function refuseOpen(path: string, what = 'a password'): void {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & READABLE_BY_OTHERS) === 0) return;
  throw new ConfigError(`${path}: holds ${what}, and every user can read it; chmod o= ${path}`);
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`${path}: cannot be read: ${messageOf(cause).replace(/, .*$/s, '')}`, { cause });
  }
}
