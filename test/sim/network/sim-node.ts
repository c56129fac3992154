import { silentLogger } from '../../../src/base/logger.ts';
import type { Logger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { hitToAddress } from '../../../src/base/node-id.ts';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { toStreamAddress } from '../../../src/base/stream-address.ts';
import type { NodeCertificate } from '../../../src/identity/certificate.ts';
import type { VerifiedPeer } from '../../../src/identity/trust-store.ts';
import { ATTEMPT_STALE_MS } from '../../../src/overlay/constants.ts';
import { LinkManager } from '../../../src/link/link-manager.ts';
import type { LinkEvent } from '../../../src/link/link-manager.ts';
import type { SimHost } from './host.ts';
import type { SimNetwork } from './network.ts';
import { SimDataPlane } from './sim-data-plane.ts';

/** Links hand the certificate on; none of them looks into it. */
const UNREAD_CERTIFICATE = Object.create(null) as NodeCertificate;

/** In the simulated network a certificate is a HIT and a flag: whoever presents it holds the key. */
export function simCertificate(hit: Hit, member = true): Uint8Array {
  return Uint8Array.of(...fromHex(hit), member ? 1 : 0);
}

/** @throws when the chain is not one certificate of the simulated network. */
export function verifySimCertificate([leaf]: readonly Uint8Array[]): VerifiedPeer {
  if (leaf?.length !== 17) throw new Error('the certificate proves nothing');
  const nodeId = toHex(leaf.subarray(0, 16));
  const peer = { certificate: UNREAD_CERTIFICATE, der: leaf, spki: leaf, nodeId, user: null };
  return { ...peer, member: leaf[16] === 1, lapsed: false, issuer: null };
}

/** `2001:20::N`. */
export function simHit(n: number): Hit {
  return `2001002${n.toString(16).padStart(25, '0')}`;
}

/** Overlays do this: carry offers and answers between two nodes, over links that work at that moment. */
export interface SimOverlay {
  readonly nodes: Map<Hit, SimNode>;
  /** Through which node; it needs a working link to both. */
  readonly via: Hit;
}

/** One agent as far as links go: data plane, LinkManager, its timer, and programs that send packets. */
export class SimNode {
  readonly hit: Hit;
  readonly host: SimHost;
  readonly dataPlane: SimDataPlane;
  readonly links: LinkManager;
  readonly events: LinkEvent[] = [];
  /** What stands for streams to it. */
  readonly streams: readonly SocketAddress[];
  /** Before packets are let through. */
  onUp: (hit: Hit) => void = () => undefined;
  private readonly network: SimNetwork;
  private readonly overlay: SimOverlay;
  /** Since when. */
  private readonly connecting = new Map<Hit, number>();
  private armedFor: number | undefined;
  private dead = false;

  constructor(
    network: SimNetwork,
    host: SimHost,
    hit: Hit,
    overlay: SimOverlay,
    options: {
      readonly member?: boolean;
      readonly port?: number;
      readonly logger?: Logger;
      /** Whom it takes for a peer of the overlay. */
      readonly isPeer?: (hit: Hit) => boolean;
      readonly maySleep?: (hit: Hit) => boolean;
      /** TCP addresses where it accepts streams: all nodes of the overlay know of them. */
      readonly streams?: readonly SocketAddress[];
      /** JavaScript hears of what happens below after up to this long: it is busy. */
      readonly lagMs?: number;
    } = {},
  ) {
    this.network = network;
    this.host = host;
    this.hit = hit;
    this.overlay = overlay;
    overlay.nodes.set(hit, this);
    const { loop, random } = network;
    this.streams = (options.streams ?? []).map(toStreamAddress);
    this.dataPlane = new SimDataPlane({ loop, random, host }, options.port, options.streams);
    this.dataPlane.setCredentials([simCertificate(hit, options.member ?? true)]);
    this.links = new LinkManager({
      dataPlane: this.dataPlane,
      verifyPeer: verifySimCertificate,
      selfHit: hit,
      ...(options.isPeer !== undefined && { isPeer: options.isPeer }),
      ...(options.maySleep !== undefined && { maySleep: options.maySleep }),
      streamsOf: (other) => overlay.nodes.get(other)?.streams ?? [],
      random,
      clock: { monotonic: () => loop.now, wall: () => loop.now },
      logger: options.logger ?? silentLogger,
    });
    this.links.onEvent((event) => this.onLinkEvent(event));
    const { lagMs = 0 } = options;
    this.dataPlane.onWake(() => {
      if (lagMs === 0) this.input(() => this.drain());
      else loop.after(random.float() * lagMs, () => this.input(() => this.drain()));
    });
    this.links.setHostAddresses(host.addresses, loop.now);
    this.arm();
  }

  get now(): number {
    return this.network.loop.now;
  }

  /** Gives the manager an input, then sets the timer anew. */
  input<T>(run: () => T): T {
    const result = run();
    this.arm();
    return result;
  }

  dial(node: SimNode): void {
    const [address = ''] = node.host.addresses;
    this.input(() => this.links.connectDirect({ address, port: node.dataPlane.port }, this.now));
  }

  /** By TLS over TCP. */
  dialStream(node: SimNode): void {
    for (const remote of node.streams) this.input(() => this.links.connectDirect(remote, this.now));
  }

  /** AppAttach: an offer there, an answer back, each through the overlay's node in the middle. */
  connect(hit: Hit): void {
    if (this.connecting.has(hit)) return;
    this.connecting.set(hit, this.now);
    const offer = this.input(() => this.links.offer(hit));
    const failed = (): void => {
      this.connecting.delete(hit);
      if (!this.dead) this.input(() => this.links.cancel(hit));
    };
    this.carry(
      hit,
      () => {
        const peer = this.overlay.nodes.get(hit);
        if (peer === undefined) return;
        const since = peer.connecting.get(this.hit);
        if (since !== undefined) {
          // RFC 6940 s6.5.1.2: of two Attach requests that cross, the one of the larger Node-ID is answered. As the Attacher
          // does, one that was sent long ago did not get through, and gives way.
          if (peer.hit > this.hit && this.now - since < ATTEMPT_STALE_MS) {
            failed();
            return;
          }
          peer.connecting.delete(this.hit);
          peer.input(() => peer.links.cancel(this.hit));
        }
        const answer = peer.input(() => peer.links.answer(this.hit, offer));
        peer.carry(
          this.hit,
          () => {
            if (this.connecting.delete(hit)) this.input(() => this.links.accept(hit, answer));
          },
          failed,
        );
      },
      failed,
    );
  }

  /** A program sends a packet to the host with this HIT. */
  sendPacket(hit: Hit, payload: string): void {
    this.dataPlane.sendPacket(hitToAddress(hit), payload);
  }

  /** As `kill -9`. */
  kill(): void {
    this.dead = true;
    this.dataPlane.close();
    this.overlay.nodes.delete(this.hit);
  }

  count(type: LinkEvent['type']): number {
    return this.events.filter((event) => event.type === type).length;
  }

  /** Runs `arrive` after the time of two hops, when both are linked with the node in the middle all the while. */
  private carry(hit: Hit, arrive: () => void, failed: () => void): void {
    const { via } = this.overlay;
    const works = (): boolean => {
      const peer = this.overlay.nodes.get(hit);
      if (this.dead || peer === undefined || peer.dead) return false;
      return (this.hit === via || this.links.isUp(via)) && (peer.hit === via || peer.links.isUp(via));
    };
    const { latencyMs } = this.network.internet.quality;
    const hops = this.hit === via || hit === via ? 1 : 2;
    if (!works()) {
      this.network.loop.after(3_000, failed);
      return;
    }
    this.network.loop.after(hops * (latencyMs + 2), () => {
      if (works()) arrive();
      else failed();
    });
  }

  private drain(): void {
    for (const event of this.dataPlane.drain())
      if (event.type === 'network') this.links.setHostAddresses(this.host.addresses, this.now, this.host.deprecated);
      else this.links.handleEvent(event, this.now);
  }

  private onLinkEvent(event: LinkEvent): void {
    this.events.push(event);
    if (event.type === 'up' && event.peer.member) {
      this.onUp(event.hit);
      this.dataPlane.authorize(event.link, event.hit, null);
    }
    if (event.type === 'needsRestart') this.network.loop.after(0, () => !this.dead && this.connect(event.hit));
  }

  private arm(): void {
    const next = this.links.nextTimeout();
    if (next === undefined || next === this.armedFor) return;
    this.armedFor = next;
    this.network.loop.at(next, () => {
      if (this.armedFor !== next || this.dead) return;
      this.armedFor = undefined;
      this.input(() => this.links.handleTimeout(this.now));
    });
  }
}
