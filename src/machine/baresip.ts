import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { IdlocError } from '../base/errors.ts';
import { LOOPBACK } from './frames.ts';
import { RATE_HZ } from './opus.ts';

/** The user part of the URI that it answers at. */
const MACHINE_USER = 'voicemail';
const KILL_AFTER_MS = 2_000;

export interface BaresipOptions {
  /** Its own: for its configuration, and what it hears. */
  readonly directory: string;
  readonly interfaceName: string;
  readonly family: 4 | 6;
  readonly codec: 'g711' | 'opus';
  /** A WAV file, `RATE_HZ`, one channel. At its end it hangs up. */
  readonly plays: string;
  /** What it hears is written down. */
  readonly records: boolean;
  /** Whatever happens. */
  readonly maxSeconds: number;
}

/** Debian's baresip (1.0) as an answering machine for one call: it hears SIP on loopback alone, and media on the interface's addresses. */
export class Baresip {
  readonly port: number;
  /** @throws when it ends before. */
  readonly ready: Promise<void>;
  readonly answered: Promise<void>;
  /** The call is over, or the program. */
  readonly closed: Promise<string>;
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;

  private constructor(port: number, options: BaresipOptions) {
    this.port = port;
    const { directory, family, maxSeconds } = options;
    writeFileSync(join(directory, 'config'), configuration(port, options));
    const account = `<sip:${MACHINE_USER}@${bracketed(LOOPBACK[family])}>;regint=0;answermode=auto`;
    writeFileSync(join(directory, 'accounts'), `${account};audio_codecs=${CODECS[options.codec]}\n`);
    this.child = spawn('baresip', ['-f', directory, `-${family}`, '-v', '-t', String(maxSeconds)], {
      cwd: directory,
      env: { ...process.env, HOME: directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { child } = this;
    this.exited = new Promise((resolve) => {
      child.on('close', resolve);
      child.on('error', resolve);
    });
    const told = Promise.withResolvers<string>();
    const ready = Promise.withResolvers<undefined>();
    const answered = Promise.withResolvers<undefined>();
    let last = '';
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null)
        createInterface({ input: stream }).on('line', (line) => {
          if (line.trim() !== '') last = line;
          if (line.includes('baresip is ready')) ready.resolve(undefined);
          else if (line.includes('Call established')) answered.resolve(undefined);
          else if (/session closed|Call with .* terminated/.test(line)) told.resolve(line.trim());
        });
    void this.exited.then((status) => {
      const why = status instanceof Error ? status.message : last;
      told.resolve(why);
      ready.reject(new IdlocError('program_failed', `baresip ended: ${why}`));
    });
    this.ready = ready.promise;
    this.answered = answered.promise;
    this.closed = told.promise;
    this.ready.catch(() => undefined);
  }

  /** On a port that nobody has. */
  static async start(options: BaresipOptions): Promise<Baresip> {
    return new Baresip(await freePort(options.family), options);
  }

  /** Hangs up, where it has not, and waits until the files are whole. Idempotent. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), KILL_AFTER_MS);
    await this.exited;
    clearTimeout(timer);
  }
}

const CODECS = { g711: 'PCMU/8000/1,PCMA/8000/1', opus: 'opus/48000/2' } as const;

function configuration(port: number, { directory, interfaceName, family, plays, records }: BaresipOptions): string {
  return `poll_method epoll
module_path /usr/lib/baresip/modules
sip_listen ${bracketed(LOOPBACK[family])}:${port}
net_interface ${interfaceName}
call_max_calls 1
audio_source aufile,${plays}
audio_player aubridge,ear
audio_alert aubridge,bell
ausrc_srate ${RATE_HZ}
ausrc_channels 1
snd_path ${directory}
module g711.so
module opus.so
module aufile.so
module aubridge.so
${records ? 'module sndfile.so\n' : ''}module_tmp account.so
`;
}

/** It is free again when this has returned: nobody else on this host looks for one at that moment, or the call does not come about. */
async function freePort(family: 4 | 6): Promise<number> {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  socket.bind(0, LOOPBACK[family]);
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
