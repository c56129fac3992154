import { spawn } from 'node:child_process';
import { IdlocError } from '../base/errors.ts';

/** Their last words, for the log. */
const KEPT_CHARACTERS = 2_048;

export interface ProgramOptions {
  /** For its standard input. */
  readonly input: Uint8Array;
  readonly signal: AbortSignal;
  /** What it says more than that is not waited for. */
  readonly maxBytes: number;
}

/**
 * Runs a program to its end.
 * @returns what it has written to standard output: all, or as much as is wanted.
 * @throws {IdlocError} `no_program`, `program_failed`
 */
export async function run(
  file: string,
  args: readonly string[],
  { input, signal, maxBytes }: ProgramOptions,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
    const pieces: Buffer[] = [];
    let bytes = 0;
    let said = '';
    // What it does not read it does not want: its status says whether that is well.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.stdout.on('data', (piece: Buffer) => {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > maxBytes) child.kill('SIGKILL');
    });
    child.stderr.on('data', (piece: Buffer) => {
      said = (said + piece.toString()).slice(-KEPT_CHARACTERS);
    });
    child.on('error', (error) => reject(new IdlocError('no_program', `${file} cannot be run: ${error.message}`)));
    child.on('close', (status) => {
      if (status === 0 || bytes > maxBytes) resolve(Buffer.concat(pieces).subarray(0, maxBytes));
      else {
        const why = said.trim().split('\n').at(-1) ?? '';
        reject(new IdlocError('program_failed', `${file} failed: ${why === '' ? `status ${String(status)}` : why}`));
      }
    });
  });
}
