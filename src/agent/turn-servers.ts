import type { Logger } from '../base/logger.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { TurnSettings } from '../config/turn-settings.ts';
import type { TurnServer } from '../turn/turn-client.ts';
import { lookUpEndpoints } from './endpoint-lookup.ts';

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

  /** One address of each: an IPv4 one if it has any, as NATs are there. Never rejects. */
  async lookUp(): Promise<TurnServer[]> {
    if (this.settings === undefined) return [];
    const { servers, authorities, user: username, password } = this.settings;
    const found: TurnServer[] = [];
    for (const server of servers) {
      const name = formatSocketAddress({ address: server.host, port: server.port });
      const addresses = await lookUpEndpoints([server], this.logger);
      const address = addresses.find((other) => !other.address.includes(':')) ?? addresses[0] ?? this.known.get(name);
      if (address === undefined) continue;
      this.known.set(name, address);
      const tls = server.over === 'tls' ? { name: server.host, authorities } : null;
      found.push({ address, username, password, ...(server.over !== 'udp' && { stream: { tls } }) });
    }
    return found;
  }
}
