import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { command, eventually } from './command.ts';
import type { BackgroundProcess } from './command.ts';
import type { Namespace } from './lab.ts';

const START_TIMEOUT_MS = 10_000;
/** dumpcap hands over what the kernel collected at least this often. */
const FLUSH_MS = 400;

/** Packets of one interface in a file, with the kernel's time stamps, which are the same clock in every namespace. */
export class Capture {
  readonly file: string;
  private readonly process: BackgroundProcess;
  private stopped = false;

  private constructor(file: string, process: BackgroundProcess) {
    this.file = file;
    this.process = process;
  }

  /** @param filter as in pcap-filter(7) */
  static async start(namespace: Namespace, interfaceName: string, file: string, filter: string): Promise<Capture> {
    const process = namespace.start('dumpcap', ['-q', '-B', '8', '-i', interfaceName, '-w', file, '-f', filter]);
    await process.waitFor(/File: /, START_TIMEOUT_MS);
    await eventually(`dumpcap writes ${file}`, START_TIMEOUT_MS, () => (existsSync(file) ? true : undefined), 5);
    return new Capture(file, process);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    await delay(FLUSH_MS);
    await this.process.stop('SIGINT');
  }

  /** What dumpcap said at its end: how many packets it has, and how many the kernel could not hand over. */
  lastWords(): string {
    return this.process.lastWords();
  }

  /**
   * Fields of the packets that a display filter lets through, as tshark dissects them; first of each, '' when absent.
   * @param heuristics protocols to recognise by content, as `tshark -G heuristic-decodes` names them
   */
  async fields(
    filter: string,
    names: readonly string[],
    heuristics: readonly string[] = [],
  ): Promise<Record<string, string>[]> {
    await this.stop();
    const args = ['-n', '-r', this.file, '-Y', filter, '-T', 'fields', '-E', 'separator=/t', '-E', 'occurrence=f'];
    for (const heuristic of heuristics) args.push('--enable-heuristic', heuristic);
    for (const name of names) args.push('-e', name);
    const text = await command('tshark', args);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const values = line.split('\t');
        return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']));
      });
  }
}
