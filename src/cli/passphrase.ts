import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { IdlocError } from '../base/errors.ts';

/**
 * From the terminal, where it is not shown, or the first line of standard input: never from the command line, which every user of
 * the host can read.
 * @throws {IdlocError} when there is none.
 */
export async function readPassphrase(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  const terminal = stdin.isTTY;
  if (terminal) stderr.write(`${prompt}: `);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: unseen, terminal });
  try {
    for await (const line of lines) {
      if (line !== '') return line;
      break;
    }
  } finally {
    lines.close();
    if (terminal) stderr.write('\n');
  }
  throw new IdlocError('no_passphrase', 'no passphrase: type it, or give it as the first line of standard input');
}
