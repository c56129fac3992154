import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { on } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeNg, encodeNg, type NgAnswer, type NgCommand } from '../../../src/sip/media/ng-codec.ts';
import { RtpengineMedia, type RtpengineMediaOptions } from '../../../src/sip/trunk/rtpengine-media.ts';

/** Debian's rtpengine, outside at 127.0.0.1 and of the overlay at 127.0.0.2. */
export class InteropRtpengine {
  static readonly isInstalled = spawnSync('rtpengine', ['--version']).error === undefined;
  private readonly client = createSocket('udp4');
  private readonly folder = mkdtempSync(join(tmpdir(), 'idloc-rtpengine-'));
  private readonly port: number;
  private readonly daemon: ChildProcess;
  private commands = 0;

  /** @param port of its commands; media have a hundred behind it */
  constructor(port: number) {
    this.port = port;
    this.daemon = spawn('rtpengine', [
      ...['--config-file=none', '--foreground', '--log-stderr', '--table=-1', `--listen-ng=127.0.0.1:${port}`],
      ...['--interface=outside/127.0.0.1', '--interface=overlay/127.0.0.2'],
      ...[`--port-min=${port + 2}`, `--port-max=${port + 100}`, `--pidfile=${join(this.folder, 'pid')}`],
    ]);
    this.daemon.stderr?.on('data', () => undefined);
  }

  async isThere(): Promise<void> {
    while ((await this.ask({ command: 'ping' }, 200)) === undefined);
  }

  async ask(command: NgCommand, waitMs = 5_000): Promise<NgAnswer | undefined> {
    const asked = `c${(this.commands += 1)}`;
    const signal = AbortSignal.timeout(waitMs);
    const answers = on(this.client, 'message', { signal });
    this.client.send(encodeNg(asked, command), this.port, '127.0.0.1');
    try {
      for await (const [bytes] of answers) {
        const { cookie, answer } = decodeNg(bytes as Uint8Array);
        if (cookie === asked) return answer;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return undefined;
  }

  /** As a gateway uses it. */
  media(protection: RtpengineMediaOptions['protection']): RtpengineMedia {
    return new RtpengineMedia(
      {
        ask: (command, done) => void this.ask(command).then((answer) => done(answer, 0)),
        onAnswer: () => undefined,
      },
      { hasIpv4: () => true, protection },
    );
  }

  stop(): void {
    this.daemon.kill();
    this.client.close();
    rmSync(this.folder, { recursive: true });
  }
}
