import { createSocket } from 'node:dgram';
import { canonicalAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';

/** Servers of a provider, and whoever calls an open gateway. */
const MAX_KNOWN = 256;

/** Which address of this host leads to somebody: the kernel's routes say so, and nothing is sent for it. */
export class LocalEnds {
  private readonly port: number;
  private readonly told: string | undefined;
  /** By the other end's address, the oldest first; undefined: there is no route. */
  private readonly known = new Map<string, string | undefined>();

  /** @param options.address what others are told instead: of a 1:1 NAT */
  constructor(options: { readonly port: number; readonly address: string | undefined }) {
    this.port = options.port;
    this.told = options.address;
  }

  /** As `find` found it last. */
  to({ address }: SocketAddress): SocketAddress | undefined {
    return this.end(this.known.get(address));
  }

  /** As `to`, and never what others are told instead. */
  routeTo({ address }: SocketAddress): string | undefined {
    return this.known.get(address);
  }

  /** Never rejects. */
  async find(remote: SocketAddress): Promise<SocketAddress | undefined> {
    if (!this.known.has(remote.address)) this.keep(remote.address, await routeTo(remote));
    return this.to(remote);
  }

  /** The network is another one. */
  forget(): void {
    this.known.clear();
  }

  private keep(remote: string, local: string | undefined): void {
    this.known.set(remote, local);
    const [oldest] = this.known.keys();
    if (this.known.size > MAX_KNOWN && oldest !== undefined) this.known.delete(oldest);
  }

  private end(local: string | undefined): SocketAddress | undefined {
    if (local === undefined) return undefined;
    const { told } = this;
    const isOfFamily = told !== undefined && told.includes(':') === local.includes(':');
    return { address: isOfFamily ? told : local, port: this.port };
  }
}

function routeTo({ address, port }: SocketAddress): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    const finish = (local: string | undefined): void => {
      socket.close();
      resolve(local);
    };
    socket.on('error', () => finish(undefined));
    // Where there is no route the callback is told, and nobody else.
    socket.connect(port === 0 ? 9 : port, address, (error?: Error) =>
      finish(error === undefined ? canonicalAddress(socket.address().address) : undefined),
    );
  });
}
