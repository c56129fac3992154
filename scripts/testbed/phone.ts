import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ScriptError, eventually } from './command.ts';
import type { BackgroundProcess } from './command.ts';
import type { Namespace } from './lab.ts';
import { SAMPLE_RATE_HZ, loudnessOf } from './speech.ts';

const CONTROL_PORT = 4444;
const SIP_PORT = 5060;
/** From one phone of a host to the next. */
const PORTS_EACH = 20;
const START_TIMEOUT_MS = 10_000;
/** baresip answers its control socket at once; this is for a machine that is busy. */
const COMMAND_TIMEOUT_MS = 10_000;

const TCP_RELAY = join(import.meta.dirname, 'tcp-relay.ts');

/** What ctrl_tcp of baresip 1.0 sends: events of calls and answers to commands. */
const controlMessageSchema = z.union([
  z.object({ event: z.literal(true), type: z.string(), param: z.string().optional() }),
  z.object({ response: z.literal(true), ok: z.boolean(), data: z.string().optional(), token: z.string().optional() }),
]);
type ControlMessage = z.infer<typeof controlMessageSchema>;

export interface PhoneOptions {
  readonly namespace: Namespace;
  /** For its configuration and what it records; made when missing. */
  readonly directory: string;
  /** user@domain */
  readonly addressOfRecord: string;
  /** 4: baresip takes IPv4 where a name has both (its default); 6: only IPv6. */
  readonly family: 4 | 6;
  /** It knows no IPv6. Absent: it takes what DNS says first. */
  readonly onlyIpv4?: boolean;
  readonly interfaceName: string;
  readonly nameserver?: string;
  /** What it says: a WAV file at 48 kHz with two channels, longer than the call. */
  readonly speech: string;
  /**
   * The settings that people fill in: account, domain and a password, and it finds where to register by DNS. `udp` and `tcp` say what
   * it is to use; `any` takes what DNS prefers. Absent: it registers nowhere, and is called by the name of its host.
   */
  readonly registers?: 'any' | 'udp' | 'tcp';
  /** Its account at a registrar that is not beside it, and where that is: `192.168.1.2:5060`. */
  readonly account?: { readonly user: string; readonly password: string; readonly proxy: string };
  /** All that it calls goes there, as a host or a name with or without port: its outbound proxy. Absent: by DNS of who is called. */
  readonly proxy?: string;
  /** Rings until `accept`. Absent: it answers at once. */
  readonly rings?: boolean;
  /** Which phone of its host, from 0: each has ports of its own. */
  readonly index?: number;
  /** It says which device it is (RFC 5626), and is given an address of its own for that (GRUU, RFC 5627). */
  readonly namesItself?: boolean;
  /** As `audio_codecs` of an account; absent: Opus alone. */
  readonly codecs?: string;
  /** Subscribes to message waiting (RFC 3842) as soon as it is registered, and prints what it is told. */
  readonly hasLamp?: boolean;
  /** SRTP with keys in SDP, and nothing else. */
  readonly encrypts?: boolean;
}

/** An unmodified baresip without sound card, steered by its own control socket. */
export class Phone {
  /** Every event, in order. */
  readonly events: { readonly type: string; readonly param: string }[] = [];
  private readonly options: PhoneOptions;
  private readonly recordings: string;
  private readonly process: BackgroundProcess;
  private readonly answers = new Map<string, { readonly ok: boolean; readonly data: string }>();
  private control: BackgroundProcess | undefined;
  private parsed = 0;
  private commands = 0;
  private waitedFor = 0;

  private constructor(options: PhoneOptions) {
    this.options = options;
    this.recordings = join(options.directory, 'recordings');
    mkdirSync(this.recordings, { recursive: true });
    writeFileSync(join(options.directory, 'config'), configuration(options, this.recordings));
    writeFileSync(join(options.directory, 'accounts'), `${baresipAccount(options)}\n`);
    writeFileSync(join(options.directory, 'contacts'), '');
    // What baresip makes itself is the same on each host of one name.
    if (options.namesItself === true) writeFileSync(join(options.directory, 'uuid'), randomUUID());
    this.process = options.namespace.start(
      'baresip',
      [
        '-f',
        options.directory,
        '-v',
        '-s',
        ...(options.family === 6 ? ['-6'] : options.onlyIpv4 === true ? ['-4'] : []),
      ],
      { HOME: options.directory },
    );
  }

