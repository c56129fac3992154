import type { Timed } from '../../../src/base/clock.ts';
import { seededRandom, type Random } from '../../../src/base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import { type SipFlow, udpFlow } from '../../../src/sip/flow.ts';
import { encodeSip, parseSip } from '../../../src/sip/message/codec.ts';
import type { SipMessage } from '../../../src/sip/message/message.ts';
import { EventLoop } from '../network/event-loop.ts';

/** What is at an address of the network. */
export interface SipNode extends Timed {
  receive(message: SipMessage, flow: SipFlow, now: number): void;
}

export interface SipNetworkOptions {
  readonly seed?: number;
  /** Part of the datagrams that is lost. */
  readonly loss?: number;
  /** Each takes so long, and up to `jitterMs` more: later ones overtake earlier ones. */
  readonly delayMs?: number;
  readonly jitterMs?: number;
}

/** Nodes that send each other SIP in datagrams, through the real codec, over a network that loses, doubles and reorders them; streams do none of it. */
export class SipNetwork {
  readonly loop = new EventLoop();
  /** All that was sent: `time from > to what`. */
  readonly log: string[] = [];
  isLogging = true;
  private readonly random: Random;
  private readonly options: SipNetworkOptions;
  private readonly nodes = new Map<string, SipNode>();
  private readonly wakeups = new Map<SipNode, number>();
  /** Datagrams that match are lost: for what has to be lost exactly. */
  loses: (message: SipMessage, flow: SipFlow) => boolean = () => false;

  /** Told of each message, as it is on the wire. */
  onSent: (bytes: Uint8Array, flow: SipFlow) => void = () => undefined;

  constructor(options: SipNetworkOptions = {}) {
    this.options = options;
    this.random = seededRandom(options.seed ?? 1);
  }

  attach(address: SocketAddress, node: SipNode): void {
    this.nodes.set(formatSocketAddress(address), node);
  }

  has(address: SocketAddress): boolean {
    return this.nodes.has(formatSocketAddress(address));
  }

  send(flow: SipFlow, message: SipMessage): void {
    const bytes = encodeSip(message);
    const what = message.type === 'request' ? message.method : String(message.status);
    const isLost =
      flow.transport === 'udp' && (this.loses(message, flow) || this.random.float() < (this.options.loss ?? 0));
    if (this.isLogging)
      this.log.push(`${this.loop.now} ${flow.local.address} > ${flow.remote.address} ${what}${isLost ? ' lost' : ''}`);
    this.onSent(bytes, flow);
    if (isLost) return;
    this.deliver(flow, bytes);
    if (flow.transport === 'udp' && this.random.float() < (this.options.loss ?? 0) / 4) this.deliver(flow, bytes);
  }

  /** Calls the node at its next time-out. To be called after each input of its own. */
  schedule(node: SipNode): void {
    const at = node.nextTimeout();
    const known = this.wakeups.get(node);
    if (at === undefined || (known !== undefined && known <= at)) return;
    this.wakeups.set(node, at);
    this.loop.at(at, () => {
      if (this.wakeups.get(node) !== at) return;
      this.wakeups.delete(node);
      node.handleTimeout(this.loop.now);
      this.schedule(node);
    });
  }

  private deliver(flow: SipFlow, bytes: Uint8Array): void {
    const { delayMs = 5, jitterMs = 0 } = this.options;
    const back = reverse(flow);
    this.loop.after(delayMs + (flow.transport === 'udp' ? this.random.float() * jitterMs : 0), () => {
      const node = this.nodes.get(formatSocketAddress(flow.remote));
      if (node === undefined) return;
      node.receive(parseSip(bytes), back, this.loop.now);
      this.schedule(node);
    });
  }
}

/** By stream, between these two. */
export function tcpFlow(
  { local, remote }: Pick<SipFlow, 'local' | 'remote'>,
  transport: 'tcp' | 'tls' = 'tcp',
): SipFlow {
  return {
    ...{ transport, local, remote },
    key: `${transport} ${formatSocketAddress(local)} ${formatSocketAddress(remote)}`,
  };
}

function reverse({ transport, local, remote }: SipFlow): SipFlow {
  const ends = { local: remote, remote: local };
  return transport === 'udp' ? udpFlow(ends) : tcpFlow(ends, transport);
}
