import { join } from 'node:path';
import { type BackgroundProcess, eventually } from './command.ts';
import { existsSync } from 'node:fs';
import type { Lab, Namespace } from './lab.ts';

const START_TIMEOUT_MS = 10_000;

/** Debian's rtpengine, with the configuration that the agent in the lab has written. */
export class Rtpengine {
  private readonly process: BackgroundProcess;

  private constructor(process: BackgroundProcess) {
    this.process = process;
  }

  /** @param name of this one, where there are several */
  static async start(lab: Lab, namespace: Namespace, name = 'rtpengine'): Promise<Rtpengine> {
    const file = join(lab.directory, 'rtpengine.conf');
    await eventually('the agent writes rtpengine.conf', START_TIMEOUT_MS, () => (existsSync(file) ? true : undefined));
    const process = namespace.start('rtpengine', [
      ...[`--config-file=${file}`, '--foreground', '--log-stderr', '--log-level=6'],
      `--pidfile=${join(lab.directory, `${name}.pid`)}`,
    ]);
    await process.waitFor(/Startup complete/, START_TIMEOUT_MS);
    return new Rtpengine(process);
  }

  /** All that it has said. */
  get output(): string {
    return this.process.stdout + this.process.stderr;
  }

  async stop(): Promise<void> {
    await this.process.stop('SIGTERM');
  }
}
