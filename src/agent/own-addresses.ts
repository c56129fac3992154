import { parseIpAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { toStreamAddress } from '../base/stream-address.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import { isGloballyReachable, isGlobalUnicast } from '../mobility/reachability.ts';
import type { Standing } from '../mobility/standing.ts';
import { type KnownAddresses, ticketAddresses, type TicketStart } from './ticket-addresses.ts';

/** Where others can come to us, as far as is known now: what our record in the overlay says, and tickets too. */
export class OwnAddresses {
  /** Of our interfaces that others may reach; no bridges. */
  hosts: readonly string[] = [];
  /** What the configuration says, names looked up. */
  advertised: readonly SocketAddress[] = [];
  /** What the router sends on to us. */
  mapped: SocketAddress | undefined;
  private readonly seen: Pick<LocalAddresses, 'whereSeen' | 'standing'>;
  private readonly port: () => number;

  private readonly streams: readonly SocketAddress[];

  /** @param options.streams where streams are accepted: TCP addresses, some of them for all addresses of a family. */
  constructor(
    components: { seen: Pick<LocalAddresses, 'whereSeen' | 'standing'>; port: () => number },
    options: { readonly streams: readonly SocketAddress[] },
  ) {
    this.seen = components.seen;
    this.port = components.port;
    this.streams = options.streams;
  }

  /** Best first. */
  get all(): SocketAddress[] {
    return [...ticketAddresses(this.known, 'open', []).addresses];
  }

  /**
   * The address of our own to which others come unasked: where this host may be a TURN server, since relayed addresses are there too.
   * An IPv4 one if there is any: who has IPv6 alone asks for a link (TurnMembers). Undefined: there is none, as far as is known.
   */
  open(now: number): SocketAddress | undefined {
    if (this.seen.standing(now).type !== 'open') return undefined;
    const usable = this.hosts.filter((host) => isGloballyReachable(host) && isGlobalUnicast(host));
    const address = usable.find((host) => !host.includes(':')) ?? usable[0];
    return address === undefined ? undefined : { address, port: this.port() };
  }

  /** For a ticket. @param peers other peers, best first. */
  forNewcomers(standing: Standing['type'], peers: readonly SocketAddress[]): TicketStart {
    return ticketAddresses(this.known, standing, peers);
  }

  private get known(): KnownAddresses {
    const port = this.port();
    return {
      advertised: this.advertised,
      reflexive: this.seen.whereSeen(),
      mapped: this.mapped === undefined ? [] : [this.mapped],
      own: this.hosts.map((address) => ({ address, port })),
      streams: this.streamsFrom([...this.advertised.map(({ address }) => address), ...this.hosts]),
    };
  }

  /** What stands for our streams, at each of `hosts` where a socket listens on all addresses. */
  private streamsFrom(hosts: readonly string[]): SocketAddress[] {
    return this.streams.flatMap(({ address, port }) => {
      if (!parseIpAddress(address).isUnspecified()) return toStreamAddress({ address, port });
      const same = hosts.filter((host) => host.includes(':') === address.includes(':'));
      return same.map((host) => toStreamAddress({ address: host, port }));
    });
  }
}
