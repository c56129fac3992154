import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** Kept of what a background process wrote, per stream: enough to say why it failed. */
const KEPT_OUTPUT_CHARACTERS = 4 << 20;

/** How long a process gets to obey SIGTERM or SIGINT before SIGKILL. */
const STOP_GRACE_MS = 5000;

/**
 * Programs of the system, never those of npm: `npm run` and AVA put node_modules/.bin first, and some package brings an `nft`
 * of its own. sbin last: not everyone's PATH has it.
 */
const SYSTEM_PATH = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  .filter((folder) => !folder.includes('node_modules'))
  .join(':');

/** What the scripts raise on purpose: one line that says what, why and what to do. */
export class ScriptError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ScriptError';
  }
}

export interface CommandResult {
  /** null: ended by a signal. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  /** SIGKILL after this; the result then has status null. */
  readonly timeoutMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it runs, and leaves what it writes; absent: where we run. */
  readonly directory?: string;
}

/** Runs a program to its end; never throws for its exit status. */
export async function tryCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.directory,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PATH: SYSTEM_PATH, ...options.environment },
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => undefined); // it may end without reading its input
    child.stdin.end(options.input ?? '');
    child.on('error', (error) =>
      reject(new ScriptError(`cannot run ${file}: ${error.message}; install it and try again`, { cause: error })),
    );
    child.on('close', (status) =>
      resolve({ status, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    );
  });
}

/** Runs a program that has to succeed; its standard output. */
export async function command(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await tryCommand(file, args, options);
  if (result.status !== 0) {
    const why = lastLine(result.stderr) || lastLine(result.stdout) || 'it said nothing';
    throw new ScriptError(`${[file, ...args].join(' ')} failed (${String(result.status)}): ${why}`);
  }
  return result.stdout;
}

export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? '';
}

/** Asks until `probe` gives something other than undefined. @throws {ScriptError} after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  probe: () => T | undefined | Promise<T | undefined>,
  intervalMs = 50,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new ScriptError(`${what}: did not happen within ${timeoutMs / 1000} s`);
    await delay(intervalMs);
  }
}

const running = new Set<BackgroundProcess>();

/** For handlers that cannot wait: ends everything that this process started and that still runs. */
export function killBackgroundProcesses(): void {
  for (const process of running) process.kill();
}

/** A program that runs beside us. */
export class BackgroundProcess {
  readonly pid: number;
  /** The exit status, null when a signal ended it. */
  readonly exited: Promise<number | null>;
  stdout = '';
  stderr = '';
  private readonly label: string;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly listeners = new Set<() => void>();
  private ended = false;

  constructor(file: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    this.label = [file, ...args].join(' ');
    this.child = spawn(file, args, { env: { ...process.env, PATH: SYSTEM_PATH, ...environment }, stdio: 'pipe' });
    this.pid = this.child.pid ?? 0;
    running.add(this);
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.stdout = (this.stdout + chunk.toString()).slice(-KEPT_OUTPUT_CHARACTERS);
      this.notify();
    });
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString()).slice(-KEPT_OUTPUT_CHARACTERS);
      this.notify();
    });
    this.exited = new Promise((resolve) => {
      const end = (status: number | null): void => {
        this.ended = true;
        running.delete(this);
        this.notify();
        resolve(status);
      };
      this.child.on('close', end);
      this.child.on('error', (error) => {
        this.stderr += `${error.message}\n`;
        end(null);
      });
    });
  }

  get alive(): boolean {
    return !this.ended;
  }

  /** What it has said on standard output, line by line; one that it has not finished is none yet. */
  get lines(): string[] {
    return this.stdout.split('\n').slice(0, -1);
  }

  write(text: string): void {
    this.child.stdin.write(text);
  }

  /** Its standard input is over. */
  endInput(): void {
    this.child.stdin.end();
  }

  /** Calls back on every output and at the end, until the returned function is called. */
  onOutput(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Waits for text on either stream. @throws {ScriptError} when the process ends first or time is up. */
  async waitFor(pattern: RegExp, timeoutMs: number): Promise<void> {
    const seen = (): boolean => pattern.test(this.stdout) || pattern.test(this.stderr);
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: ScriptError): void => {
        clearTimeout(timer);
        unsubscribe();
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = (): void => {
        if (seen()) finish();
        else if (this.ended) finish(new ScriptError(`${this.label} ended early: ${this.lastWords()}`));
      };
      const timer = setTimeout(
        () =>
          finish(new ScriptError(`${this.label}: no ${String(pattern)} in ${timeoutMs / 1000} s: ${this.lastWords()}`)),
        timeoutMs,
      );
      const unsubscribe = this.onOutput(look);
      look();
    });
  }

  lastWords(): string {
    return lastLine(this.stderr) || lastLine(this.stdout) || 'it said nothing';
  }

  /** Asks it to end, insists after a grace period, waits until it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = STOP_GRACE_MS): Promise<number | null> {
    if (this.ended) return this.exited;
    this.child.kill(signal);
    const timer = setTimeout(() => this.kill(), graceMs);
    const status = await this.exited;
    clearTimeout(timer);
    return status;
  }

  kill(): void {
    if (!this.ended) this.child.kill('SIGKILL');
  }

  private notify(): void {
    for (const listener of [...this.listeners]) listener();
  }
}
