import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command, eventually, ScriptError, type BackgroundProcess } from './command.ts';
import type { Lab, Namespace } from './lab.ts';

const TURNSERVER = '/usr/bin/turnserver';
const START_TIMEOUT_MS = 15_000;
const PORT = 3_478;
const TLS_PORT = 5_349;
const CERTIFICATE = 'coturn.pem';
const KEY = 'coturn.key';
const USER = 'idloc';
const PASSWORD = 'only in the laboratory';

export interface CoturnOptions {
  /** Over TCP too; and over TLS, with a certificate for this (as in subjectAltName: `IP:203.0.113.10`). */
  readonly certificateFor?: string;
  /** There too it listens, and gives relayed addresses. */
  readonly ipv6?: string;
  /** By which it tells what a NAT lets in (RFC 5780). */
  readonly otherAddress?: string;
}

/** coturn (Debian's) at one address, over UDP alone unless it is said, with one user. */
export class Coturn {
  private readonly lab: Lab;
  private readonly address: string;
  private readonly log: string;
  private readonly namespace: Namespace;
  private readonly streams: boolean;
  private readonly addresses: readonly string[];
  private readonly relays: readonly string[];
  private process: BackgroundProcess;

  private constructor(lab: Lab, namespace: Namespace, address: string, options: CoturnOptions) {
    this.streams = options.certificateFor !== undefined;
    const ipv6 = options.ipv6 === undefined ? [] : [options.ipv6];
    this.addresses = [address, ...ipv6, ...(options.otherAddress === undefined ? [] : [options.otherAddress])];
    this.relays = [address, ...ipv6];
    this.lab = lab;
    this.namespace = namespace;
    this.address = address;
    this.log = join(lab.directory, `coturn-${namespace.name}.log`);
    this.process = this.run();
  }

  /** @throws {ScriptError} when the program is not installed, or does not start. */
  static async start(lab: Lab, namespace: Namespace, address: string, options: CoturnOptions = {}): Promise<Coturn> {
    const { certificateFor } = options;
    if (!existsSync(TURNSERVER)) throw new ScriptError(`${TURNSERVER} is missing: scripts/test installs it`);
    if (certificateFor !== undefined) await makeCertificate(lab, certificateFor);
    const started = new Coturn(lab, namespace, address, options);
    await started.listening();
    return started;
  }

  /** A STUN server too, for everybody. */
  get endpoint(): string {
    return `${this.address}:${PORT}`;
  }

  /** The table of an agent's configuration, with the password in a file of its own. */
  get configuration(): string {
    return this.configurationFor(`turn:${this.endpoint}`);
  }

  /** As `configuration`, which names the server in those ways; `over` TLS or TCP. */
  configurationOver(over: 'tcp' | 'tls'): string {
    const stream = over === 'tls' ? `turns:${this.address}:${TLS_PORT}` : `turn:${this.endpoint}`;
    const table = this.configurationFor(`turn:${this.endpoint}`, `${stream}?transport=tcp`);
    return `${table}ca_file = "${join(this.lab.directory, CERTIFICATE)}"\n`;
  }

  private configurationFor(...servers: string[]): string {
    const file = join(this.lab.directory, 'turn-password');
    writeFileSync(file, `${PASSWORD}\n`, { mode: 0o600 });
    return `[turn]\nservers = ${JSON.stringify(servers)}\nuser = "${USER}"\npassword_file = "${file}"\n`;
  }

  /** Packets that came from clients, and that went to them, of all allocations that are over. */
  get carried(): { readonly received: number; readonly sent: number } {
    let received = 0;
    let sent = 0;
    for (const [, rp, sp] of readFileSync(this.log, 'utf8').matchAll(/: usage: .*\brp=(\d+), rb=\d+, sp=(\d+)/g)) {
      received += Number(rp);
      sent += Number(sp);
    }
    return { received, sent };
  }

  /** Of the server, all allocations are gone. */
  async restart(): Promise<void> {
    await this.stop();
    this.process = this.run();
    await this.listening();
  }

  async stop(): Promise<void> {
    await this.process.stop();
  }

  private run(): BackgroundProcess {
    const { directory } = this.lab;
    return this.namespace.start(TURNSERVER, [
      ...['-n', '--no-cli', '--no-dtls', '--no-tcp-relay', '--verbose', '--simple-log'],
      ...(this.streams
        ? [
            '--tls-listening-port',
            String(TLS_PORT),
            '--cert',
            join(directory, CERTIFICATE),
            '--pkey',
            join(directory, KEY),
          ]
        : ['--no-tls', '--no-tcp']),
      ...['--log-file', this.log, '--pidfile', join(this.lab.directory, 'coturn.pid')],
      ...['--userdb', join(this.lab.directory, 'coturn.db'), '--relay-threads', '1'],
      ...this.addresses.flatMap((address) => ['--listening-ip', address]),
      ...this.relays.flatMap((address) => ['--relay-ip', address]),
      ...['--listening-port', String(PORT)],
      ...['--lt-cred-mech', '--realm', 'lab.example', '--user', `${USER}:${PASSWORD}`],
    ]);
  }

  private async listening(): Promise<void> {
    await eventually('coturn listens', START_TIMEOUT_MS, async () => {
      const sockets = await this.namespace.run('ss', ['-Hlun', `sport = :${PORT}`]);
      return sockets.includes(this.address) ? true : undefined;
    });
  }
}

/** Vouched for by itself. @param name as in subjectAltName: `IP:203.0.113.10`. @returns where it is, and its key. */
export async function makeCertificate(
  { directory }: Lab,
  name: string,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const [certificate, key] = [join(directory, CERTIFICATE), join(directory, KEY)];
  await command('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=lab.example', '-addext', `subjectAltName=${name}`],
    ...['-keyout', key, '-out', certificate],
  ]);
  return { certificate, key };
}
