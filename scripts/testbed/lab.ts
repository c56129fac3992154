import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { BackgroundProcess, ScriptError, command, eventually, killBackgroundProcesses, tryCommand } from './command.ts';
import type { CommandOptions, CommandResult } from './command.ts';

/**
 * Names of namespaces and temporary folders carry the process that owns them and when it started, so that what a killed
 * run left behind is told from what a concurrent run uses: `idl-PID-START-COUNT[-NAME]`.
 */
const OWNED_NAME = /^idl-(\d+)-(\d+)-\d+(?:-|$)/;

/** How often processes in a namespace are looked for before it is deleted: killing may race with a fork. */
const KILL_ROUNDS = 5;

const openLabs = new Set<Lab>();
let labCount = 0;
let exitHandlersInstalled = false;

/** Why network namespaces cannot be used here; undefined: they can. */
export function labUnavailable(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
  } catch {
    return 'needs /dev/net/tun';
  }
  return spawnSync('ip', ['netns', 'list']).status === 0 ? undefined : 'needs ip netns';
}

/** A set of network namespaces and a temporary folder, gone when the lab is closed or the process ends in any way. */
export class Lab {
  readonly directory: string;
  private readonly prefix: string;
  private readonly namespaces: Namespace[] = [];
  private readonly foreignFiles: string[] = [];
  private closed = false;

  private constructor(prefix: string) {
    this.prefix = prefix;
    this.directory = join(tmpdir(), prefix);
    mkdirSync(this.directory, { mode: 0o700 });
  }

  /** @throws {ScriptError} without the privilege to make namespaces. */
  static open(): Lab {
    const why = labUnavailable();
    if (why !== undefined)
      throw new ScriptError(`cannot make network namespaces: ${why}; run as root on a machine that allows it`);
    removeLeftovers();
    installExitHandlers();
    labCount += 1;
    const lab = new Lab(`idl-${process.pid}-${startTime(process.pid) ?? 0}-${labCount}`);
    openLabs.add(lab);
    return lab;
  }

  /** A new namespace with the loopback interface up. */
  async namespace(name: string): Promise<Namespace> {
    const namespace = new Namespace(`${this.prefix}-${name}`);
    await command('ip', ['netns', 'add', namespace.name]);
    this.namespaces.push(namespace);
    await namespace.ip('link', 'set', 'lo', 'up');
    return namespace;
  }

  /** Joins two namespaces by a cable; each end has its own interface name and is down. */
  async cable(a: Namespace, aInterface: string, b: Namespace, bInterface: string): Promise<void> {
    const peer = ['peer', 'name', bInterface, 'netns', b.name];
    await command('ip', ['link', 'add', aInterface, 'netns', a.name, 'type', 'veth', ...peer]);
  }

  /** A folder of its own in the temporary folder. */
  folder(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** A file that a program of the lab makes elsewhere: removed when the lab closes, its folder too when nothing else is in it. */
  removeAtClose(path: string): void {
    this.foreignFiles.push(path);
  }

  /** Idempotent: ends what runs in the namespaces, removes them and the folder. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    openLabs.delete(this);
    for (const namespace of this.namespaces) removeNamespace(namespace.name);
    for (const path of this.foreignFiles) {
      rmSync(path, { force: true });
      try {
        rmdirSync(dirname(path));
      } catch {
        // others use the folder
      }
    }
    removeFolder(this.directory);
  }
}

const linkSchema = z.object({
  operstate: z.string(),
  linkinfo: z.object({ info_slave_data: z.object({ state: z.string() }).optional() }).optional(),
});

/** One network namespace: a machine of the test network. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Runs a program inside to its end. @throws {ScriptError} when it fails. */
  async run(file: string, args: readonly string[], options?: CommandOptions): Promise<string> {
    return command('ip', ['netns', 'exec', this.name, file, ...args], options);
  }

  async tryRun(file: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return tryCommand('ip', ['netns', 'exec', this.name, file, ...args], options);
  }

  /** Starts a program inside; `pid` is the program's own (ip replaces itself by it). */
  start(file: string, args: readonly string[], environment?: Readonly<Record<string, string>>): BackgroundProcess {
    return new BackgroundProcess('ip', ['netns', 'exec', this.name, file, ...args], environment);
  }

  async ip(...args: string[]): Promise<string> {
    return command('ip', ['-n', this.name, ...args]);
  }

  /**
   * Several `ip` commands by one process, a line each.
   * @param family of lines whose addresses do not tell
   */
  async ipBatch(lines: readonly string[], family: 4 | 6 = 4): Promise<void> {
    await command('ip', [...(family === 6 ? ['-6'] : []), '-n', this.name, '-batch', '-'], {
      input: `${lines.join('\n')}\n`,
    });
  }

  /**
   * Waits until the kernel has noticed that the other end is up (and, in a bridge, forwards). What is sent before is lost,
   * and a lost ARP request costs a second.
   */
  async carrier(interfaceName: string): Promise<void> {
    await eventually(
      `${this.name}: carrier on ${interfaceName}`,
      5000,
      async () => {
        const text = await this.ip('-json', '-details', 'link', 'show', 'dev', interfaceName);
        const [link] = z.array(linkSchema).parse(JSON.parse(text));
        const portState = link?.linkinfo?.info_slave_data?.state ?? 'forwarding';
        return link?.operstate === 'UP' && portState === 'forwarding' ? true : undefined;
      },
      5,
    );
  }

  /** Loads a ruleset, as an argument: standard input is a socket here, which `nft -f -` cannot open. */
  async nft(ruleset: string): Promise<void> {
    await this.run('nft', [ruleset]);
  }

  async sysctl(name: string, value: string | number): Promise<void> {
    await this.run('sysctl', ['-q', '-w', `${name}=${value}`]);
  }
}

/** Ends and removes what runs that no longer exist left behind (killed with SIGKILL, machine out of memory). */
export function removeLeftovers(): void {
  for (const name of folderNames('/run/netns')) if (isLeftover(name)) removeNamespace(name);
  for (const name of folderNames(tmpdir())) if (isLeftover(name)) removeFolder(join(tmpdir(), name));
}

/** Whether a name follows our pattern and its owner is gone. */
export function isLeftover(name: string): boolean {
  const match = OWNED_NAME.exec(name);
  return match?.[1] !== undefined && String(startTime(Number(match[1])) ?? 0) !== match[2];
}

function folderNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** When a process started, in clock ticks since boot (proc(5), field 22); undefined: there is no such process. */
export function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}

function removeNamespace(name: string): void {
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const pids = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean);
    if (pids.length === 0) break;
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // it has ended by itself
      }
    }
    // A killed process leaves its namespace a moment later.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
  spawnSync('ip', ['netns', 'delete', name]);
}

/** With what a test that was killed had mounted in it. */
function removeFolder(path: string): void {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  for (const mounted of mounts.map((line) => line.split(' ')[1] ?? '').reverse())
    if (mounted.startsWith(`${path}/`)) spawnSync('umount', ['--lazy', mounted]);
  rmSync(path, { recursive: true, force: true });
}

function closeAll(): void {
  killBackgroundProcesses();
  for (const lab of [...openLabs]) lab.close();
}

const ENDING_SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

function installExitHandlers(): void {
  if (exitHandlersInstalled) return;
  exitHandlersInstalled = true;
  process.on('exit', closeAll);
  for (const [signal, number] of Object.entries(ENDING_SIGNALS))
    process.on(signal, () => {
      closeAll();
      process.exit(128 + number);
    });
}
