import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { IdlocError, messageOf } from '../base/errors.ts';

/** Before a passphrase is asked for in vain. @throws {IdlocError} */
export function checkNewFile(path: string): void {
  if (existsSync(path)) throw exists(path);
}

/** For its owner alone. @throws {IdlocError} when it is there already, or cannot be written. */
export function writeNewFile(path: string, content: string | Uint8Array): void {
  try {
    writeFileSync(path, content, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') throw exists(path);
    throw new IdlocError('cannot_write', `${path} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}

/** @throws {IdlocError} */
export function readSecretFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new IdlocError('cannot_read', `${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

function exists(path: string): IdlocError {
  return new IdlocError('file_exists', `${path} is there already and is not overwritten: give another name`);
}

/** Without the call and the path that Node adds. */
function reasonOf(error: unknown): string {
  return messageOf(error).replace(/, .*$/s, '');
}
