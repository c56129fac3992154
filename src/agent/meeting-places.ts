import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { RendezvousMode } from '../config/overlay-configuration.ts';
import { UpstreamList } from '../dns/resolv-conf.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { MeetingPlace } from '../rendezvous/meeting-place.ts';
import { DnsPlace, isDelegable } from './dns-service.ts';
import type { Guard } from './guard.ts';
import { Mainline, MAINLINE_PAUSE_MS } from './mainline.ts';
import { MulticastPlace } from './mdns.ts';

export interface MeetingPlacesComponents {
  readonly dataPlane: DataPlane;
  readonly config: AgentConfig;
  readonly logger: Logger;
  readonly random: Random;
  readonly guard: Guard;
  /** Our own DNS stub: the overlay is not asked for where the overlay is. */
  readonly dnsStub: SocketAddress | undefined;
}

/** The meeting places of one overlay, and their sockets. */
export class MeetingPlaces {
  /** Also the one that may be switched on later. */
  readonly all: readonly MeetingPlace[];
  private readonly multicast: MulticastPlace | undefined;
  private readonly switched: SwitchedPlace;
  private readonly makeMainline: () => Mainline;
  private mainline: Mainline | undefined;
  private mappedPort: number | undefined;
  private readonly dns: DnsPlace | undefined;
  private within: (input: () => void) => void = (input) => input();

  constructor(
    components: MeetingPlacesComponents,
    options: { readonly mode: RendezvousMode; readonly domain: string },
  ) {
    const { dataPlane, config, logger, random, guard, dnsStub } = components;
    const { mode, domain } = options;
    if (config.mdns) this.multicast = new MulticastPlace({ logger, random, guard }, { port: dataPlane.port });
    const bootstrap = config.mainlineBootstrap.map(formatEndpoint);
    this.makeMainline = (): Mainline => new Mainline({ dataPlane, logger }, { bootstrap });
    this.switched = new SwitchedPlace('mainline', MAINLINE_PAUSE_MS);
    this.setMode(mode);
    if (isDelegable(domain)) {
      // As they are now: Node keeps those of the start. And not by systemd-resolved, which asks our stub for names of the overlay.
      const upstreams = new UpstreamList({ clock: systemClock }, { exclude: dnsStub === undefined ? [] : [dnsStub] });
      const servers = (): string[] => upstreams.current().map(formatSocketAddress);
      this.dns = new DnsPlace({ logger, servers }, { domain });
    }
    this.all = [this.multicast, this.switched, this.dns]
      .filter((place) => place !== undefined)
      .map((place) => ({
        name: place.name,
        leastPauseMs: place.leastPauseMs,
        visit: (key) => place.visit(key),
        onFound: (handler) => place.onFound((address) => this.within(() => handler(address))),
      }));
  }

  /** Where somebody can be met now. */
  get open(): readonly MeetingPlace[] {
    return this.all.filter(({ name }) => name !== this.switched.name || this.mainline !== undefined);
  }

  /** Whether members meet in Mainline, from now on. */
  setMode(mode: RendezvousMode): void {
    if ((this.mainline !== undefined) === (mode === 'mainline')) return;
    void this.mainline?.close();
    this.mainline = mode === 'mainline' ? this.makeMainline() : undefined;
    this.mainline?.setMappedPort(this.mappedPort);
    this.switched.set(this.mainline);
  }

  /** Nodes of Mainline that are known; null: it is not used. */
  get mainlineNodes(): number | null {
    return this.mainline?.nodes ?? null;
  }

  /** What is found comes from sockets and timers of its own: it is handed over by `within`. */
  onEvents(within: (input: () => void) => void): void {
    this.within = within;
  }

  setAddresses(addresses: readonly string[]): void {
    this.multicast?.setAddresses(addresses);
  }

  setMappedPort(port: number | undefined): void {
    this.mappedPort = port;
    this.mainline?.setMappedPort(port);
  }

  receive(data: Uint8Array, remote: SocketAddress): void {
    this.mainline?.receive(data, remote);
  }

  /** Idempotent. */
  close(): void {
    this.within = (): void => undefined;
    this.multicast?.close();
    this.dns?.close();
    void this.mainline?.close();
  }
}

/** One that is there or not, as the overlay agrees on; nothing comes of a visit while it is not. */
class SwitchedPlace implements MeetingPlace {
  readonly name: string;
  readonly leastPauseMs: number;
  private place: MeetingPlace | undefined;
  private handler: (address: SocketAddress) => void = () => undefined;

  constructor(name: string, leastPauseMs: number) {
    this.name = name;
    this.leastPauseMs = leastPauseMs;
  }

  set(place: MeetingPlace | undefined): void {
    this.place = place;
    place?.onFound((address) => {
      // What one that was switched off still hears is nothing to us.
      if (this.place === place) this.handler(address);
    });
  }

  onFound(handler: (address: SocketAddress) => void): void {
    this.handler = handler;
  }

  visit(key: Uint8Array): void {
    this.place?.visit(key);
  }
}

function formatEndpoint({ host, port }: AgentConfig['mainlineBootstrap'][number]): string {
  return `${host}:${port}`;
}
