import { execFile } from 'node:child_process';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';

/** sd_listen_fds(3). */
const FIRST_LISTEN_FD = 3;

/**
 * Sockets handed over by idloc-dns.socket, which lists the datagram socket before the stream one.
 * Takes the variables out of `env`: they are for this process, not for its children.
 */
export function takeListenFds(env: NodeJS.ProcessEnv, pid: number): { udp?: number; tcp?: number } {
  const mine = env['LISTEN_PID'] === String(pid);
  const count = Number(env['LISTEN_FDS']);
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
  if (!mine || !Number.isInteger(count) || count < 1) return {};
  return count === 1 ? { udp: FIRST_LISTEN_FD } : { udp: FIRST_LISTEN_FD, tcp: FIRST_LISTEN_FD + 1 };
}

/**
 * sd_notify(3): tells systemd that the agent is ready, what it does, that it lives, that it stops. Does nothing elsewhere.
 *
 * The notification socket takes Unix datagrams, which Node cannot send: `systemd-notify` does, a few milliseconds twice a
 * watchdog period. The unit allows it by NotifyAccess=all; nothing but this agent runs in the unit's control group.
 */
export class SystemdNotifier {
  private readonly logger: Logger;
  private readonly active: boolean;
  private readonly watchdogMs: number | undefined;
  private readonly env: NodeJS.ProcessEnv;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    components: { readonly logger: Logger },
    options: { readonly env: NodeJS.ProcessEnv; readonly pid: number },
  ) {
    const { env, pid } = options;
    this.logger = components.logger;
    this.env = env;
    this.active = env['NOTIFY_SOCKET'] !== undefined;
    const forUs = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(pid);
    const period = Number(env['WATCHDOG_USEC']) / 1000;
    this.watchdogMs = this.active && forUs && period > 0 ? period / 2 : undefined;
  }

  /** Resolves when systemd has it. From now on the watchdog is fed, from the event loop: a stuck loop starves it. */
  async ready(status: string): Promise<void> {
    await this.send(['READY=1', `STATUS=${status}`]);
    if (this.watchdogMs === undefined || this.timer !== undefined) return;
    this.timer = setInterval(() => void this.send(['WATCHDOG=1']), this.watchdogMs);
    this.timer.unref();
  }

  async status(status: string): Promise<void> {
    await this.send([`STATUS=${status}`]);
  }

  async stopping(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    await this.send(['STOPPING=1']);
  }

  private send(assignments: readonly string[]): Promise<void> {
    if (!this.active) return Promise.resolve();
    return new Promise((resolve) => {
      const options = { env: this.env, timeout: 5_000 };
      execFile(
        'systemd-notify',
        assignments.map((line) => line.replaceAll('\n', ' ')),
        options,
        (error) => {
          if (error !== null) this.logger.warn('systemd not notified', { err: messageOf(error) });
          resolve();
        },
      );
    });
  }
}
