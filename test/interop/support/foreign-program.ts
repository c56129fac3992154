import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { within } from './within.ts';

export const INTEROP_DIRECTORY = fileURLToPath(new URL('..', import.meta.url));
const TOOL_MISSING = 3;

/**
 * Makes a part of setup.sh.
 * @returns false: the language it is written in is missing here; a line says so.
 * @throws {Error} when making it failed.
 */
export function setUpPart(part: string): boolean {
  const { status, stderr } = spawnSync(`${INTEROP_DIRECTORY}setup.sh`, [part], { encoding: 'utf8' });
  if (status === TOOL_MISSING) console.log(`skipped: ${part} cannot be made here, python3 or go is missing`);
  else if (status !== 0) throw new Error(`setup.sh ${part}: ${stderr}`);
  return status === 0;
}

/** A program of another implementation that speaks one JSON object a line. */
export class ForeignProgram {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;
  private errors = '';

  constructor([program, ...rest]: readonly [string, ...string[]]) {
    this.child = spawn(program, rest);
    this.child.stderr.on('data', (data: Buffer) => (this.errors += data.toString()));
    this.child.stdin.on('error', () => {});
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  tell(value: unknown): void {
    this.child.stdin.write(`${JSON.stringify(value)}\n`);
  }

  /** @throws {Error} when it ends first, or says nothing within ten seconds. */
  async hear<T>(what: string): Promise<T> {
    const line = await within(this.lines.next(), `${what} from the foreign program`);
    if (line.done === true) throw new Error(`the foreign program ended before ${what}: ${this.errors}`);
    return JSON.parse(line.value) as T;
  }

  end(): void {
    this.child.kill();
  }
}
