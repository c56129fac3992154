import { EventEmitter } from 'node:events';
import { isIPv4 } from 'node:net';
import type { DhtSocket } from 'bittorrent-dht';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { DataPlane } from '../native/data-plane.ts';

/** The last keys of a query, in bencode's order: `1:t2:XX 1:y1:q e`. */
const QUERY_END = Buffer.from('1:y1:qe', 'latin1');
const TRANSACTION_AND_END_BYTES = '1:t2:XX'.length + QUERY_END.length;
/** BEP 43: whoever asks so is not taken for a node that answers. */
const READ_ONLY = Buffer.from('2:roi1e', 'latin1');

/**
 * The data plane's port as bittorrent-dht wants a socket: whoever sees its queries sees the port that our links use, and the NAT
 * maps it for both. We only ask (BEP 43): queries of others do not get in, so that nobody makes this host work or keep anything.
 */
export class MainlineSocket extends EventEmitter implements DhtSocket {
  private readonly dataPlane: Pick<DataPlane, 'port' | 'sendDatagram'>;
  private readonly logger: Logger;
  private closed = false;

  constructor(components: { dataPlane: Pick<DataPlane, 'port' | 'sendDatagram'>; logger: Logger }) {
    super();
    this.dataPlane = components.dataPlane;
    this.logger = components.logger;
  }

  bind(_port?: number, _address?: string, done?: () => void): void {
    setImmediate(() => {
      if (this.closed) return;
      this.emit('listening');
      done?.();
    });
  }

  address(): { address: string; port: number; family: string } {
    return { address: '0.0.0.0', port: this.dataPlane.port, family: 'IPv4' };
  }

  send(
    data: Uint8Array,
    offset: number,
    length: number,
    port: number,
    host: string,
    done?: (error: Error | null) => void,
  ): void {
    const bytes = Buffer.from(data.buffer, data.byteOffset + offset, length);
    // Nodes of the DHT tell each other's addresses: what they tell may be anything.
    if (!this.closed && isIPv4(host) && port > 0 && port <= 65_535)
      this.dataPlane.sendDatagram(null, { address: host, port }, asReader(bytes));
    if (done !== undefined) setImmediate(done, null);
  }

  /** What came up as `foreign` from the data plane. */
  receive(data: Uint8Array, remote: SocketAddress): void {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (this.closed || !isIPv4(remote.address) || bytes.includes(QUERY_END)) return;
    try {
      this.emit('message', bytes, { ...remote, family: 'IPv4', size: bytes.length });
    } catch (error) {
      // The library trusts the types of what it decodes here and there.
      this.logger.debug('mainline.malformed', { addr: remote.address, err: messageOf(error) });
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    setImmediate(() => this.emit('close'));
  }
}

function asReader(query: Buffer): Buffer {
  if (!query.subarray(-QUERY_END.length).equals(QUERY_END)) return query;
  const at = query.length - TRANSACTION_AND_END_BYTES;
  return Buffer.concat([query.subarray(0, at), READ_ONLY, query.subarray(at)]);
}
