import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FILE_HEADER_BYTES = 24;
const PACKET_HEADER_BYTES = 16;

/** Packets of an interface in a namespace, as dumpcap sees them. Without link-layer headers: for a TUN. */
export class Tap {
  private readonly directory = mkdtempSync(join(tmpdir(), 'idloc-tap-'));
  private readonly child: ChildProcess;

  private constructor(namespace: string, interfaceName: string) {
    const args = ['netns', 'exec', namespace, 'dumpcap', '-q', '-P', '-i', interfaceName, '-w', this.file];
    this.child = spawn('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  static async open(namespace: string, interfaceName = 'idloc0'): Promise<Tap> {
    const tap = new Tap(namespace, interfaceName);
    await new Promise<void>((resolve, reject) => {
      let said = '';
      tap.child.stderr?.on('data', (data: Buffer) => {
        said += data.toString();
        if (said.includes('File: ')) resolve();
      });
      tap.child.on('error', reject);
      tap.child.on('exit', () => reject(new Error(`dumpcap ended: ${said}`)));
    });
    return tap;
  }

  private get file(): string {
    return join(this.directory, 'packets.pcap');
  }

  /** What has been written so far; a packet arrives here some time after programs have it. */
  packets(): Buffer[] {
    const data = readFileSync(this.file);
    const out: Buffer[] = [];
    for (let at = FILE_HEADER_BYTES; at + PACKET_HEADER_BYTES <= data.length;) {
      const end = at + PACKET_HEADER_BYTES + data.readUInt32LE(at + 8);
      if (end > data.length) break;
      out.push(data.subarray(at + PACKET_HEADER_BYTES, end));
      at = end;
    }
    return out;
  }

  async close(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => this.child.on('exit', resolve));
      this.child.kill('SIGINT');
      await ended;
    }
    rmSync(this.directory, { recursive: true });
  }
}
