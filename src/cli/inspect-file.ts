import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { IdlocError, messageOf } from '../base/errors.ts';
import { inspect, type Inspection } from '../reload/inspect.ts';

/** @throws {IdlocError} for a file that cannot be read or holds no message, and for a broken capture */
export async function inspectFile(file: string, port: number | undefined): Promise<Inspection[]> {
  const found = inspect(await read(file), port === undefined ? {} : { port });
  if (found.length === 0) {
    throw new IdlocError(
      'empty',
      `${file}: no RELOAD message in it: give hexadecimal lines, or a capture (its port with --port)`,
    );
  }
  return found;
}

async function read(file: string): Promise<Uint8Array> {
  if (file === '-') return buffer(process.stdin);
  try {
    return await readFile(file);
  } catch (error) {
    throw new IdlocError(
      'unreadable',
      `${file}: ${messageOf(error).replace(/, .*$/s, '')}: give a file that can be read, or - for stdin`,
      {
        cause: error,
      },
    );
  }
}