  static async start(options: PhoneOptions): Promise<Phone> {
    const phone = new Phone(options);
    await phone.process.waitFor(/baresip is ready/, START_TIMEOUT_MS);
    const control = options.namespace.start(process.execPath, [TCP_RELAY, String(controlPort(options))]);
    control.onOutput(() => phone.readControl());
    phone.control = control;
    // An answer shows that the relay is connected: events before that are lost.
    await phone.command('help');
    return phone;
  }

  /** Everything it printed: SIP messages too. */
  get trace(): string {
    return this.process.stdout + this.process.stderr;
  }

  get alive(): boolean {
    return this.process.alive;
  }

  async dial(uri: string): Promise<void> {
    await this.command('dial', uri);
  }

  /** What it says while its control socket is not connected yet is printed alone. @throws {ScriptError} when time is up. */
  async registered(timeoutMs: number): Promise<void> {
    await this.process.waitFor(/ 200 OK .*\[\d+ bindings?\]/, timeoutMs);
  }

  async accept(): Promise<void> {
    await this.command('accept');
  }

  async hold(): Promise<void> {
    await this.command('hold');
  }

  /** Its call is to be somebody else's (REFER). */
  async transfer(uri: string): Promise<void> {
    await this.command('transfer', uri);
  }

  async resume(): Promise<void> {
    await this.command('resume');
  }

  /** The next event of this type after the last one that was waited for; what it says of itself. @throws {ScriptError} when time is up. */
  async next(type: string, timeoutMs: number): Promise<string> {
    return eventually(
      `${this.options.addressOfRecord}: ${type}`,
      timeoutMs,
      () => {
        const found = this.events.findIndex((event, i) => i >= this.waitedFor && event.type === type);
        if (found < 0) return undefined;
        this.waitedFor = found + 1;
        return this.events[found]?.param ?? '';
      },
      5,
    );
  }

  async hangUp(): Promise<void> {
    await this.command('hangup');
  }

  /** @throws {ScriptError} when the call ends first, or time is up. */
  async established(timeoutMs: number): Promise<void> {
    await eventually(
      `${this.options.addressOfRecord}: call established`,
      timeoutMs,
      () => {
        const closed = this.events.find((event) => event.type === 'CALL_CLOSED');
        if (closed !== undefined)
          throw new ScriptError(
            `${this.options.addressOfRecord}: the call ended: ${closed.param || 'no reason given'}`,
          );
        if (!this.alive) throw new ScriptError(`${this.options.addressOfRecord}: baresip ended`);
        return this.count('CALL_ESTABLISHED') > 0 ? true : undefined;
      },
      10,
    );
  }

  count(type: string): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** How loud what it heard in its last call was: root mean square, 0 to 1. */
  loudnessHeard(): number {
    const file = this.heardFile();
    return file === undefined ? 0 : loudnessOf(file);
  }

  /** Of all its recordings, which grow as RTP comes. */
  get bytesHeard(): number {
    return sizeOf(this.heardFiles());
  }

  /** Of what it has heard since `bytesHeard` was that, as far as it is of the last recording: hold begins another. */
  loudnessSince(bytesHeard: number): number {
    const files = this.heardFiles();
    const last = files.at(-1);
    return last === undefined ? 0 : loudnessOf(last, Math.max(0, bytesHeard - sizeOf(files.slice(0, -1))));
  }

  /** A WAV file: what it heard in its last call; undefined: there was none. */
  heardFile(): string | undefined {
    return this.heardFiles().at(-1);
  }

  async stop(): Promise<void> {
    await this.control?.stop('SIGTERM');
    await this.process.stop('SIGTERM');
  }

  /** Earlier ones first. */
  private heardFiles(): string[] {
    const names = readdirSync(this.recordings).filter((name) => name.endsWith('-dec.wav'));
    return names.sort().map((name) => join(this.recordings, name));
  }

