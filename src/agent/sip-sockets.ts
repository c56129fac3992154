import type { RemoteInfo } from 'node:dgram';
import { Socket } from 'node:net';
import type { Clock } from '../base/clock.ts';
import { IdlocError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { OwnSip } from '../dns/own-sip.ts';
import { bindSocket } from '../native/bound-socket.ts';
import { type SipFlow, tcpFlow, udpFlow } from '../sip/flow.ts';
import type { Guard } from './guard.ts';
import { LanNetwork } from './lan-network.ts';
import { SipConnection } from './sip-connection.ts';
import { type Incoming, SipInbox } from './sip-inbox.ts';
import { SipListener } from './sip-listener.ts';

// Implementation constants.

const LOOPBACK = { interfaceName: 'lo', addresses: ['127.0.0.1', '::1'] };
/** Phones of this host, and members that call or are called. */
const MAX_CONNECTIONS = 256;
const MAX_CONNECTIONS_OF_ONE = 16;
/** A member's next call opens another one. A phone that registered by TCP is called by it until it registers again. */
const IDLE_MS = { member: 300_000, phone: 7_200_000 };

export interface SipSocketsComponents {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly logger: Logger;
  readonly guard: Guard;
  /** Must not throw. */
  readonly receive: (flow: SipFlow, incoming: Incoming) => void;
  /** A connection has ended, or could not be made. Must not throw. */
  readonly flowClosed: (flow: SipFlow) => void;
}

export interface SipSocketsOptions {
  readonly port: number;
  /** Of the overlay's addresses: what comes to them by another interface is a forgery. */
  readonly interfaceName: string;
  /** Where phones on the LAN are heard too. */
  readonly lan?: SocketAddress | undefined;
}

/**
 * The SIP adaptor's sockets: UDP and TCP on this host's overlay addresses, on loopback, and where it is told so on one of the LAN; nowhere else.
 *
 *     datagrams, connections ──> listeners ──> inbox ──> receive
 *                        send ──> the listener of the flow's own address, or its connection
 *
 * What comes by an overlay address came by the overlay or from this host: the sockets hear the TUN alone. So it is on the LAN, and
 * nobody is heard there who is behind a router.
 */
export class SipSockets {
  private readonly components: SipSocketsComponents;
  private readonly options: SipSocketsOptions;
  private readonly inbox: SipInbox;
  private readonly listeners = new Map<string, SipListener>();
  private readonly lan: LanNetwork | undefined;
  private own: readonly string[] = [];
  /** By the key of the flow, the longest unused first. */
  private readonly connections = new Map<string, SipConnection>();
  private portTaken = false;
  /** Told once. */
  private lanMissing = false;
  private stopped = false;

  constructor(components: SipSocketsComponents, options: SipSocketsOptions) {
    this.components = components;
    this.options = options;
    this.inbox = new SipInbox({ clock: components.clock, handle: components.receive });
    const { port, lan } = options;
    for (const address of LOOPBACK.addresses) this.listen({ address, port });
    this.lan = lan && new LanNetwork(lan.address);
    if (lan !== undefined) this.listen(lan);
  }

  /** @param own overlay addresses of this host, which the interface has or will have. */
  setAddresses(own: readonly string[]): void {
    if (this.stopped) return;
    const gone = this.own.filter((address) => !own.includes(address));
    for (const address of gone) {
      void this.listeners.get(address)?.stop();
      this.listeners.delete(address);
      for (const connection of this.connections.values())
        if (connection.flow.local.address === address) this.end(connection, 'the address is gone');
    }
    this.own = own;
    const { port } = this.options;
    for (const address of own) if (!this.listeners.has(address)) this.listen({ address, port });
  }

  /** What DNS may tell phones of; undefined: nothing listens. */
  get ownSip(): OwnSip | undefined {
    const listening = this.own.filter((address) => this.listeners.get(address)?.listens.udp === true);
    if (listening.length === 0) return undefined;
    const tcp = listening.every((address) => this.listeners.get(address)?.listens.tcp === true);
    return { port: this.options.port, addresses: listening, tcp };
  }

  /** Another program has our port. */
  get isPortTaken(): boolean {
    return this.portTaken;
  }

  /** What could not be bound yet: `udp 198.18.0.1:5062`. */
  get notListening(): readonly string[] {
    return [...this.listeners.values()].flatMap(({ local, listens }) =>
      (['udp', 'tcp'] as const)
        .filter((transport) => !listens[transport])
        .map((transport) => `${transport} ${formatSocketAddress(local)}`),
    );
  }

  isListening({ address, port }: SocketAddress): boolean {
    return this.listeners.get(address)?.local.port === port;
  }

  /** From the flow's own address; of TCP by its connection, which is opened where there is none. */
  send(flow: SipFlow, bytes: Uint8Array): void {
    if (this.stopped) return;
    if (flow.transport === 'udp') {
      const sent = this.listeners.get(flow.local.address)?.send(bytes, flow.remote) ?? false;
      if (!sent) this.components.logger.debug('sip.unsent', { addr: formatSocketAddress(flow.remote) });
      return;
    }
    const connection = this.connections.get(flow.key) ?? this.connect(flow);
    if (connection === undefined) {
      // Whoever sends is not told while he sends.
      setImmediate(() => this.components.flowClosed(flow));
      return;
    }
    this.used(connection);
    connection.send(bytes);
  }

  /** Idempotent. What waits is not handled any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.inbox.close();
    for (const connection of this.connections.values()) connection.close('we stop');
    await Promise.all([...this.listeners.values()].map((listener) => listener.stop()));
  }

  private listen(local: SocketAddress): void {
    const { guard } = this.components;
    const hooks = {
      datagram: guard.handler('SIP datagram', (bytes: Uint8Array, from: RemoteInfo) => {
        if (this.isOnLan(local.address) && this.lan?.has(from.address) !== true) return;
        const flow = udpFlow({ local, remote: { address: from.address, port: from.port } });
        if (!this.inbox.datagram(flow, bytes))
          this.components.logger.debug('sip.dropped', { addr: formatSocketAddress(flow.remote) });
      }),
      connection: (socket: Socket): void => {
        // Nobody would hear of its errors, or close it.
        if (!guard.run('SIP connection', () => this.accept(socket, local))) socket.destroy();
      },
      changed: guard.handler('SIP listener', (_: 'udp' | 'tcp', failure: unknown) => this.note(local, failure)),
    };
    const interfaceName = (): string => this.interfaceOf(local.address);
    this.listeners.set(local.address, new SipListener(hooks, { local, interfaceName }));
  }

  private isOnLan(address: string): boolean {
    return address === this.options.lan?.address;
  }

  /** @throws {IdlocError} for an address of the LAN that no interface has. */
  private interfaceOf(address: string): string {
    if (this.lan !== undefined && this.isOnLan(address)) return this.lan.findInterface();
    return LOOPBACK.addresses.includes(address) ? LOOPBACK.interfaceName : this.options.interfaceName;
  }

  /** A port that is taken is said once, until it is free. */
  private note(local: SocketAddress, failure: unknown): void {
    const { logger } = this.components;
    const isTaken = failure instanceof IdlocError && failure.code === 'EADDRINUSE';
    if (isTaken && !this.portTaken) {
      this.portTaken = true;
      const [who, setting] = this.isOnLan(local.address) ? ['the LAN', 'sip.lan.port'] : ['this host', 'sip.port'];
      const advice = `phones of ${who} cannot register: end that program, or choose another port with ${setting}`;
      logger.warn('SIP: another program has our port', { addr: formatSocketAddress(local), advice });
    } else if (failure === undefined && this.portTaken && this.listensEverywhere) {
      this.portTaken = false;
      logger.info('SIP: the port is ours now', { port: local.port });
    } else if (failure instanceof IdlocError && failure.code === 'ENODEV' && this.isOnLan(local.address)) {
      if (!this.lanMissing)
        logger.warn('SIP: no interface has the address where phones on the LAN are to be heard', {
          addr: local.address,
          advice: 'sip.lan.address is to be one of this host; it is taken as soon as it is there',
        });
      this.lanMissing = true;
    } else if (failure !== undefined && !isTaken) {
      // The address is not there yet, or IPv6 is switched off.
      logger.debug('sip.unbound', { addr: formatSocketAddress(local), err: messageOf(failure) });
    }
  }

  private get listensEverywhere(): boolean {
    return [...this.listeners.values()].every(({ listens }) => listens.udp && listens.tcp);
  }

  private accept(socket: Socket, local: SocketAddress): void {
    const { remoteAddress: address, remotePort: port } = socket;
    const isStranger = this.isOnLan(local.address) && this.lan?.has(address ?? '') !== true;
    if (address === undefined || port === undefined || isStranger || this.stopped || !this.makeRoom(address)) {
      socket.destroy();
      return;
    }
    const flow = tcpFlow({ local, remote: { address, port } });
    const former = this.connections.get(flow.key);
    if (former !== undefined) this.end(former, 'its successor is there');
    this.add(socket, flow, false);
  }

  private connect(flow: SipFlow): SipConnection | undefined {
    const { address } = flow.local;
    if (!this.listeners.has(address) || !this.makeRoom(flow.remote.address)) return undefined;
    try {
      // Any other socket would leave by the default route where the overlay has no way.
      const fd = bindSocket('tcp', { address, port: 0 }, this.interfaceOf(address));
      return this.add(new Socket({ fd, readable: true, writable: true }), flow, true);
    } catch (error) {
      this.components.logger.debug('sip.unbound', { addr: address, err: messageOf(error) });
      return undefined;
    }
  }

  private add(socket: Socket, flow: SipFlow, connect: boolean): SipConnection {
    const { logger, guard, flowClosed } = this.components;
    const isPhone = this.isOwn(flow.remote.address) || this.isOnLan(flow.local.address);
    const closed = (connection: SipConnection): void => {
      const wasInUse = this.connections.get(flow.key) === connection;
      if (wasInUse) this.connections.delete(flow.key);
      if (this.stopped || (wasInUse && this.sendAgain(connection))) return;
      flowClosed(flow);
    };
    const idleMs = isPhone ? IDLE_MS.phone : IDLE_MS.member;
    const used = (connection: SipConnection): void => this.used(connection);
    const { inbox } = this;
    const connection = new SipConnection({ socket, inbox, logger, guard, used, closed }, { flow, idleMs, connect });
    this.connections.set(flow.key, connection);
    return connection;
  }

  /**
   * What was said to a former life of a member's host goes by another connection: a repeated message is none (RFC 3261 s17).
   * @returns false: there is nothing, or no other connection.
   */
  private sendAgain({ flow, undelivered }: SipConnection): boolean {
    const next = undelivered.length === 0 ? undefined : this.connect(flow);
    for (const message of undelivered) next?.send(message);
    return next !== undefined;
  }

  private isOwn(address: string): boolean {
    return this.own.includes(address) || address.startsWith('127.') || address === '::1';
  }

  /** One of this source's own, or the longest unused of all, has to go. @returns false: it has as many as it may. */
  private makeRoom(address: string): boolean {
    let ofSource = 0;
    for (const { flow } of this.connections.values()) if (flow.remote.address === address) ofSource += 1;
    if (ofSource >= MAX_CONNECTIONS_OF_ONE && !this.isOwn(address)) return false;
    if (this.connections.size < MAX_CONNECTIONS) return true;
    const oldest = [...this.connections.values()].find(({ flow }) => !this.isOwn(flow.remote.address));
    if (oldest !== undefined) this.end(oldest, 'room is needed');
    return oldest !== undefined;
  }

  /** It is not used any more from now on, and not only when its socket is closed. */
  private end(connection: SipConnection, why: string): void {
    this.connections.delete(connection.flow.key);
    connection.close(why);
  }

  private used(connection: SipConnection): void {
    if (this.connections.get(connection.flow.key) !== connection) return;
    this.connections.delete(connection.flow.key);
    this.connections.set(connection.flow.key, connection);
  }
}
