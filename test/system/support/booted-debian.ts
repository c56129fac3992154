import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BackgroundProcess,
  command,
  type CommandResult,
  eventually,
  ScriptError,
  tryCommand,
} from '../../../scripts/testbed/command.ts';
import { debianRoot } from './debian-root.ts';

const CHECKOUT = join(import.meta.dirname, '../../..');
const HOST_NAME = 'saturn';
const BOOT_TIMEOUT_MS = 60_000;
const COMMAND_TIMEOUT_MS = 60_000;
/** Cut off rudely it may leave mounts behind. */
const SHUTDOWN_GRACE_MS = 20_000;

/** Why no Debian can be booted here, in words; undefined: it can. */
export async function bootingUnavailable(): Promise<string | undefined> {
  if (process.geteuid?.() !== 0) return 'not root';
  if (!existsSync('/dev/net/tun')) return 'no /dev/net/tun';
  for (const program of ['debootstrap', 'systemd-nspawn', 'nsenter']) {
    if ((await tryCommand('which', [program])).status !== 0) return `${program} is not installed`;
  }
  return undefined;
}

/** A Debian 12 of its own: its own service manager, processes, network (of which only loopback is there) and files. */
export class BootedDebian {
  /** Its root folder as this machine sees it. */
  readonly root: string;
  private readonly folder: string;
  private container: BackgroundProcess | undefined;
  private leader = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.root = join(folder, 'root');
  }

  /** Copies the root, not booted yet. */
  static async prepare(): Promise<BootedDebian> {
    const original = await debianRoot();
    const machine = new BootedDebian(mkdtempSync(join(tmpdir(), 'idloc-debian-')));
    await command('cp', ['-a', '--reflink=auto', original, machine.root]);
    writeFileSync(join(machine.root, 'etc/hostname'), `${HOST_NAME}\n`);
    // Open to everybody as udev makes it on a real machine; here it may not be.
    await command('mknod', ['-m', '666', join(machine.folder, 'tun'), 'c', '10', '200']);
    return machine;
  }

  async boot(): Promise<void> {
    const container = new BackgroundProcess('systemd-nspawn', [
      ...['--quiet', '--boot', '--register=no', '--keep-unit', '--private-network', '--console=pipe'],
      `--directory=${this.root}`,
      `--machine=${HOST_NAME}`,
      `--bind=${join(this.folder, 'tun')}:/dev/net/tun`,
      `--bind-ro=${join(CHECKOUT, 'scripts')}:/mnt`,
    ]);
    this.container = container;
    this.leader = await eventually('the container starts', BOOT_TIMEOUT_MS, () => {
      if (!container.alive) throw new ScriptError(`systemd-nspawn ended: ${container.lastWords()}`);
      return childNamed(container.pid, 'systemd');
    });
    await eventually('Debian boots', BOOT_TIMEOUT_MS, async () => {
      const { stdout } = await this.tryRun('systemctl', 'is-system-running');
      // Degraded: some unit of Debian's own does not like to be in a container.
      return ['running', 'degraded'].includes(stdout.trim()) ? true : undefined;
    });
  }

  /** A command in it, as root. It has to succeed. */
  async run(file: string, ...args: string[]): Promise<string> {
    return command('nsenter', [...this.enter(), file, ...args], { timeoutMs: COMMAND_TIMEOUT_MS });
  }

  async tryRun(file: string, ...args: string[]): Promise<CommandResult> {
    return tryCommand('nsenter', [...this.enter(), file, ...args], { timeoutMs: COMMAND_TIMEOUT_MS });
  }

  exists(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  /** Mode bits and owner. */
  stat(path: string): { mode: number; uid: number } {
    const { mode, uid } = statSync(join(this.root, path));
    return { mode: mode & 0o777, uid };
  }

  /** Shut down in order, and gone. Idempotent. */
  async remove(): Promise<void> {
    await this.container?.stop('SIGTERM', SHUTDOWN_GRACE_MS);
    this.container = undefined;
    rmSync(this.folder, { recursive: true, force: true });
  }

  private enter(): string[] {
    return ['--target', String(this.leader), '--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--wd=/', '--'];
  }
}

function childNamed(pid: number, name: string): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/);
    return children.map(Number).find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').trim() === name);
  } catch {
    // It is starting, or ended between two looks.
    return undefined;
  }
}
