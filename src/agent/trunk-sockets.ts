import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, Socket } from 'node:net';
import { canonicalAddress } from '../base/ip-address.ts';
import { messageOf } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { TrunkTls } from '../config/trunk-tls-settings.ts';
import { type SipFlow, tcpFlow, udpFlow } from '../sip/flow.ts';
import type { Guard } from './guard.ts';
import { LocalEnds } from './local-ends.ts';
import { SipConnection } from './sip-connection.ts';
import { type Incoming, SipInbox } from './sip-inbox.ts';
import { PING, StreamPings } from './stream-pings.ts';
import { ProviderTls } from './trunk-tls.ts';

// Implementation constants.

/** To a provider's servers, and from them. */
const MAX_CONNECTIONS = 64;
const IDLE_MS = 900_000;
const RETRY_MS = 5_000;
/** Until the kernel asks whether the other end is there: for those that do not know pings of SIP. */
const TCP_KEEPALIVE_MS = 60_000;
/** What the kernel does not take at once; more would be late anyway. */
const MAX_UNSENT_BYTES = 262_144;

export interface TrunkSocketsComponents {
  readonly clock: Pick<Clock, 'monotonic' | 'wall'>;
  readonly random: Random;
  readonly logger: Logger;
  readonly guard: Guard;
  /** Whether anything is read of such a sender. */
  readonly isWelcome: (address: string) => boolean;
  /** Must not throw. */
  readonly receive: (flow: SipFlow, incoming: Incoming) => void;
  /** @param why for people; undefined: as connections end */
  readonly flowClosed: (flow: SipFlow, why?: string) => void;
}

/**
 * A gateway's sockets to the world outside: UDP and TCP at one port of every address, of both families. Where TLS is spoken, connections
 * to the provider and nothing else.
 *
 *     datagrams, connections of who is welcome ──> inbox ──> receive
 */
export class TrunkSockets {
  readonly ends: LocalEnds;
  private readonly components: TrunkSocketsComponents;
  private readonly port: number;
  private readonly inbox: SipInbox;
  private readonly udp = new Map<4 | 6, UdpSocket>();
  private readonly connections = new Map<string, SipConnection>();
  private readonly tls: ProviderTls | undefined;
  private tcp: Server | undefined;
  /** What calls them off. */
  private readonly retries = new Set<() => void>();
  private stopped = false;

  /** @param options.address what others are told; undefined: the address that leads to them */
  constructor(
    components: TrunkSocketsComponents,
    options: { readonly port: number; readonly address: string | undefined; readonly tls: TrunkTls | undefined },
  ) {
    const { logger, clock } = components;
    this.components = components;
    this.port = options.port;
    this.ends = new LocalEnds(options);
    this.inbox = new SipInbox({ clock, handle: components.receive });
    this.tls = options.tls && new ProviderTls({ logger, wallNow: () => clock.wall() }, options.tls);
    // What did not come through TLS would not be heard.
    if (this.tls !== undefined) return;
    this.bind(4);
    this.bind(6);
    this.listen();
  }

  send(flow: SipFlow, bytes: Uint8Array): void {
    if (this.stopped) return;
    const { address, port } = flow.remote;
    if (flow.transport === 'udp') {
      const socket = this.udp.get(address.includes(':') ? 6 : 4);
      if (port === 0 || socket === undefined || socket.getSendQueueSize() > MAX_UNSENT_BYTES) return;
      // An error of one datagram is the other end's silence.
      socket.send(bytes, port, address, () => undefined);
      return;
    }
    let why: string | undefined;
    let connection = this.connections.get(flow.key);
    try {
      connection ??= this.connect(flow);
    } catch (error) {
      // OpenSSL takes neither every certificate nor every list of authorities.
      why = this.tls?.troubleWith(flow.remote, error);
    }
    if (connection !== undefined) connection.send(bytes);
    else setImmediate(() => this.components.flowClosed(flow, why));
  }

  /** The network is another one: connections from addresses that we have no more are closed. */
  networkChanged(): void {
    this.ends.forget();
    for (const connection of this.connections.values()) void this.closeStale(connection);
  }

