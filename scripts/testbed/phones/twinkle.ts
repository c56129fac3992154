import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, type BackgroundProcess } from '../command.ts';
import type { LabPhone, PhonePlace } from './lab-phone.ts';
import { Microphone } from './microphone.ts';

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;

/** An unmodified twinkle-console, which knows IPv4 alone, steered by its standard input. */
export class Twinkle implements LabPhone {
  private readonly process: BackgroundProcess;
  /** ALSA's null device has no clock, and twinkle says nothing by it. */
  private readonly sound: BackgroundProcess;
  private microphone: Microphone | undefined;
  private readonly log: string;
  private readonly name: string;
  private readonly rings: boolean;
  private readonly unsubscribe: () => void;
  private answered = 0;

  private constructor({ namespace, directory, user, domain }: PhonePlace, pipe: string, rings: boolean) {
    const folder = join(directory, '.twinkle');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'twinkle.sys'), SYSTEM_SETTINGS);
    writeFileSync(join(folder, `${user}.cfg`), twinkleProfile(user, domain));
    this.name = `${user}@${domain}`;
    this.log = join(folder, 'twinkle.log');
    this.rings = rings;
    const environment = { HOME: directory, XDG_RUNTIME_DIR: directory };
    this.sound = namespace.start('pulseaudio', soundServer(pipe), environment);
    this.process = namespace.start('twinkle-console', [`${user}.cfg`], environment);
    this.unsubscribe = this.process.onOutput(() => this.answerCalls());
  }

  /** Started, and registered. */
  static async start(place: PhonePlace, options: { readonly rings?: boolean } = {}): Promise<Twinkle> {
    const pipe = join(place.directory, 'microphone');
    const phone = new Twinkle(place, pipe, options.rings === true);
    await eventually(`${phone.name}: a sound server`, START_TIMEOUT_MS, () => (existsSync(pipe) ? true : undefined));
    phone.microphone = new Microphone(pipe, place.speech.mono);
    await phone.says(/registration succeeded/, START_TIMEOUT_MS);
    return phone;
  }

  async dial(uri: string): Promise<void> {
    this.command(`call ${uri}`);
    return Promise.resolve();
  }

  async established(timeoutMs: number): Promise<void> {
    // The one is said of calls that it makes, the other of those that it takes.
    await this.says(/far end answered call|call established/i, timeoutMs);
  }

  async hangUp(): Promise<void> {
    this.command('bye');
    return Promise.resolve();
  }

  async ended(timeoutMs: number): Promise<void> {
    await this.says(/call ended|ended call|call failed/i, timeoutMs);
  }

  /** What it prints, and its log of SIP messages. @throws {ScriptError} when time is up */
  async says(pattern: RegExp, timeoutMs: number): Promise<void> {
    await eventually(`${this.name}: twinkle says ${String(pattern)}`, timeoutMs, () =>
      pattern.test(this.output) ? true : undefined,
    );
  }

  /** A line as its user types it. */
  command(line: string): void {
    this.process.write(`${line}\n`);
  }

  get output(): string {
    return this.process.stdout + this.process.stderr;
  }

  /** Every SIP message. */
  get trace(): string {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8') : '';
  }

  async stop(): Promise<void> {
    this.unsubscribe();
    this.command('quit');
    await this.says(/de-registration succeeded/, STOP_TIMEOUT_MS).catch(() => undefined);
    await this.process.stop('SIGTERM');
    this.microphone?.stop();
    await this.sound.stop('SIGTERM');
  }

  private answerCalls(): void {
    if (this.rings) return;
    const incoming = this.process.stdout.split(/incoming call/i).length - 1;
    for (; this.answered < incoming; this.answered += 1) this.command('answer');
  }
}

/**
 * twinkle drops what is heard in pieces longer than its packets. PulseAudio's tones come in those of two seconds, whatever they are asked for;
 * what comes by a pipe is heard as it comes.
 */
function soundServer(pipe: string): string[] {
  const modules = [
    'module-null-sink',
    `module-pipe-source source_name=microphone file=${pipe} ${Microphone.format}`,
    'module-native-protocol-unix auth-anonymous=1',
  ];
  return [
    ...['-n', '--daemonize=no', '--exit-idle-time=-1', '--use-pid-file=no'],
    ...modules.flatMap((module) => ['-L', module]),
  ];
}

const SYSTEM_SETTINGS = `dev_ringtone=alsa:pulse
dev_speaker=alsa:pulse
dev_mic=alsa:pulse
validate_audio_dev=no
play_ringtone=no
play_ringback=no
alsa_capture_period_size=160
alsa_play_period_size=160
sip_port=5060
rtp_port=8000
log_show_sip=yes
`;

export function twinkleProfile(user: string, domain: string): string {
  return `user_name=${user}
user_domain=${domain}
auth_pass=x
register_at_startup=yes
registration_time=300
codecs=g711u,g711a
`;
}
