import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { IdlocError, messageOf } from '../base/errors.ts';

/**
 * @param file - for stdin.
 * @throws {IdlocError} `cannot_read`
 */
export async function readText(file: string): Promise<string> {
  if (file === '-') return text(process.stdin);
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const why = messageOf(cause).replace(/, .*$/s, '');
    throw new IdlocError('cannot_read', `${file} cannot be read: ${why}: give another file, or - for stdin`, { cause });
  }
}
