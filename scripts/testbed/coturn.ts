import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, ScriptError, type BackgroundProcess } from './command.ts';
import type { Lab, Namespace } from './lab.ts';

const TURNSERVER = '/usr/bin/turnserver';
const START_TIMEOUT_MS = 15_000;
const PORT = 3_478;
const USER = 'idloc';
const PASSWORD = 'only in the laboratory';

/** coturn (Debian's) at one address, over UDP alone, with one user. */
export class Coturn {
  private readonly lab: Lab;
  private readonly address: string;
  private readonly log: string;
  private readonly namespace: Namespace;
  private process: BackgroundProcess;

  private constructor(lab: Lab, namespace: Namespace, address: string) {
    this.lab = lab;
    this.namespace = namespace;
    this.address = address;
    this.log = join(lab.directory, `coturn-${namespace.name}.log`);
    this.process = this.run();
  }

  /** @throws {ScriptError} when the program is not installed, or does not start. */
  static async start(lab: Lab, namespace: Namespace, address: string): Promise<Coturn> {
    if (!existsSync(TURNSERVER)) throw new ScriptError(`${TURNSERVER} is missing: scripts/test installs it`);
    const started = new Coturn(lab, namespace, address);
    await started.listening();
    return started;
  }

  /** A STUN server too, for everybody. */
  get endpoint(): string {
    return `${this.address}:${PORT}`;
  }

  /** The table of an agent's configuration, with the password in a file of its own. */
  get configuration(): string {
    const file = join(this.lab.directory, 'turn-password');
    writeFileSync(file, `${PASSWORD}\n`, { mode: 0o600 });
    return `[turn]\nservers = ["turn:${this.endpoint}"]\nuser = "${USER}"\npassword_file = "${file}"\n`;
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
    return this.namespace.start(TURNSERVER, [
      ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--no-tcp', '--no-tcp-relay', '--verbose', '--simple-log'],
      ...['--log-file', this.log, '--pidfile', join(this.lab.directory, 'coturn.pid')],
      ...['--userdb', join(this.lab.directory, 'coturn.db'), '--relay-threads', '1'],
      ...['--listening-ip', this.address, '--relay-ip', this.address, '--listening-port', String(PORT)],
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
