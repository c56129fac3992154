import { earliest } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import { isIpAddress } from '../base/ip-address.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import {
  NO_ANSWER,
  type Attempt,
  type HttpRequest,
  type Input,
  type Lease,
  type Outcome,
  type Transmit,
  type Wanted,
} from './attempt.ts';
import {
  HTTP_LIMIT_MS,
  MAX_LOCATIONS,
  MAX_OTHER_PORTS,
  SEARCHES_MS,
  SEARCH_GROUP,
  SEARCH_LIMIT_MS,
  SEARCH_PORT,
  UPNP_LEASE_S,
  UPNP_LIMIT_MS,
} from './constants.ts';
import { readConnectionServices, type ConnectionService } from './device-description.ts';
import { decodeActionAnswer, encodeAction, type ActionAnswer } from './soap.ts';
import { encodeSearches, gatewayUrl, locationOf } from './ssdp.ts';
import { Tries } from './tries.ts';

/** WANIPConnection:1 s2.4.16, :2 s2.5.17. */
const ERROR = { invalidArgs: 402, conflict: 718, onlyPermanentLeases: 725, otherMechanism: 729 } as const;
/** Nobody's by custom, and below the ports that routers' NATs hand out. */
const OTHER_PORTS = { first: 20_000, count: 10_000 } as const;

/** A mapping that is there. */
interface Mapped {
  readonly service: ConnectionService;
  readonly port: number;
}

/**
 * Asks by UPnP's Internet Gateway Device, versions 1 and 2: searches (SSDP), reads the device's description, asks for the
 * external address, and maps (SOAP). Only what the gateway's own address says is believed.
 *
 *     searching -> describing -> addressing -> mapping -> (outcome)
 *         known service: -----------^            removing -> (outcome)
 */
export class UpnpAttempt implements Attempt {
  readonly protocol = 'upnp';
  outcome: Outcome | undefined;
  private readonly wanted: Wanted;
  private readonly limitAt: number;
  private readonly locations = new Set<string>();
  /** Not read yet. */
  private readonly unread: string[] = [];
  /** Not tried yet. */
  private services: ConnectionService[] = [];
  private search: Tries | undefined;
  private port: number;
  private leaseS = UPNP_LEASE_S;
  private otherPorts = 0;
  private why: string | undefined;
  private pending: { readonly id: number; readonly limitAt: number; readonly done: Answered } | undefined;
  private requests = 0;
  private readonly out: Transmit[] = [];

  /** @param what.had the mapping that is renewed; `removes`: it is taken away. */
  constructor(wanted: Wanted, now: number, what: { readonly had?: Mapped; readonly removes?: boolean } = {}) {
    this.wanted = wanted;
    this.limitAt = now + UPNP_LIMIT_MS;
    this.port = what.had?.port ?? wanted.port;
    if (what.had === undefined) {
      this.search = new Tries(SEARCHES_MS, SEARCH_LIMIT_MS, now);
      this.handleTimeout(now);
    } else if (what.removes === true) this.remove(what.had.service, now);
    else this.askAddress(what.had.service, now);
  }

  input(input: Input, now: number): void {
    if (this.outcome !== undefined) return;
    if (input.type === 'searched') this.searched(input.data, input.from, now);
    if (input.type !== 'answered' && input.type !== 'failed') return;
    const { pending } = this;
    if (pending?.id !== input.id) return;
    this.pending = undefined;
    if (input.type === 'failed') this.nextService(input.why, now);
    else this.answered(pending.done, input, now);
  }

  pollTransmit(): Transmit | undefined {
    return this.out.shift();
  }

  nextTimeout(): number | undefined {
    if (this.outcome !== undefined) return undefined;
    return earliest(this.search?.nextTimeout(), this.pending?.limitAt, this.limitAt);
  }

  handleTimeout(now: number): void {
    if (this.outcome !== undefined) return;
    if (now >= this.limitAt) this.fail(this.why ?? 'takes too long');
    else if (this.pending !== undefined && now >= this.pending.limitAt) {
      this.pending = undefined;
      this.nextService('no answer to HTTP', now);
    } else if (this.search !== undefined) this.continueSearch(this.search, now);
  }

  private continueSearch(search: Tries, now: number): void {
    if (search.over(now)) {
      this.search = undefined;
      if (this.pending === undefined) this.nextService(undefined, now);
    } else if (search.due(now))
      // To the gateway alone too: firewalls on this host may not expect an answer to a multicast.
      for (const address of [SEARCH_GROUP, this.wanted.gateway])
        for (const data of encodeSearches())
          this.out.push({ type: 'search', to: { address, port: SEARCH_PORT }, data });
  }