  /** Idempotent. */
  stop(): void {
    this.stopped = true;
    this.inbox.close();
    for (const cancel of this.retries) cancel();
    for (const connection of this.connections.values()) connection.close('we stop');
    for (const socket of this.udp.values()) socket.close();
    this.udp.clear();
    this.tcp?.close();
  }

  private bind(family: 4 | 6): void {
    if (this.stopped) return;
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6 });
    const { guard } = this.components;
    const hear = guard.handler('SIP trunk datagram', (bytes: Uint8Array, { address, port }: RemoteInfo) => {
      const remote = { address: canonicalAddress(address), port };
      if (!this.components.isWelcome(remote.address)) return;
      void this.ends.find(remote).then((local) => {
        if (local !== undefined && !this.stopped) this.inbox.datagram(udpFlow({ local, remote }), bytes);
      });
    });
    socket.on('message', hear);
    socket.on('error', (error) => {
      this.udp.delete(family);
      socket.close();
      this.again(error, () => this.bind(family));
    });
    socket.bind({ port: this.port, address: family === 4 ? '0.0.0.0' : '::', exclusive: true }, () =>
      this.udp.set(family, socket),
    );
  }

  private listen(): void {
    if (this.stopped) return;
    const { guard } = this.components;
    const server = createServer((socket) => {
      this.accept(socket).catch((error: unknown) => {
        guard.report('SIP trunk connection', error);
        socket.destroy();
      });
    });
    this.tcp = server;
    server.on('error', (error) => this.again(error, () => this.listen()));
    server.listen({ port: this.port, host: '::' });
  }

  private again(error: unknown, retry: () => void): void {
    this.components.logger.warn('SIP trunk: does not listen', { port: this.port, err: messageOf(error) });
    const cancel = this.components.guard.after('SIP trunk', RETRY_MS, () => {
      this.retries.delete(cancel);
      retry();
    });
    this.retries.add(cancel);
  }

  private async accept(socket: Socket): Promise<void> {
    const { remoteAddress, remotePort: port } = socket;
    const address = remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '') ?? '';
    socket.on('error', () => undefined);
    if (port === undefined || !this.components.isWelcome(address) || this.connections.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    const remote = { address: canonicalAddress(address), port };
    const local = await this.ends.find(remote);
    if (local === undefined || this.stopped || socket.destroyed) socket.destroy();
    else this.add(socket, tcpFlow({ local, remote }), false);
  }

  private connect(flow: SipFlow): SipConnection | undefined {
    if (this.connections.size >= MAX_CONNECTIONS) return undefined;
    // Where TLS is spoken, nothing goes without it.
    if ((flow.transport === 'tls') !== (this.tls !== undefined)) return undefined;
    return this.add(this.tls?.open(flow.remote) ?? new Socket(), flow, true);
  }

  private add(socket: Socket, flow: SipFlow, connect: boolean): SipConnection {
    const { logger, guard, random, flowClosed } = this.components;
    let why: string | undefined;
    socket.on('error', (error) => {
      why = this.tls?.troubleWith(flow.remote, error);
    });
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    let pings: StreamPings | undefined;
    const closed = (connection: SipConnection): void => {
      pings?.stop();
      if (this.connections.get(flow.key) === connection) this.connections.delete(flow.key);
      if (!this.stopped) flowClosed(flow, why);
    };
    const { inbox } = this;
    const used = (_: SipConnection, bytes: Uint8Array): void => pings?.heard(bytes);
    const connection = new SipConnection(
      { socket, inbox, logger, guard, used, closed },
      { flow, idleMs: IDLE_MS, connect },
    );
    this.connections.set(flow.key, connection);
    const ports = { ping: () => connection.send(PING), dead: () => connection.close('it answers pings no more') };
    if (connect) pings = new StreamPings({ guard, random }, ports);
    logger.debug('sip.trunkConnection', { addr: formatSocketAddress(flow.remote) });
    return connection;
  }

  private async closeStale(connection: SipConnection): Promise<void> {
    const { localAddress, flow } = connection;
    await this.ends.find(flow.remote);
    const isOurs = localAddress?.replace(/^::ffff:(?=\d+\.)/, '') === this.ends.routeTo(flow.remote);
    if (localAddress !== undefined && !isOurs) connection.close('the network is another one');
  }
}
