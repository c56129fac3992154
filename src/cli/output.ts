import { writeSync } from 'node:fs';
import { messageOf } from '../base/errors.ts';

/** To stdout: what a program would read. */
export function print(line: string): void {
  write(1, line);
}

/** As it is: a file, for another program or into a file. */
export function printBytes(bytes: Uint8Array): void {
  writeAll(1, Buffer.from(bytes));
}

/** One object on one line. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** To stderr: what only a person would read. */
export function note(line: string): void {
  write(2, line);
}

/** One line: what, why, what to do. */
export function printError(error: unknown): void {
  write(2, `idloc: ${messageOf(error).replaceAll(/\s*\n\s*/g, ' ')}`);
}

function write(fd: number, line: string): void {
  writeAll(fd, Buffer.from(`${line}\n`));
}

/** Synchronous: nothing is lost when the process exits next. A reader that has gone (`| head -1`) is no failure. */
function writeAll(fd: number, bytes: Buffer): void {
  let rest = bytes;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EPIPE') return;
      // A pipe set to non-blocking by someone else, and full.
      if (code !== 'EAGAIN') throw error;
    }
  }
}
