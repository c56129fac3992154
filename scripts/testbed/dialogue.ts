import { ScriptError, type BackgroundProcess } from './command.ts';

const ANSWER_TIMEOUT_MS = 10_000;

/** A program that answers each line on its stdin by a line on its stdout, in order. */
export class Dialogue {
  readonly process: BackgroundProcess;
  private read = 0;

  constructor(process: BackgroundProcess) {
    this.process = process;
  }

  /** @throws {ScriptError} when it ends first, or does not answer */
  async ask(line: string, timeoutMs = ANSWER_TIMEOUT_MS): Promise<string> {
    this.process.write(`${line}\n`);
    return this.nextLine(timeoutMs);
  }

  /** What it says by itself, as "ready". */
  async nextLine(timeoutMs = ANSWER_TIMEOUT_MS): Promise<string> {
    const wanted = this.read;
    this.read += 1;
    const line = (): string | undefined => this.process.lines[wanted];
    return new Promise((resolve, reject) => {
      const finish = (done: () => void): void => {
        clearTimeout(timer);
        unsubscribe();
        done();
      };
      const look = (): void => {
        const text = line();
        if (text !== undefined) finish(() => resolve(text));
        else if (!this.process.alive)
          finish(() => reject(new ScriptError(`it ended early: ${this.process.lastWords()}`)));
      };
      const timer = setTimeout(
        () => finish(() => reject(new ScriptError(`no answer in ${timeoutMs / 1000} s: ${this.process.lastWords()}`))),
        timeoutMs,
      );
      const unsubscribe = this.process.onOutput(look);
      look();
    });
  }
}
