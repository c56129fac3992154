import { createSocket, type Socket } from 'node:dgram';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { NgClient, type NgDone } from '../sip/media/ng-client.ts';
import type { NgCommand } from '../sip/media/ng-codec.ts';
import { Driver } from './driver.ts';
import type { Guard } from './guard.ts';

/** The way to rtpengine on this host: a socket that hears nobody else, and the client's timer. Whether it answers is said when that changes. */
export class RtpengineSocket {
  private readonly logger: Logger;
  private readonly remote: SocketAddress;
  private readonly socket: Socket;
  private readonly client: NgClient;
  private readonly driver: Driver;
  private connected = false;
  private failed = false;

  constructor(
    components: { readonly clock: Clock; readonly random: Random; readonly logger: Logger; readonly guard: Guard },
    remote: SocketAddress,
  ) {
    const { clock, logger, guard } = components;
    this.logger = logger;
    this.remote = remote;
    this.client = new NgClient({ ...components, send: (bytes) => this.send(bytes) });
    this.driver = new Driver(this.client, clock, guard);
    this.socket = createSocket(remote.address.includes(':') ? 'udp6' : 'udp4');
    this.socket.on('message', (bytes) => void this.driver.feed('rtpengine', (now) => this.client.receive(bytes, now)));
    // Refused: nobody is there, which the time without an answer says.
    this.socket.on('error', (error) => logger.debug('ng.error', { err: error.message }));
    // Of an address that no route leads to, the callback is told, and nobody else.
    this.socket.connect(remote.port, remote.address, (error?: Error) => {
      if (error !== undefined) logger.debug('ng.error', { err: error.message });
      this.connected = error === undefined;
    });
  }

  /** @param done called once, later; not after `stop`. */
  ask(command: NgCommand, done: NgDone): void {
    this.driver.feed('rtpengine', (now) => this.client.ask(command, now, done));
  }

  get addr(): string {
    return formatSocketAddress(this.remote);
  }

  /** Whether it answers now. */
  async isThere(): Promise<boolean> {
    return new Promise((resolve) => this.ask({ command: 'ping' }, (answer) => resolve(answer !== undefined)));
  }

  /** @param failure of the last command of a call; undefined: it did as it was told. */
  onAnswer(failure: string | undefined): void {
    const hasFailed = failure !== undefined;
    if (hasFailed === this.failed) return;
    this.failed = hasFailed;
    const { addr } = this;
    if (!hasFailed) this.logger.info('rtpengine relays media again', { addr });
    else
      this.logger.warn('rtpengine does not relay media: calls that need it are refused', {
        addr,
        why: failure,
        advice: 'apt-get install rtpengine-daemon && systemctl enable --now idloc-media, or the setting sip.rtpengine',
      });
  }

  /** Idempotent. */
  stop(): void {
    this.driver.stop();
    if (!this.connected) return;
    this.connected = false;
    this.socket.close();
  }

  private send(bytes: Uint8Array): void {
    if (this.connected) this.socket.send(bytes, () => undefined);
  }
}
