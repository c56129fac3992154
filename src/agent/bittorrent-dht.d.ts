// What is used of bittorrent-dht 11, which brings no types.
declare module 'bittorrent-dht' {
  import type { EventEmitter } from 'node:events';

  export interface DhtSocket extends EventEmitter {
    bind(port?: number, address?: string, done?: () => void): void;
    address(): { address: string; port: number; family: string };
    send(
      data: Uint8Array,
      offset: number,
      length: number,
      port: number,
      host: string,
      done?: (error: Error | null) => void,
    ): void;
    close(): void;
  }

  export interface DhtOptions {
    /** `host:port` each. */
    readonly bootstrap?: readonly string[] | false;
    /** ms until a query counts as lost. */
    readonly timeout?: number;
    readonly socket?: DhtSocket;
    readonly maxTables?: number;
    readonly maxValues?: number;
    readonly maxPeers?: number;
    readonly maxAge?: number;
    /** Our own address, to be announced to ourselves. */
    readonly host?: string;
  }

  export class Client extends EventEmitter {
    constructor(options?: DhtOptions);
    listen(port?: number, address?: string, done?: () => void): void;
    address(): { address: string; port: number; family: string };
    /** `peer` follows for each address found. @returns a function that ends it. */
    lookup(infoHash: Uint8Array, done?: (error: Error | null, nodes?: number) => void): () => void;
    /** Port 0: the one that the nodes see the announcement come from. Looks up first. */
    announce(infoHash: Uint8Array, port: number, done?: (error: Error | null) => void): void;
    toJSON(): { nodes: { host: string; port: number }[] };
    destroy(done?: () => void): void;
  }
}
