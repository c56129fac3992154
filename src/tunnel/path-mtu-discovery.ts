import type { Timed } from '../base/clock.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { BASE_PATH_MTU, PROBE_REPLY, type DataPlane, type DataPlaneEvent, type LinkId } from '../native/data-plane.ts';
import { PathMtu, type PathMtuPort } from './path-mtu.ts';

/** Paths of a link whose sizes are remembered while it is on another one. */
const MAX_KNOWN_PATHS = 4;
const PROBE_REPLY_BYTES = 5;

interface LinkPaths {
  /** Of the path that is in use. */
  pathMtu: PathMtu;
  key: string;
  /** Sizes of the paths before, the longest unused first. Absent on the first one. */
  readonly known: Map<string, number> | undefined;
}

/** Path MTU discovery of every connected link, each on the path that it is on. */
export class PathMtuDiscovery implements Timed {
  private readonly dataPlane: DataPlane;
  private readonly links = new Map<LinkId, LinkPaths>();
  private readonly timers = new TimerQueue<LinkId>();
  /** Records are authentic, so a number that is not used twice soon is enough. */
  private lastProbe = 0;
  private handler: (pathMtu: number) => void = () => {};

  constructor(components: { readonly dataPlane: DataPlane }) {
    this.dataPlane = components.dataPlane;
  }

  /** Told when a path of some link has proved to carry datagrams of so many bytes. */
  onPathMtu(handler: (pathMtu: number) => void): void {
    this.handler = handler;
  }

  /** Undefined: no such link, or it is not connected. */
  pathMtuOf(link: LinkId): number | undefined {
    return this.links.get(link)?.pathMtu.pathMtu;
  }

  /** @returns true when the event is of no interest to anyone else */
  handleEvent(event: DataPlaneEvent, now: number): boolean {
    switch (event.type) {
      case 'newPath':
        this.newPath(event.link, event.remote, now);
        return true;
      case 'largeSent':
        this.links.get(event.link)?.pathMtu.used(now);
        this.schedule(event.link);
        return true;
      case 'record':
        if (event.data[0] !== PROBE_REPLY) return false;
        this.acknowledged(event.link, event.data, now);
        return true;
      case 'closed':
        this.forget(event.link);
        return false;
      default:
        return false;
    }
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let link = this.timers.due(now); link !== undefined; link = this.timers.due(now)) {
      // Closed from above: nobody says so, and nothing is lost when it is noticed late.
      if (this.dataPlane.linkCounters(link) === undefined) {
        this.forget(link);
        continue;
      }
      this.links.get(link)?.pathMtu.handleTimeout(now);
      this.schedule(link);
    }
  }

  private newPath(link: LinkId, remote: SocketAddress, now: number): void {
    const before = this.links.get(link);
    const known = before && (before.known ?? new Map<string, number>());
    if (before !== undefined && known !== undefined) {
      known.delete(before.key);
      known.set(before.key, before.pathMtu.pathMtu);
      const [oldest] = known.keys();
      if (known.size > MAX_KNOWN_PATHS && oldest !== undefined) known.delete(oldest);
    }
    const key = formatSocketAddress(remote);
    this.links.set(link, { key, known, pathMtu: new PathMtu(new LinkPort(this, link), now, known?.get(key)) });
    this.schedule(link);
  }

  /** @returns its identification */
  sendProbe(link: LinkId, size: number): number {
    this.lastProbe = (this.lastProbe + 1) % 2 ** 32;
    this.dataPlane.sendProbe(link, size, this.lastProbe);
    return this.lastProbe;
  }

  setPathMtu(link: LinkId, size: number): void {
    this.dataPlane.setPathMtu(link, size);
    if (size > BASE_PATH_MTU) this.handler(size);
  }

  private acknowledged(link: LinkId, record: Uint8Array, now: number): void {
    if (record.length !== PROBE_REPLY_BYTES) return;
    const id = new DataView(record.buffer, record.byteOffset).getUint32(1);
    this.links.get(link)?.pathMtu.acknowledged(id, now);
    this.schedule(link);
  }

  private forget(link: LinkId): void {
    this.links.delete(link);
    this.timers.clear(link);
  }

  private schedule(link: LinkId): void {
    const at = this.links.get(link)?.pathMtu.nextTimeout();
    if (at === undefined) this.timers.clear(link);
    else this.timers.set(link, at);
  }
}

/** What the discovery of one link does to its path: two functions for each link would take four times the memory. */
class LinkPort implements PathMtuPort {
  private readonly links: PathMtuDiscovery;
  private readonly link: LinkId;

  constructor(links: PathMtuDiscovery, link: LinkId) {
    this.links = links;
    this.link = link;
  }

  sendProbe(size: number): number {
    return this.links.sendProbe(this.link, size);
  }

  setPathMtu(size: number): void {
    this.links.setPathMtu(this.link, size);
  }
}
