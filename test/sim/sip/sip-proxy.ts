import { earliest } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { type SipFlow, udpFlow } from '../../../src/sip/flow.ts';
import type { SipMessage } from '../../../src/sip/message/message.ts';
import { parseUri, type SipUri } from '../../../src/sip/message/uri.ts';
import type { ProxyPorts, Refusal, Target } from '../../../src/sip/proxy/ports.ts';
import { ProxyCore } from '../../../src/sip/proxy/proxy-core.ts';
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts';
import { tcpFlow, type SipNetwork, type SipNode } from './sip-network.ts';

/** Where a user is: a proxy's location service. */
type Location = (user: string) => readonly Omit<Target, 'flow'>[] | Refusal;

/** A proxy with one address for its phones and one for other proxies. */
export class SimProxy implements SipNode {
  readonly layer: TransactionLayer;
  readonly core: ProxyCore;
  readonly ports: ProxyPorts;
  /** Milliseconds that finding the targets takes; Infinity: they are never found. */
  locatingMs = 0;
  private readonly inner: SocketAddress;
  private readonly outer: SocketAddress;

  constructor(
    network: SipNetwork,
    addresses: { readonly inner: SocketAddress; readonly outer: SocketAddress },
    location: Location,
    ports: Partial<ProxyPorts> = {},
    seed = 1,
  ) {
    this.inner = addresses.inner;
    this.outer = addresses.outer;
    const random = seededRandom(seed);
    const ownAddress = (flow: SipFlow): SocketAddress =>
      flow.local.address === this.outer.address ? this.outer : this.inner;
    this.ports = {
      ownAddress,
      isOwn: ({ host, port }) => [this.inner, this.outer].some((own) => own.address === host && own.port === port),
      admit: () => undefined,
      targets: ({ uri }, _from, now, done) => {
        const find = (at: number): void => {
          const found = location(parseUri(uri)?.user ?? '');
          if ('status' in found) done(found, at);
          else
            done(
              found.map((target) => ({ ...target, flow: this.flowOf(target) })),
              at,
            );
        };
        if (this.locatingMs === 0) find(now);
        else if (this.locatingMs !== Infinity)
          network.loop.after(this.locatingMs, () => {
            find(network.loop.now);
            network.schedule(this);
          });
      },
      flowTo: (uri) => this.flowTo(uri),
      outgoing: (message) => message,
      ...ports,
    };
    this.layer = new TransactionLayer({
      ...{ random, logger: silentLogger },
      ports: { send: (flow, message) => network.send(flow, message), ownAddress },
      user: {
        onRequest: (transaction, request, now) => this.core.onRequest(transaction, request, now),
        onAck: (request, flow, now) => this.core.onAck(request, flow, now),
        onCancel: (invite, cancel, now) => this.core.onCancel(invite, cancel, now),
        onStrayResponse: (response, flow) => this.core.onStrayResponse(response, flow),
        onFailure: (transaction, reason) => this.core.onFailure(transaction, reason),
      },
    });
    this.core = new ProxyCore({ random, logger: silentLogger, ports: this.ports, layer: this.layer });
    network.attach(this.inner, this);
    network.attach(this.outer, this);
  }

  /** All tables: 0 when nothing goes on. */
  get leftovers(): number {
    const { servers, clients, others } = this.layer.sizes;
    const { contexts, timers } = this.core.sizes;
    return servers + clients + others + contexts + timers;
  }

  receive(message: SipMessage, flow: SipFlow, now: number): void {
    this.layer.receive(message, flow, now);
  }

  nextTimeout(): number | undefined {
    return earliest(this.layer.nextTimeout(), this.core.nextTimeout());
  }

  handleTimeout(now: number): void {
    this.layer.handleTimeout(now);
    this.core.handleTimeout(now);
  }

  /** Other proxies are in IPv6 here, phones in IPv4. */
  private flowTo({ host, port = 5060, params }: SipUri): SipFlow | undefined {
    const remote = { address: host, port };
    const local = host.includes(':') ? this.outer : this.inner;
    if (host === 'home.example') return undefined;
    return params.get('transport') === 'tcp' ? tcpFlow({ local, remote }) : udpFlow({ local, remote });
  }

  private flowOf({ uri, route = [] }: Omit<Target, 'flow'>): SipFlow {
    const next = parseUri(route[0] ?? uri);
    const flow = next === undefined ? undefined : this.flowTo(next);
    if (flow === undefined) throw new Error(`no way to ${uri}`);
    return flow;
  }
}
