import { NODATA, NOTFOUND, Resolver } from 'node:dns/promises';
import { canonicalAddress } from '../base/ip-address.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { MeetingPlace } from '../rendezvous/meeting-place.ts';

/** RFC 2782; ours, since RFC 6940's `_reload-config._tcp` leads to an HTTPS server with the configuration, which we have already. */
const SERVICE = '_idloc._udp';
const QUERY_TIMEOUT_MS = 2_000;
const MAX_TARGETS = 4;
const MAX_ADDRESSES = 8;
/** RFC 6761, RFC 6762, RFC 8375 and ICANN's `internal`: no server of the DNS knows them. */
const NEVER_DELEGATED: ReadonlySet<string> = new Set([
  ...['local', 'localhost', 'internal', 'test', 'example', 'invalid', 'onion', 'alt', 'arpa'],
]);

/** Whether an overlay's name can be one of the DNS. */
export function isDelegable(domain: string): boolean {
  const labels = domain.split('.');
  return labels.length > 1 && !NEVER_DELEGATED.has(labels.at(-1) ?? '');
}

/** SRV records under the overlay's own domain, where somebody keeps them: nothing is left there, and the key does not matter. */
export class DnsPlace implements MeetingPlace {
  readonly name = 'dns';
  readonly leastPauseMs = 60_000;
  private readonly domain: string;
  private readonly logger: Logger;
  private readonly servers: () => readonly string[];
  private resolver: Resolver | undefined;
  /** Somebody came while a lookup was under way: its server may be that of a network that is gone. */
  private wanted = false;
  private handler: (address: SocketAddress) => void = () => undefined;

  /** @param components.servers of the host: our own stub must not be among them, it would ask the overlay. */
  constructor(components: { logger: Logger; servers: () => readonly string[] }, options: { readonly domain: string }) {
    this.logger = components.logger;
    this.servers = components.servers;
    this.domain = options.domain;
  }

  onFound(handler: (address: SocketAddress) => void): void {
    this.handler = handler;
  }

  visit(): void {
    this.wanted = this.resolver !== undefined;
    if (this.wanted) return;
    const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: 1 });
    this.resolver = resolver;
    void this.lookUp(resolver).then((addresses) => {
      this.resolver = undefined;
      if (addresses === undefined && this.wanted) this.visit();
      for (const address of addresses?.slice(0, MAX_ADDRESSES) ?? []) this.handler(address);
    });
  }

  close(): void {
    this.wanted = false;
    this.resolver?.cancel();
  }

  /** @returns undefined: no server answered. */
  private async lookUp(resolver: Resolver): Promise<SocketAddress[] | undefined> {
    try {
      resolver.setServers(this.servers());
      const targets = await resolver.resolveSrv(`${SERVICE}.${this.domain}`);
      // RFC 2782: the lowest priority first; a single "." says that there is none.
      targets.sort((a, b) => a.priority - b.priority || b.weight - a.weight);
      const found = await Promise.all(
        targets
          .filter(({ name }) => name !== '' && name !== '.')
          .slice(0, MAX_TARGETS)
          .map(({ name, port }) => addressesOf(resolver, name, port)),
      );
      return found.flat();
    } catch (error) {
      this.logger.debug('dns.service', { domain: this.domain, err: messageOf(error) });
      return isAnswer(error) ? [] : undefined;
    }
  }
}

/** There is no such name, or no such record of it. */
function isAnswer(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === NOTFOUND || error.code === NODATA);
}

async function addressesOf(resolver: Resolver, name: string, port: number): Promise<SocketAddress[]> {
  const none = (): string[] => [];
  const [v6, v4] = await Promise.all([resolver.resolve6(name).catch(none), resolver.resolve4(name).catch(none)]);
  return [...v6, ...v4].map((address) => ({ address: canonicalAddress(address), port }));
}
