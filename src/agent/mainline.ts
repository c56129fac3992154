import { Client } from 'bittorrent-dht';
import { toHex } from '../base/bytes.ts';
import type { Logger } from '../base/logger.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { MeetingPlace } from '../rendezvous/meeting-place.ts';
import { LoggedPlace } from './logged-place.ts';
import { MainlineSocket } from './mainline-socket.ts';

/** Between two visits under one key. */
export const MAINLINE_PAUSE_MS = 4_000;
const QUERY_TIMEOUT_MS = 1_000;
/** A lookup's nodes and their tokens are good for five minutes (bittorrent-dht), so that the next announcement needs none. */
const TOKENS_MS = 4 * 60_000;
/** Keys under way; more are not begun. */
const MAX_VISITS = 16;
/** The library's tables, each of some kilobytes. */
const MAX_TABLES = 64;

/** BitTorrent's Mainline DHT (BEP 5): announces the port of the data plane as its nodes see it, and finds those of others. */
export class Mainline extends LoggedPlace implements MeetingPlace {
  readonly name = 'mainline';
  readonly leastPauseMs = MAINLINE_PAUSE_MS;
  private readonly dht: Client;
  private readonly socket: MainlineSocket;
  /** Keys whose nodes are known, and since when. */
  private readonly announcedAt = new Map<string, number>();
  private readonly visiting = new Set<string>();
  /** At which the NAT lets others in without our help; 0: none. */
  private mappedPort = 0;

  /** @param options.bootstrap `host:port` of nodes to start from. */
  constructor(
    components: { dataPlane: Pick<DataPlane, 'port' | 'sendDatagram'>; logger: Logger },
    options: { readonly bootstrap: readonly string[] },
  ) {
    super(components.logger);
    this.socket = new MainlineSocket(components);
    this.dht = new Client({
      socket: this.socket,
      bootstrap: options.bootstrap,
      timeout: QUERY_TIMEOUT_MS,
      maxTables: MAX_TABLES,
      maxValues: 1,
      maxPeers: 1,
    });
    this.logTrouble(this.dht);
    this.dht.on('peer', ({ host, port }: { host: string; port: number }, infoHash: Uint8Array) => {
      this.found(`${host}:${port}`, { key: toHex(infoHash) });
    });
    this.dht.listen(components.dataPlane.port);
  }

  /** How many nodes of the DHT are known: none tells that it is not reached. */
  get nodes(): number {
    return this.dht.toJSON().nodes.length;
  }

  /** The port that a router sends on to us: announced instead of the one that the nodes see. Undefined: none. */
  setMappedPort(port: number | undefined): void {
    this.mappedPort = port ?? 0;
  }

  /** A datagram that starts with 'd' came up from the data plane. */
  receive(data: Uint8Array, remote: SocketAddress): void {
    this.socket.receive(data, remote);
  }

  visit(key: Uint8Array): void {
    const name = toHex(key);
    if (this.visiting.has(name) || this.visiting.size >= MAX_VISITS) return;
    this.visiting.add(name);
    const now = performance.now();
    for (const [old, at] of this.announcedAt) if (now - at > TOKENS_MS) this.announcedAt.delete(old);
    const begun = this.announcedAt.has(name) ? 2 : 1;
    let ended = 0;
    const end = (error: Error | null): void => {
      if (error === null) this.announcedAt.set(name, this.announcedAt.get(name) ?? performance.now());
      else this.logger.debug('mainline.visit failed', { key: name, err: error.message });
      ended += 1;
      if (ended === begun) this.visiting.delete(name);
    };
    // Without known nodes announce looks up first; with them it goes at once, and somebody new is looked for beside it.
    if (begun === 2) this.dht.lookup(key, end);
    this.dht.announce(key, this.mappedPort, end);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.dht.destroy(resolve));
  }
}
