import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../src/base/errors.ts';
import { cacheFolder } from '../cache.ts';
import { ScriptError, command, eventually, type BackgroundProcess } from '../command.ts';
import type { LabPhone, PhonePlace } from './lab-phone.ts';

/** PJSIP 2.15.1 for Python, a wheel of PyPI; Debian has none. */
const PACKAGE = 'pjsua2-python==2.15.1.post1';
const PROGRAM = join(import.meta.dirname, 'pjsua.py');
const START_TIMEOUT_MS = 15_000;
const ANSWER_TIMEOUT_MS = 10_000;
/** Of what it said, in an error. */
const KEPT_CHARACTERS = 600;
const STOP_GRACE_MS = 3_000;

export interface PjsuaOptions {
  /** As pjsua.py names them. */
  readonly options?: readonly ('manual' | 'tcp' | '100rel' | 'mwi' | `proxy=${string}`)[];
  readonly port?: number;
}

/** An unmodified PJSIP, by its Python binding. */
export class Pjsua implements LabPhone {
  private readonly process: BackgroundProcess;
  private readonly name: string;
  private readonly directory: string;
  /** Lines of its output. */
  private readonly heard = new Set<number>();

  private constructor(python: string, place: PhonePlace, { options = [], port = 5060 }: PjsuaOptions) {
    const { namespace, directory, user, domain, nameserver, speech } = place;
    mkdirSync(directory, { recursive: true });
    this.name = `${user}@${domain}`;
    this.directory = directory;
    const words = [PROGRAM, this.name, nameserver.replace(/:\d+$/, ''), speech.wideband, String(port), ...options];
    // It writes its log where it runs.
    this.process = namespace.start('env', ['-C', directory, python, ...words]);
  }

  /** Started, and registered. */
  static async start(place: PhonePlace, options: PjsuaOptions = {}): Promise<Pjsua> {
    const phone = new Pjsua(await pythonWithPjsua(), place, options);
    await phone.next(/^REGISTERED 200/, START_TIMEOUT_MS);
    return phone;
  }

  async dial(uri: string): Promise<void> {
    this.command(`call ${uri}`);
    return Promise.resolve();
  }

  async established(timeoutMs: number): Promise<void> {
    await this.next(/^CONFIRMED/, timeoutMs);
  }

  async hangUp(): Promise<void> {
    this.command('hangup');
    return Promise.resolve();
  }

  async ended(timeoutMs: number): Promise<void> {
    await this.next(/^DISCONNECTED/, timeoutMs);
  }

  /** A line that pjsua.py obeys. */
  command(line: string): void {
    this.process.write(`${line}\n`);
  }

  /** RTP packets that it has received, and sent, in its present call. */
  async packets(): Promise<{ readonly received: number; readonly sent: number }> {
    this.command('media');
    const [, received, sent] = (await this.next(/^RTP \d+ \d+/, ANSWER_TIMEOUT_MS)).split(' ').map(Number);
    return { received: received ?? 0, sent: sent ?? 0 };
  }

  /** Every SIP message, and what it did. */
  get trace(): string {
    const file = join(this.directory, 'pjsua.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** The first line that fits of those that it has said and nobody waited for. @throws {ScriptError} when time is up */
  async next(pattern: RegExp, timeoutMs: number): Promise<string> {
    const wait = eventually(
      `${this.name}: pjsua says ${String(pattern)}`,
      timeoutMs,
      () => {
        const { lines } = this.process;
        const found = lines.findIndex((line, at) => !this.heard.has(at) && pattern.test(line));
        if (found === -1) return undefined;
        this.heard.add(found);
        return lines[found];
      },
      10,
    );
    return wait.catch((error: unknown) => {
      throw new ScriptError(`${messageOf(error)}; it says\n${this.output.slice(-KEPT_CHARACTERS)}`, { cause: error });
    });
  }

  /** What it has said so far is waited for no more. */
  forget(): void {
    for (let at = 0; at < this.process.lines.length; at += 1) this.heard.add(at);
  }

  get output(): string {
    return this.process.stdout + this.process.stderr;
  }

  async stop(): Promise<void> {
    // At the end of its input it leaves: it is registered no more.
    this.process.endInput();
    const timer = setTimeout(() => this.process.kill(), STOP_GRACE_MS);
    await this.process.exited;
    clearTimeout(timer);
  }
}

let python: Promise<string> | undefined;

/** Installed once. */
async function pythonWithPjsua(): Promise<string> {
  python ??= (async () => {
    const folder = join(cacheFolder(), PACKAGE.replace('==', '-'));
    const [program, done] = [join(folder, 'bin/python3'), join(folder, 'installed')];
    if (existsSync(done)) return program;
    await command('python3', ['-m', 'venv', '--clear', folder]);
    await command(program, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', PACKAGE]);
    writeFileSync(done, '');
    return program;
  })();
  return python;
}
