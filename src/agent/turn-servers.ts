import type { Logger } from '../base/logger.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { TurnSettings } from '../config/turn-settings.ts';
import type { LocalAddresses } from '../mobility/local-addresses.ts';
import type { TurnServer } from '../turn/turn-client.ts';
import { lookUpEndpoints } from './endpoint-lookup.ts';

type Reach = Pick<LocalAddresses, 'mayReach' | 'reach'>;

/** Where the TURN servers of the configuration are. */
export class TurnServers {
  private readonly settings: TurnSettings | undefined;
  private readonly logger: Logger;
  /** By name: a server in use is not left for a name that leads nowhere at the moment. */
  private readonly known = new Map<string, SocketAddress>();

  constructor(settings: TurnSettings | undefined, logger: Logger) {
    this.settings = settings;
    this.logger = logger;
  }

  /** One address of each, that we can reach: an IPv4 one if it has any, as NATs are there. Never rejects. */
  async lookUp(own: Reach): Promise<TurnServer[]> {
    if (this.settings === undefined) return [];
    const { servers, authorities, user: username, password } = this.settings;
    const found: TurnServer[] = [];
    for (const server of servers) {
      const name = formatSocketAddress({ address: server.host, port: server.port });
      const addresses = await lookUpEndpoints([server], this.logger);
      const address = bestOf(addresses, own) ?? this.known.get(name);
      if (address === undefined) continue;
      this.known.set(name, address);
      const tls = server.over === 'tls' ? { name: server.host, authorities } : null;
      found.push({ address, username, password, ...(server.over !== 'udp' && { stream: { tls } }) });
    }
    return found;
  }
}

/** Of one server. */
export function bestOf(addresses: readonly SocketAddress[], own: Reach): SocketAddress | undefined {
  const reachable = addresses.filter((address) => own.mayReach(own.reach(address).address));
  const usable = reachable.length > 0 ? reachable : addresses;
  return usable.find(({ address }) => !address.includes(':')) ?? usable[0];
}
