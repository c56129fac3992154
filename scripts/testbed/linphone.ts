import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from './command.ts';
import type { BackgroundProcess } from './command.ts';
import type { Namespace } from './lab.ts';
import { loudnessOf } from './speech.ts';

const START_TIMEOUT_MS = 10_000;

export interface LinphoneOptions {
  readonly namespace: Namespace;
  /** For its configuration and what it records. */
  readonly directory: string;
  /** user@domain: the account that it registers, at what DNS says of the domain. */
  readonly addressOfRecord: string;
  readonly transport: 'udp' | 'tcp';
  /** Its account at a registrar that is not beside it, and where that is: `192.168.1.2:5060`. */
  readonly account?: { readonly user: string; readonly password: string; readonly proxy: string };
  /** What it says: a WAV file. */
  readonly speech: string;
  /** Rings until it is told to answer. Absent: it answers at once. */
  readonly rings?: boolean;
}

/** An unmodified linphonec without sound card, steered by its standard input. */
export class Linphone {
  private readonly process: BackgroundProcess;
  private readonly options: LinphoneOptions;
  private readonly log: string;

  private constructor(options: LinphoneOptions) {
    const { directory, namespace, rings } = options;
    this.options = options;
    this.log = join(directory, 'linphone.log');
    // It does not start without.
    mkdirSync(join(directory, '.local/share/linphone'), { recursive: true });
    writeFileSync(join(directory, 'rc'), linphoneSettings(options));
    const answers = rings === true ? [] : ['-a'];
    this.process = namespace.start('linphonec', ['-c', join(directory, 'rc'), '-d', '6', '-l', this.log, ...answers], {
      HOME: directory,
    });
  }

  /** Started, and registered. */
  static async start(options: LinphoneOptions): Promise<Linphone> {
    const phone = new Linphone(options);
    const { process } = phone;
    await process.waitFor(/linphonec> /, START_TIMEOUT_MS);
    process.write('soundcard use files\n');
    process.write(`play ${options.speech}\n`);
    process.write(`record ${phone.recording}\n`);
    // It does not print that in each version.
    await phone.logs(/to \[LinphoneRegistrationOk\]/, START_TIMEOUT_MS);
    return phone;
  }

  dial(uri: string): void {
    this.process.write(`call ${uri}\n`);
  }

  answer(): void {
    this.process.write('answer\n');
  }

  hangUp(): void {
    this.process.write('terminate\n');
  }

  /** In its log. @throws {ScriptError} when time is up. */
  async logs(pattern: RegExp, timeoutMs: number): Promise<void> {
    await eventually(`${this.options.addressOfRecord}: ${String(pattern)} in linphone's log`, timeoutMs, () =>
      pattern.test(this.trace) ? true : undefined,
    );
  }

  /** @throws {ScriptError} when time is up. */
  async established(timeoutMs: number): Promise<void> {
    await this.logs(/moving from state \S+ to LinphoneCallStreamsRunning|to \[?LinphoneCallStreamsRunning/, timeoutMs);
  }

  /** Every SIP message, and what it did. */
  get trace(): string {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8') : '';
  }

  get output(): string {
    return this.process.stdout + this.process.stderr;
  }

  /** How loud what it heard was: root mean square, 0 to 1. */
  async loudnessHeard(): Promise<number> {
    await eventually(`${this.options.addressOfRecord}: a recording`, 2_000, () =>
      existsSync(this.recording) ? true : undefined,
    );
    return loudnessOf(this.recording);
  }

  /** Of what it has heard since `bytesHeard` was that. */
  loudnessSince(bytesHeard: number): number {
    return existsSync(this.recording) ? loudnessOf(this.recording, bytesHeard) : 0;
  }

  /** Of its recording of all calls, which grows as RTP comes. */
  get bytesHeard(): number {
    return existsSync(this.recording) ? statSync(this.recording).size : 0;
  }

  async stop(): Promise<void> {
    this.process.write('quit\n');
    await this.process.stop('SIGTERM');
  }

  private get recording(): string {
    return join(this.options.directory, 'heard.wav');
  }
}

export function linphoneSettings({
  addressOfRecord,
  transport,
  account,
}: Pick<LinphoneOptions, 'addressOfRecord' | 'transport' | 'account'>): string {
  const [name = '', domain = ''] = addressOfRecord.split('@');
  const place = account?.proxy ?? domain;
  const proxy = `<sip:${place};transport=${transport}>`;
  const secret =
    account === undefined
      ? ''
      : `[auth_info_0]\nusername=${name}\nuserid=${account.user}\npasswd=${account.password}\nrealm=${domain}\ndomain=${domain}\n`;
  return `[sip]
sip_port=5060
sip_tcp_port=5060
sip_tls_port=0
use_ipv6=1
default_proxy=0
[proxy_0]
reg_proxy=${proxy}
reg_route=<sip:${place};transport=${transport};lr>
reg_identity=sip:${addressOfRecord}
reg_expires=300
reg_sendregister=1
publish=0
${secret}[rtp]
download_ptime=0
[misc]
config_version=10000
`;
}