  private async command(name: string, params = ''): Promise<string> {
    this.commands += 1;
    const token = String(this.commands);
    const json = JSON.stringify({ command: name, params, token });
    this.control?.write(`${Buffer.byteLength(json)}:${json},`);
    const answer = await eventually(
      `${this.options.addressOfRecord}: baresip answers /${name}`,
      COMMAND_TIMEOUT_MS,
      () => this.answers.get(token),
      5,
    );
    if (!answer.ok) throw new ScriptError(`baresip refused /${name} ${params}: ${answer.data}`);
    return answer.data;
  }

  /** Netstrings: LENGTH:JSON, */
  private readControl(): void {
    const bytes = Buffer.from(this.control?.stdout ?? '');
    for (;;) {
      const colon = bytes.indexOf(':', this.parsed);
      if (colon < 0) return;
      const length = Number(bytes.toString('latin1', this.parsed, colon));
      const end = colon + 1 + length;
      if (!Number.isSafeInteger(length) || end >= bytes.length) return;
      this.parsed = end + 1;
      this.handleControl(controlMessageSchema.parse(JSON.parse(bytes.toString('utf8', colon + 1, end))));
    }
  }

  private handleControl(message: ControlMessage): void {
    if ('event' in message) this.events.push({ type: message.type, param: message.param ?? '' });
    else this.answers.set(message.token ?? '', { ok: message.ok, data: message.data ?? '' });
  }
}

function sizeOf(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + statSync(file).size, 0);
}

export function baresipAccount(
  options: Omit<PhoneOptions, 'namespace' | 'directory' | 'family' | 'interfaceName' | 'speech'>,
): string {
  const { addressOfRecord, registers, account, proxy, rings, namesItself, codecs, hasLamp, encrypts } = options;
  const encryption = encrypts === true ? ';mediaenc=srtp-mand' : '';
  const transport = registers === undefined || registers === 'any' ? '' : `;transport=${registers}`;
  const secret =
    account === undefined
      ? 'auth_pass=x'
      : `auth_user=${account.user};auth_pass=${account.password};outbound="sip:${account.proxy}${transport}"`;
  const domain = addressOfRecord.split('@')[1] ?? '';
  const nat = namesItself === true ? `sipnat=outbound;outbound="sip:${domain}${transport}";` : '';
  const outbound = proxy === undefined ? '' : `outbound="sip:${proxy}${transport}";`;
  const registration = registers === undefined ? 'regint=0' : `regint=60;${nat}${secret}`;
  const answers = rings === true ? 'manual' : 'auto';
  return `<sip:${addressOfRecord}${transport}>;${outbound}${registration};answermode=${answers};audio_codecs=${codecs ?? 'opus/48000/2'}${hasLamp === true ? ';mwi=yes' : ''}${encryption}`;
}

function sipPort({ index = 0 }: PhoneOptions): number {
  return SIP_PORT + PORTS_EACH * index;
}

function controlPort({ index = 0 }: PhoneOptions): number {
  return CONTROL_PORT + index;
}

function configuration(options: PhoneOptions, recordings: string): string {
  const any = options.family === 6 ? '[::]' : '0.0.0.0';
  return `poll_method epoll
module_path /usr/lib/baresip/modules
audio_path /usr/share/baresip
audio_source aufile,${options.speech}
audio_player aubridge,ear
audio_alert aubridge,bell
ausrc_srate ${SAMPLE_RATE_HZ}
auplay_srate ${SAMPLE_RATE_HZ}
module aufile.so
module aubridge.so
module sndfile.so
module opus.so
module g711.so
${options.encrypts === true ? 'module srtp.so\n' : ''}${options.namesItself === true ? 'module_tmp uuid.so\n' : ''}module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
${options.hasLamp === true ? 'module_app mwi.so\n' : ''}ctrl_tcp_listen 127.0.0.1:${controlPort(options)}
snd_path ${recordings}
sip_listen ${any}:${sipPort(options)}
net_interface ${options.interfaceName}
${options.nameserver === undefined ? '' : `dns_server ${options.nameserver}\n`}`;
}
