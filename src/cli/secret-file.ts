import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fchownSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { IdlocError, messageOf } from '../base/errors.ts';

const SECRET_MODE = 0o600;

/** Before a passphrase is asked for in vain. @throws {IdlocError} */
export function checkNewFile(path: string): void {
  if (existsSync(path)) throw exists(path);
}

/** For its owner alone, and whole or not at all. @throws {IdlocError} when it is there already, or cannot be written. */
export function writeNewFile(path: string, content: string | Uint8Array): void {
  writeWhole(path, content, (prepared) => {
    try {
      // Replaces nothing, as rename() would.
      linkSync(prepared, path);
    } catch (error) {
      // A disk that knows no links (FAT): an empty file of ours holds the name meanwhile.
      if (codeOf(error) === 'EEXIST') throw error;
      closeSync(openSync(path, 'wx', SECRET_MODE));
      renameSync(prepared, path);
    }
  });
}

/**
 * For its owner alone, in place of what is there: the old file or the new one, whole. Written by root it stays its owner's.
 * @throws {IdlocError} when it cannot be written.
 */
export function replaceFile(path: string, content: Uint8Array): void {
  const before = process.geteuid?.() === 0 ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
  const owner = before?.isFile() === true ? before : undefined;
  writeWhole(path, content, (prepared) => renameSync(prepared, path), owner);
}

function writeWhole(
  path: string,
  content: string | Uint8Array,
  publish: (prepared: string) => void,
  owner?: { readonly uid: number; readonly gid: number },
): void {
  const prepared = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const fd = openSync(prepared, 'wx', SECRET_MODE);
    try {
      writeFileSync(fd, content);
      // Not by its name: whoever owns the folder might have put a link there.
      if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    publish(prepared);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw exists(path);
    throw new IdlocError('cannot_write', `${path} cannot be written: ${reasonOf(error)}`, { cause: error });
  } finally {
    rmSync(prepared, { force: true });
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

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Without the call and the path that Node adds. */
function reasonOf(error: unknown): string {
  return messageOf(error).replace(/, .*$/s, '');
}
