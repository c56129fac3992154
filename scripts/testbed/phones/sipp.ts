import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ScriptError, eventually, type BackgroundProcess } from '../command.ts';
import type { LabPhone, PhonePlace } from './lab-phone.ts';

const SCENARIOS = join(import.meta.dirname, '../sipp');
const ADAPTOR_PORT = 5062;
const REGISTER_TIMEOUT_MS = 10_000;
const PORT = 5060;

/**
 * sipp as a phone that speaks: it knows no SRV, so it is told the port of its adaptor. It calls for as long as it was told, and hangs up;
 * called, it waits for the other end's BYE.
 */
export class Sipp implements LabPhone {
  private readonly place: PhonePlace;
  private readonly talkMs: number;
  private answering: BackgroundProcess | undefined;
  private calling: BackgroundProcess | undefined;

  private constructor(place: PhonePlace, talkMs: number) {
    this.place = place;
    this.talkMs = talkMs;
    mkdirSync(place.directory, { recursive: true });
    // The scenarios name it, and nobody can tell them of another one.
    copyFileSync(place.speech.pcmu, join(place.directory, 'speech.pcmu'));
  }

  /** Registered, and ready for one call. */
  static async start(place: PhonePlace, talkMs: number): Promise<Sipp> {
    const phone = new Sipp(place, talkMs);
    await phone.register(300);
    phone.answering = phone.run(['-sf', join(SCENARIOS, 'answer-talk.xml'), '-m', '1']);
    return phone;
  }

  async dial(uri: string): Promise<void> {
    // Both would listen there.
    await this.answering?.stop('SIGKILL');
    this.answering = undefined;
    const user = /^sip:([^@]+)@/.exec(uri)?.[1] ?? '';
    const { user: caller, domain } = this.place;
    const keys = ['-s', user, '-key', 'domain', domain, '-key', 'caller', caller];
    this.calling = this.run([
      '-sf',
      join(SCENARIOS, 'call-talk.xml'),
      this.adaptor,
      ...keys,
      '-m',
      '1',
      '-d',
      String(this.talkMs),
    ]);
  }

  async established(timeoutMs: number): Promise<void> {
    await eventually(`${this.place.user}: sipp sends RTP`, timeoutMs, () => {
      if (!this.process.alive) throw new ScriptError(`${this.place.user}: sipp ended: ${this.process.lastWords()}`);
      return /ESTABLISHED/.test(this.process.stdout + this.process.stderr) ? true : undefined;
    });
  }

  async hangUp(): Promise<void> {
    await this.ended(this.talkMs + REGISTER_TIMEOUT_MS);
  }

  async ended(timeoutMs: number): Promise<void> {
    const { process } = this;
    await eventually(`${this.place.user}: sipp is done`, timeoutMs, () => (process.alive ? undefined : true));
    const status = await process.exited;
    if (status !== 0) throw new ScriptError(`${this.place.user}: sipp failed (${String(status)})`);
  }

  async stop(): Promise<void> {
    await this.answering?.stop('SIGKILL');
    await this.calling?.stop('SIGKILL');
    await this.register(0);
  }

  private get process(): BackgroundProcess {
    const process = this.calling ?? this.answering;
    if (process === undefined) throw new ScriptError('sipp was not started');
    return process;
  }

  private get adaptor(): string {
    return `${this.place.ipv4}:${ADAPTOR_PORT}`;
  }

  private async register(expires: number): Promise<void> {
    const { user, domain, namespace } = this.place;
    const keys = ['-s', user, '-key', 'domain', domain, '-key', 'expires', String(expires)];
    const { status, stdout } = await namespace.tryRun(
      'sipp',
      ['-sf', join(SCENARIOS, 'register.xml'), this.adaptor, ...this.settings, ...keys, '-m', '1'],
      { timeoutMs: REGISTER_TIMEOUT_MS, directory: this.place.directory },
    );
    if (status !== 0) throw new ScriptError(`${user}: sipp does not register: ${stdout.slice(-500)}`);
  }

  private get settings(): string[] {
    const { ipv4 } = this.place;
    return ['-i', ipv4, '-mi', ipv4, '-p', String(PORT), '-nostdin', '-timeout', '60'];
  }

  private run(more: readonly string[]): BackgroundProcess {
    const { namespace, directory } = this.place;
    return namespace.start('env', ['-C', directory, 'sipp', ...this.settings, ...more, '-trace_err']);
  }
}
