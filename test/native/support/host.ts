import { createDataPlane } from '../../../src/native/native.ts';
import { counterValue } from '../../../src/native/counters.ts';
import type { CounterName } from '../../../src/native/counters.ts';
import type { DataPlane, DataPlaneEvent, DataPlaneOptions, LinkId } from '../../../src/native/data-plane.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { makeCredentials } from './credentials.ts';
import type { Credentials } from './credentials.ts';

type EventOf<T extends DataPlaneEvent['type']> = Extract<DataPlaneEvent, { type: T }>;

/** A data plane whose events tests can wait for. */
export class Host {
  readonly plane: DataPlane;
  readonly events: DataPlaneEvent[] = [];
  private readonly waiting = new Set<() => void>();

  constructor(plane: DataPlane) {
    this.plane = plane;
    plane.onWake(() => {
      for (;;) {
        const events = plane.drain();
        if (events.length === 0) break;
        // Every link has them; they are the business of path MTU discovery, and tested with it.
        this.events.push(...events.filter(({ type }) => type !== 'newPath'));
      }
      for (const look of [...this.waiting]) look();
    });
  }

  static async start(options: Partial<DataPlaneOptions> = {}, credentials?: Credentials): Promise<Host> {
    const made = credentials ?? (await makeCredentials('host'));
    const host = new Host(createDataPlane({ port: 0, tun: null, ...options }));
    host.plane.setCredentials([made.certificate], made.privateKey);
    return host;
  }

  at(address = '127.0.0.1'): SocketAddress {
    return { address, port: this.plane.port };
  }

  /** Takes out the first event of this type that `accept` likes, now or later. */
  next<T extends DataPlaneEvent['type']>(
    type: T,
    accept: (event: EventOf<T>) => boolean = () => true,
  ): Promise<EventOf<T>> {
    return new Promise((resolve) => {
      const look = (): void => {
        const index = this.events.findIndex((event) => event.type === type && accept(event as EventOf<T>));
        if (index < 0) return;
        this.waiting.delete(look);
        resolve(this.events.splice(index, 1)[0] as EventOf<T>);
      };
      this.waiting.add(look);
      look();
    });
  }

  counter(name: CounterName): number {
    return Number(counterValue(this.plane.counters, name));
  }

  /** Resolves when the counter has reached `least`. */
  async reached(name: CounterName, least: number): Promise<void> {
    while (this.counter(name) < least) await new Promise((resolve) => setImmediate(resolve));
  }
}

export interface Pair {
  readonly client: Host;
  readonly server: Host;
  readonly clientLink: LinkId;
  readonly serverLink: LinkId;
  readonly clientConnected: EventOf<'connected'>;
  readonly serverConnected: EventOf<'connected'>;
}

export interface Ends {
  /** Where the server finds the client, and where the client finds the server. */
  readonly client: SocketAddress;
  readonly server: SocketAddress;
}

/** Both ends bound beforehand, as ICE does. */
export async function connect(
  client: Host,
  server: Host,
  ends: Ends = { client: client.at(), server: server.at() },
): Promise<Pair> {
  const serverLink = server.plane.openLink('server');
  server.plane.setPath(serverLink, null, ends.client);
  const clientLink = client.plane.openLink('client');
  client.plane.setPath(clientLink, null, ends.server);
  const [clientConnected, serverConnected] = await Promise.all([
    client.next('connected', (event) => event.link === clientLink),
    server.next('connected', (event) => event.link === serverLink),
  ]);
  return { client, server, clientLink, serverLink, clientConnected, serverConnected };
}
