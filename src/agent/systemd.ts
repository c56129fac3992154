import { closeSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { IdlocError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';

/** systemd takes messages in order and quickly; after a second of a full queue it is stuck itself. */
const FULL_QUEUE_TRIES = 10;
const FULL_QUEUE_RETRY_MS = 100;

/** sd_listen_fds(3). */
const FIRST_LISTEN_FD = 3;
const MOST_LISTEN_FDS = 16;

/** The unit by which sockets for streams come; all others are of idloc-dns.socket. */
const STREAM_UNIT = 'idloc-stream.socket';

/** File descriptors. */
export interface InheritedSockets {
  readonly dns: { readonly udp?: number | undefined; readonly tcp?: number | undefined };
  /** They listen, each at an address of its own. */
  readonly streams: readonly number[];
}

/**
 * Sockets handed over by idloc-dns.socket, which lists the datagram socket before the stream one, and by idloc-stream.socket.
 * Takes the variables out of `env`: they are for this process, not for its children.
 */
export function takeListenFds(env: NodeJS.ProcessEnv, pid: number): InheritedSockets {
  const mine = env['LISTEN_PID'] === String(pid);
  const count = Number(env['LISTEN_FDS']);
  const names = (env['LISTEN_FDNAMES'] ?? '').split(':');
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
  if (!mine || !Number.isInteger(count) || count < 1 || count > MOST_LISTEN_FDS) return { dns: {}, streams: [] };
  const fds = Array.from({ length: count }, (_, i) => FIRST_LISTEN_FD + i);
  const isStream = (fd: number): boolean => names[fd - FIRST_LISTEN_FD] === STREAM_UNIT;
  const [udp, tcp] = fds.filter((fd) => !isStream(fd));
  return { dns: { udp, tcp }, streams: fds.filter(isStream) };
}

/**
 * Sockets that nothing reads here. Whoever asked there would wait for an answer that never comes: also when systemd has ended its
 * unit, a socket takes what arrives for as long as any process has it.
 */
export function closeUnused(sockets: readonly (number | undefined)[]): void {
  for (const socket of sockets) {
    try {
      if (socket !== undefined) closeSync(socket);
    } catch {
      // LISTEN_FDS named one that is not there.
    }
  }
}

/**
 * Of the sockets for streams those that the settings name; the others are closed.
 * @param listeningAddress of a descriptor; undefined: it does not listen.
 */
export function keepNamedStreams(
  sockets: readonly number[],
  listen: readonly SocketAddress[],
  { logger, listeningAddress }: { readonly logger: Logger; readonly listeningAddress: ListeningAddress },
): number[] {
  return sockets.filter((socket) => {
    const address = listeningAddress(socket);
    if (address !== undefined && listen.some((named) => sameSocketAddress(named, address))) return true;
    closeUnused([socket]);
    const addr = address === undefined ? undefined : formatSocketAddress(address);
    logger.warn(`${STREAM_UNIT} listens where nothing is accepted`, { addr, setting: 'stream.listen' });
    return false;
  });
}

/**
 * For idloc-names.path, which hands the names of the overlay to the machine's own resolver: written anew each time that the
 * interface is. Only under systemd, where the service has a directory of its own.
 */
export function tellOverlay(env: NodeJS.ProcessEnv, overlay: string, logger: Logger): void {
  const directory = env['RUNTIME_DIRECTORY'];
  if (directory === undefined) return;
  try {
    writeFileSync(join(directory, 'overlay'), `${overlay}\n`);
  } catch (error) {
    logger.warn('names are not handed to the resolver of this host', { err: messageOf(error) });
  }
}

/** Of a socket's descriptor (native/bound-socket.ts). */
export type ListeningAddress = (descriptor: number) => SocketAddress | undefined;

/** Sends lines of NAME=value to a notification socket (native/systemd.ts). */
export type Notify = (socketPath: string, text: string) => void;

/** sd_notify(3): tells systemd that the agent is ready, what it does, that it lives, that it stops. Does nothing elsewhere. */
export class SystemdNotifier {
  private readonly logger: Logger;
  private readonly notify: Notify;
  private readonly socketPath: string | undefined;
  private readonly watchdogMs: number | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    components: { readonly logger: Logger; readonly notify: Notify },
    options: { readonly env: NodeJS.ProcessEnv; readonly pid: number },
  ) {
    const { env, pid } = options;
    this.logger = components.logger;
    this.notify = components.notify;
    this.socketPath = env['NOTIFY_SOCKET'];
    const forUs = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(pid);
    const period = Number(env['WATCHDOG_USEC']) / 1000;
    this.watchdogMs = this.socketPath !== undefined && forUs && period > 0 ? period / 2 : undefined;
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

  private async send(assignments: readonly string[]): Promise<void> {
    if (this.socketPath === undefined) return;
    const text = assignments.map((line) => line.replaceAll('\n', ' ')).join('\n');
    for (let tries = 1; ; tries++) {
      try {
        this.notify(this.socketPath, text);
        return;
      } catch (err) {
        const full = err instanceof IdlocError && err.code === 'EAGAIN';
        if (!full || tries === FULL_QUEUE_TRIES) {
          this.logger.warn('systemd not notified', { err: messageOf(err) });
          return;
        }
      }
      await delay(FULL_QUEUE_RETRY_MS);
    }
  }
}
