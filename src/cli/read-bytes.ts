import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { IdlocError, messageOf } from '../base/errors.ts';

/**
 * A file, or what a program writes; no more of it is read than may be.
 * @param file - for stdin.
 * @throws {IdlocError} `cannot_read`, `file_too_large`
 */
export async function readBytes(file: string, most: number): Promise<Buffer> {
  const input: Readable = file === '-' ? process.stdin : createReadStream(file);
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of input) {
      const bytes = Buffer.from(piece as Uint8Array);
      pieces.push(bytes);
      length += bytes.length;
      if (length > most) break;
    }
  } catch (cause) {
    const why = messageOf(cause).replace(/, .*$/s, '');
    throw new IdlocError('cannot_read', `${file} cannot be read: ${why}: give another file, or - for stdin`, { cause });
  }
  if (length > most)
    throw new IdlocError('file_too_large', `${file} is too large: ${most} bytes are the most: give another file`);
  return Buffer.concat(pieces);
}
