import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BackgroundProcess, eventually } from './command.ts';
import type { Lab, Namespace } from './lab.ts';

const MACHINE = join(import.meta.dirname, '../../systemd/answering-machine');
const START_TIMEOUT_MS = 10_000;

/** Answering machines of a host: a process for each connection, as idloc-voicemail.socket starts them. */
export class AnsweringMachine {
  readonly socket: string;
  private readonly process: BackgroundProcess;

  private constructor(socket: string, process: BackgroundProcess) {
    this.socket = socket;
    this.process = process;
  }

  /** @param roomBytes for their files; absent: as much as there is */
  static async start(lab: Lab, namespace: Namespace, name: string, roomBytes?: number): Promise<AnsweringMachine> {
    const socket = join(lab.directory, `${name}-voicemail.sock`);
    const files = lab.folder(`${name}-voicemail`);
    // Each program of a namespace sees mounts of its own.
    const mount = roomBytes === undefined ? '' : `mount -t tmpfs -o size=${roomBytes} room ${files} && `;
    const process = namespace.start('sh', [
      ...[
        '-c',
        `${mount}exec systemd-socket-activate "$@"`,
        'sh',
        '--accept',
        '--inetd',
        '--setenv',
        `RUNTIME_DIRECTORY=${files}`,
      ],
      ...['--listen', socket, MACHINE],
    ]);
    await eventually('answering machines are listened for', START_TIMEOUT_MS, () =>
      existsSync(socket) ? true : undefined,
    );
    return new AnsweringMachine(socket, process);
  }

  /** All that it has said. */
  get output(): string {
    return this.process.stdout + this.process.stderr;
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGTERM');
  }
}
