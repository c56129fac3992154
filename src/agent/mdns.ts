import makeMulticastDns, { type MulticastDNS, type QueryPacket, type ResponsePacket } from 'multicast-dns';
import type { Answer } from 'dns-packet';
import { isIPv4 } from 'node:net';
import { toHex } from '../base/bytes.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { MeetingPlace } from '../rendezvous/meeting-place.ts';
import type { Guard } from './guard.ts';
import { LoggedPlace } from './logged-place.ts';

/** RFC 6763 s7. */
const SERVICE = '_idloc._udp.local';
/** Of the key, in hex: a label holds 63 characters, and this many cannot be guessed. */
const TAG_BYTES = 12;
/** RFC 6762 s10: records that name a host live two minutes. */
const TTL_S = 120;
/** RFC 6762 s6: "a Multicast DNS responder MUST NOT multicast a record [...] until at least one second has elapsed". */
const ANSWER_PAUSE_MS = 1_000;
/** Keys that are answered for: of the overlay and open tickets, today's and tomorrow's. */
const MAX_KEYS = 256;
/** Told of one answer. */
const MAX_FOUND = 8;
const MDNS_PORT = 5353;

/**
 * The LAN (RFC 6762, RFC 6763): asks for a subtype of our service that only holders of the secret can name, and answers those
 * who do. Nothing is announced unasked, so that strangers learn nothing. One socket for each of our IPv4 networks: without a
 * route, as on a LAN without a router, the kernel has to be told where multicast leaves.
 */
export class MulticastPlace extends LoggedPlace implements MeetingPlace {
  readonly name = 'mdns';
  readonly leastPauseMs = 2_000;
  private readonly guard: Guard;
  private readonly port: number;
  private readonly mdnsPort: number;
  /** Not our host name, which is nobody's business. */
  private readonly instance: string;
  private readonly sockets = new Map<string, MulticastDNS>();
  private addresses: readonly string[] = [];
  /** By tag: when it was answered last. */
  private readonly tags = new Map<string, number>();

  /** @param options.port of the data plane. @param options.mdnsPort another than 5353 for tests. */
  constructor(
    components: { logger: Logger; random: Random; guard: Guard },
    options: { readonly port: number; readonly mdnsPort?: number },
  ) {
    super(components.logger);
    this.guard = components.guard;
    this.port = options.port;
    this.mdnsPort = options.mdnsPort ?? MDNS_PORT;
    this.instance = toHex(components.random.bytes(8));
  }

  /** Our addresses now: what is answered, and where is asked. */
  setAddresses(addresses: readonly string[]): void {
    this.addresses = addresses;
    for (const [address, socket] of this.sockets)
      if (!addresses.includes(address)) {
        this.sockets.delete(address);
        socket.destroy();
      }
    for (const address of addresses) if (isIPv4(address) && !this.sockets.has(address)) this.open(address);
  }

  visit(key: Uint8Array): void {
    const tag = toHex(key.subarray(0, TAG_BYTES));
    if (!this.tags.has(tag)) this.tags.set(tag, -Infinity);
    for (const [oldest] of this.tags) {
      if (this.tags.size <= MAX_KEYS) break;
      this.tags.delete(oldest);
    }
    // RFC 6762 s7.1: what the asker knows already need not be answered; our own question comes back to us.
    for (const socket of this.sockets.values())
      socket.query({ questions: [{ name: subtype(tag), type: 'PTR' }], answers: [this.pointer(tag)] });
  }

  close(): void {
    for (const socket of this.sockets.values()) socket.destroy();
    this.sockets.clear();
  }

  private open(address: string): void {
    // Bound to any address: what is sent to the group does not come to a socket that is bound to one of ours.
    const socket = makeMulticastDns({ interface: address, bind: '0.0.0.0', port: this.mdnsPort, reuseAddr: true });
    this.sockets.set(address, socket);
    this.logTrouble(socket, { addr: address });
    const { guard } = this;
    socket.on(
      'query',
      guard.handler('mDNS question', (packet: QueryPacket) => this.answer(socket, packet)),
    );
    socket.on(
      'response',
      guard.handler('mDNS answer', (packet: ResponsePacket) => this.receive(packet)),
    );
  }

  private answer(socket: MulticastDNS, { questions = [], answers = [] }: QueryPacket): void {
    if (answers.some((known) => known.type === 'PTR' && known.data === this.fullInstance)) return;
    for (const { name, type } of questions) {
      const tag = /^_([0-9a-f]{24})\._sub\._idloc\._udp\.local$/.exec(name.toLowerCase())?.[1];
      const answeredAt = tag === undefined ? undefined : this.tags.get(tag);
      if (tag === undefined || answeredAt === undefined || type !== 'PTR') continue;
      const now = performance.now();
      if (now - answeredAt < ANSWER_PAUSE_MS) continue;
      this.tags.set(tag, now);
      const host = `${this.instance}.local`;
      // On every network: the sockets all hear the question.
      for (const each of new Set([socket, ...this.sockets.values()]))
        each.respond({
          answers: [this.pointer(tag)],
          additionals: [
            { name: this.fullInstance, type: 'SRV', ttl: TTL_S, data: { target: host, port: this.port } },
            ...this.addresses.map((address): Answer => ({
              name: host,
              type: isIPv4(address) ? 'A' : 'AAAA',
              ttl: TTL_S,
              data: address,
            })),
          ],
        });
    }
  }

  private receive({ answers = [], additionals = [] }: ResponsePacket): void {
    const records = [...answers, ...additionals];
    const found = new Set<string>();
    for (const record of records) {
      if (record.type !== 'PTR' || !this.isOurs(record.name) || record.data === this.fullInstance) continue;
      for (const service of records) {
        if (service.type !== 'SRV' || service.name !== record.data) continue;
        const { target, port } = service.data;
        for (const host of records) {
          if (host.type === 'A' && host.name === target) found.add(`${host.data}:${port}`);
          if (host.type === 'AAAA' && host.name === target) found.add(`[${host.data}]:${port}`);
        }
      }
    }
    for (const text of [...found].slice(0, MAX_FOUND)) this.found(text);
  }

  private get fullInstance(): string {
    return `${this.instance}.${SERVICE}`;
  }

  private pointer(tag: string): Answer {
    return { name: subtype(tag), type: 'PTR', ttl: TTL_S, data: this.fullInstance };
  }

  private isOurs(name: string): boolean {
    return [...this.tags.keys()].some((tag) => subtype(tag) === name.toLowerCase());
  }
}

function subtype(tag: string): string {
  return `_${tag}._sub.${SERVICE}`;
}
