import { join } from 'node:path';
import { z } from 'zod';
import { ScriptError, eventually, type BackgroundProcess } from './command.ts';
import { AGENT_SEEN, MEMBERS } from './crowd-addresses.ts';
import type { Namespace } from './lab.ts';
import { progress } from './report.ts';

const START_TIMEOUT_MS = 60_000;

/** Many members of one overlay in one process: see link-crowd.ts and crowd-addresses.ts. */
export class Crowd {
  readonly process: BackgroundProcess;
  private answers = 0;
  private told = '';

  private constructor(process: BackgroundProcess) {
    this.process = process;
  }

  /**
   * @param namespace which reaches the agent, and which the agent's host has a route by to MEMBERS
   * @param authority state directory of who lets its members in
   * @param niceness of the process: what it does costs the cores of other machines otherwise
   */
  static async start(
    namespace: Namespace,
    authority: string,
    agent: { address: string; port: number },
    niceness = 0,
  ): Promise<Crowd> {
    await namespace.ip('route', 'add', 'local', MEMBERS, 'dev', 'lo');
    await namespace.nft(`table ip nat {
  chain output { type nat hook output priority -100; ip daddr ${AGENT_SEEN} dnat to ${agent.address}; }
}`);
    const script = join(import.meta.dirname, 'link-crowd.ts');
    const crowd = new Crowd(
      namespace.start('nice', ['-n', String(niceness), process.execPath, script, authority, String(agent.port)]),
    );
    await crowd.answer('ready', START_TIMEOUT_MS);
    return crowd;
  }

  async ask(command: string, count: number, timeoutMs: number): Promise<Record<string, unknown>> {
    const line = `${command} ${count}`;
    this.process.write(`${line}\n`);
    return this.answer(line, timeoutMs);
  }

  private async answer(what: string, timeoutMs: number): Promise<Record<string, unknown>> {
    const text = await eventually(`the crowd: ${what}`, timeoutMs, () => {
      if (!this.process.alive) throw new ScriptError(`the crowd has ended: ${this.process.lastWords()}`);
      const latest = this.process.stderr.trimEnd().split('\n').at(-1) ?? '';
      if (latest !== this.told) progress(latest);
      this.told = latest;
      return this.process.lines[this.answers];
    });
    this.answers += 1;
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  }
}
