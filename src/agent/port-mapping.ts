import { createSocket, type Socket } from 'node:dgram';
import { systemClock, type Timed } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { systemRandom } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { Input, Transmit } from '../portmap/attempt.ts';
import { ANNOUNCEMENT_GROUP, ANNOUNCEMENT_PORT, GATEWAY_PORT } from '../portmap/constants.ts';
import { PortMapper, type PortMapping as Mapping, type Uplink } from '../portmap/port-mapper.ts';
import { Driver } from './driver.ts';
import { requestOfGateway } from './gateway-http.ts';
import type { Guard } from './guard.ts';

/** How long the router is given to take the mapping away: it ends by itself too. */
const REMOVAL_MS = 2_000;
/** Sent before the sockets are bound; when they cannot be, no more is kept. */
const MAX_WAITING = 32;

/** Our port at the router: the sockets, HTTP and timer of a `PortMapper`. */
export class PortMapping {
  private readonly logger: Logger;
  private readonly guard: Guard;
  private readonly findUplink: () => Uplink | undefined;
  private readonly mapper: PortMapper;
  private readonly driver: Driver;
  private link: UplinkSockets | undefined;
  private readonly known: (() => void)[] = [];
  private closed = false;
  private handler: (mapping: Mapping, local: string | undefined) => void = () => undefined;

  /** @param options.uplink how the host's routes are now. */
  constructor(
    components: { readonly logger: Logger; readonly guard: Guard },
    options: {
      readonly port: number;
      readonly nonceFor: (uplink: Uplink) => Uint8Array;
      readonly uplink: () => Uplink | undefined;
    },
  ) {
    this.logger = components.logger;
    this.guard = components.guard;
    this.findUplink = options.uplink;
    this.mapper = new PortMapper({ random: systemRandom, logger: this.logger }, options);
    const { mapper } = this;
    const machine: Timed = {
      nextTimeout: () => mapper.nextTimeout(),
      handleTimeout: (now) => {
        mapper.handleTimeout(now);
        this.pump();
      },
    };
    this.driver = new Driver(machine, systemClock, this.guard);
    mapper.onChange((mapping) => {
      if (mapping.state !== 'asking') for (const tell of this.known.splice(0)) tell();
      this.handler(mapping, this.link?.uplink.local);
    });
  }

  get mapping(): Mapping {
    return this.mapper.mapping;
  }

  /** Told each change, and our own address that the router sends to. */
  onChange(handler: (mapping: Mapping, local: string | undefined) => void): void {
    this.handler = handler;
  }

  /** Resolves when it is known whether there is one, or after so many ms. */
  async settled(limitMs: number): Promise<void> {
    if (this.mapping.state !== 'asking') return;
    await this.within(limitMs);
  }

  /** The routes are to be looked at: at the start, and when the network may have changed. Nothing after `close`. */
  refresh(): void {
    if (this.closed) return;
    const uplink = this.findUplink();
    const { link } = this;
    if (link?.uplink.gateway !== uplink?.gateway || link?.uplink.local !== uplink?.local) {
      link?.close();
      this.link = uplink === undefined ? undefined : this.open(uplink);
    }
    this.feed((now) => this.mapper.setUplink(uplink, now));
  }

  /** Takes the mapping away. Idempotent. */
  async close(): Promise<void> {
    this.closed = true;
    this.handler = (): void => undefined;
    this.feed((now) => this.mapper.stop(now));
    if (!this.mapper.stopped) await this.within(REMOVAL_MS);
    this.driver.stop();
    this.link?.close();
    this.link = undefined;
  }