  private searched(data: Uint8Array, from: SocketAddress, now: number): void {
    const { gateway } = this.wanted;
    if (this.search === undefined || from.address !== gateway) return;
    const location = gatewayUrl(locationOf(data) ?? '', gateway);
    if (location === undefined || this.locations.has(location) || this.locations.size >= MAX_LOCATIONS) return;
    this.locations.add(location);
    this.unread.push(location);
    if (this.pending === undefined) this.nextService(undefined, now);
  }

  /** What was tried last is of no use: the next service, or the next description. */
  private nextService(why: string | undefined, now: number): void {
    this.why = why ?? this.why;
    const service = this.services.shift();
    if (service !== undefined) {
      this.askAddress(service, now);
      return;
    }
    const location = this.unread.shift();
    if (location !== undefined) this.describe(location, now);
    else if (this.search === undefined) this.fail(this.why);
  }

  private describe(location: string, now: number): void {
    this.send({ method: 'GET', url: location, headers: {}, body: '' }, now, (status, body) => {
      if (status === 200) this.services = readConnectionServices(body, location, this.wanted.gateway);
      this.nextService(this.services.length > 0 ? undefined : 'no service that maps ports', now);
    });
  }

  private askAddress(service: ConnectionService, now: number): void {
    this.act(service, 'GetExternalIPAddress', {}, now, (answer, at) => {
      const address = answer.ok ? (answer.values.get('NewExternalIPAddress') ?? '') : '';
      if (!answer.ok) this.nextService(answer.why, at);
      else if (!isIpAddress(address) || address.includes(':') || address === '0.0.0.0')
        this.nextService('the router has no address outside', at);
      else this.map(service, address, at);
    });
  }

  private map(service: ConnectionService, address: string, now: number): void {
    const { wanted, port, leaseS } = this;
    const args = {
      NewRemoteHost: '',
      NewExternalPort: port,
      NewProtocol: 'UDP',
      NewInternalPort: wanted.port,
      NewInternalClient: wanted.local,
      NewEnabled: 1,
      NewPortMappingDescription: 'idloc',
      NewLeaseDuration: leaseS,
    };
    this.act(service, 'AddPortMapping', args, now, (answer, at) => {
      if (answer.ok) {
        this.outcome = { ok: true, lease: this.lease(service, { address, port }) };
        return;
      }
      const { code } = answer;
      if ((code === ERROR.conflict || code === ERROR.otherMechanism) && this.otherPorts < MAX_OTHER_PORTS) {
        this.otherPorts += 1;
        this.port = OTHER_PORTS.first + (wanted.random.uint32() % OTHER_PORTS.count);
        this.map(service, address, at);
      } else if ((code === ERROR.onlyPermanentLeases || code === ERROR.invalidArgs) && leaseS > 0) {
        // Until it is taken away, or the router is switched off.
        this.leaseS = 0;
        this.map(service, address, at);
      } else this.nextService(answer.why, at);
    });
  }

  private remove(service: ConnectionService, now: number): void {
    const args = { NewRemoteHost: '', NewExternalPort: this.port, NewProtocol: 'UDP' };
    this.act(service, 'DeletePortMapping', args, now, (answer) => {
      if (answer.ok) this.outcome = { ok: true, lease: undefined };
      else this.fail(answer.why);
    });
  }

  private act(
    service: ConnectionService,
    action: string,
    args: Readonly<Record<string, string | number>>,
    now: number,
    done: (answer: ActionAnswer, now: number) => void,
  ): void {
    this.send(encodeAction(service, action, args), now, (status, body, at) =>
      done(decodeActionAnswer(action, status, body), at),
    );
  }

  private send(request: HttpRequest, now: number, done: Answered): void {
    this.requests += 1;
    this.pending = { id: this.requests, limitAt: now + HTTP_LIMIT_MS, done };
    this.out.push({ type: 'http', id: this.requests, request });
  }

  private answered(done: Answered, { status, body }: Input & { type: 'answered' }, now: number): void {
    try {
      done(status, body, now);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.nextService('an answer that is no XML', now);
    }
  }

  private fail(why: string | undefined): void {
    this.outcome = why === undefined ? NO_ANSWER : { ok: false, heard: true, why };
  }

  private lease(service: ConnectionService, external: SocketAddress): Lease {
    const { wanted } = this;
    const had = { service, port: external.port };
    return {
      ...{ protocol: 'upnp', external, lifetimeS: UPNP_LEASE_S, epochS: undefined },
      renewal: (now) => new UpnpAttempt(wanted, now, { had }),
      removal: (now) => new UpnpAttempt(wanted, now, { had, removes: true }),
    };
  }
}

type Answered = (status: number, body: Uint8Array, now: number) => void;