  private within(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.known.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private open(uplink: Uplink): UplinkSockets {
    const link: UplinkSockets = new UplinkSockets(uplink, {
      // What comes late is of the last network.
      input: (input) => {
        if (this.link === link) this.feed((now) => this.mapper.input(input, now));
      },
      announced: (data, from) => {
        if (this.link === link) this.feed((now) => this.mapper.announced(data, from, now));
      },
      failed: (what, error) => this.logger.debug('portmap.socket', { in: what, err: messageOf(error) }),
    });
    return link;
  }

  private feed(input: (now: number) => void): void {
    this.driver.feed('port mapping', (now) => {
      input(now);
      this.pump();
    });
  }

  private pump(): void {
    const { mapper } = this;
    for (let out = mapper.pollTransmit(); out !== undefined; out = mapper.pollTransmit()) this.link?.send(out);
    if (mapper.stopped) for (const tell of this.known.splice(0)) tell();
  }
}

interface UplinkPorts {
  input(input: Input): void;
  announced(data: Uint8Array, from: SocketAddress): void;
  failed(what: string, error: unknown): void;
}

/** The sockets towards one router. What fails here the mapper notices as silence. */
class UplinkSockets {
  readonly uplink: Uplink;
  private readonly ports: UplinkPorts;
  /** Connected: the kernel lets in what comes from the gateway's port, and tells when nobody listens there. */
  private readonly gateway: Socket;
  private readonly search: Socket;
  private readonly announcements: Socket;
  private readonly closing = new AbortController();
  /** Until the sockets are bound. */
  private waiting: Transmit[] | undefined = [];

  constructor(uplink: Uplink, ports: UplinkPorts) {
    this.uplink = uplink;
    this.ports = ports;
    const { gateway, local } = uplink;
    this.gateway = this.socket('gateway', (data) => ports.input({ type: 'gateway', data }));
    this.search = this.socket('search', (data, from) => ports.input({ type: 'searched', from, data }));
    this.announcements = this.socket('announcements', (data, from) => {
      if (from.port === GATEWAY_PORT) ports.announced(data, from);
    });
    this.gateway.once('connect', () => this.ready());
    this.bind('search', this.search, { address: local }, () => {
      this.search.setMulticastInterface(local);
      this.bind('gateway', this.gateway, { address: local }, () => this.gateway.connect(GATEWAY_PORT, gateway));
    });
    this.bind('announcements', this.announcements, { address: ANNOUNCEMENT_GROUP, port: ANNOUNCEMENT_PORT }, () =>
      this.announcements.addMembership(ANNOUNCEMENT_GROUP, local),
    );
  }

  send(out: Transmit): void {
    if (this.waiting !== undefined) {
      if (this.waiting.length < MAX_WAITING) this.waiting.push(out);
    } else if (out.type === 'gateway') this.gateway.send(out.data, this.sent('gateway'));
    else if (out.type === 'search') this.search.send(out.data, out.to.port, out.to.address, this.sent('search'));
    else void this.request(out);
  }

  close(): void {
    this.closing.abort();
    this.waiting = [];
    for (const socket of [this.gateway, this.search, this.announcements]) socket.close();
  }

  private ready(): void {
    const waiting = this.waiting ?? [];
    this.waiting = undefined;
    for (const out of waiting) this.send(out);
  }

  private async request({ id, request }: Transmit & { type: 'http' }): Promise<void> {
    try {
      const answer = await requestOfGateway(request, this.uplink.local, this.closing.signal);
      this.ports.input({ type: 'answered', id, ...answer });
    } catch (error) {
      this.ports.failed('http', error);
      this.ports.input({ type: 'failed', id, why: 'no answer to HTTP' });
    }
  }

  /** The address, or the interface, may have gone meanwhile: what `then` throws is of no account. */
  private bind(what: string, socket: Socket, at: { address: string; port?: number }, then: () => void): void {
    socket.bind(at, () => {
      if (this.closing.signal.aborted) return;
      try {
        then();
      } catch (error) {
        this.ports.failed(what, error);
      }
    });
  }

  private sent(what: string): (error: Error | null) => void {
    return (error) => {
      if (error !== null) this.failed(what, error);
    };
  }

  private socket(what: string, receive: (data: Uint8Array, from: SocketAddress) => void): Socket {
    const socket = createSocket({ type: 'udp4', reuseAddr: what === 'announcements' });
    socket.on('error', (error) => this.failed(what, error));
    socket.on('message', (data, { address, port }) => receive(data, { address, port }));
    return socket;
  }

  private failed(what: string, error: Error): void {
    if (this.closing.signal.aborted) return;
    if (what === 'gateway' && 'code' in error && error.code === 'ECONNREFUSED') this.ports.input({ type: 'refused' });
    else this.ports.failed(what, error);
  }
}
