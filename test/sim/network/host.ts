import type { SocketAddress } from '../../../src/base/socket-address.ts';
import type { Attachment, Datagram } from './datagram.ts';
import type { Segment } from './segment.ts';

type PortHandler = (datagram: Datagram) => void;

/** A machine with interfaces in segments and UDP ports that programs have bound. */
export class SimHost implements Attachment {
  private readonly interfaces = new Map<string, Segment>();
  private readonly old = new Set<string>();
  private readonly ports = new Map<number, PortHandler>();
  private readonly watchers = new Set<() => void>();

  get addresses(): string[] {
    return [...this.interfaces.keys()].filter((address) => !this.old.has(address));
  }

  /** Still there; nothing new is to use them. */
  get deprecated(): string[] {
    return [...this.interfaces.keys()].filter((address) => this.old.has(address));
  }

  /** Its preferred lifetime is over (RFC 4862 s5.5.4), as that of temporary addresses each day. */
  deprecate(address: string): void {
    this.old.add(address);
    this.notify();
  }

  /** An interface comes up in `segment`. The interface that came first is the default route. */
  plug(segment: Segment, address: string): void {
    segment.attach(address, this);
    this.interfaces.set(address, segment);
    this.notify();
  }

  unplug(address: string): void {
    this.interfaces.get(address)?.detach(address);
    this.interfaces.delete(address);
    this.notify();
  }

  /** Loses every network and gets another one: one change of addresses, as rtnetlink coalesces it. */
  move(segment: Segment, address: string): void {
    for (const [old, where] of this.interfaces) where.detach(old);
    this.interfaces.clear();
    segment.attach(address, this);
    this.interfaces.set(address, segment);
    this.notify();
  }

  /** @returns a function that stops watching. */
  onAddressChange(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  bind(port: number, handler: PortHandler): void {
    if (this.ports.has(port)) throw new Error(`port ${port} is in use`);
    this.ports.set(port, handler);
  }

  unbind(port: number): void {
    this.ports.delete(port);
  }

  /** `from` null: the address of the first interface of that family. Nothing leaves from an address the host does not have. */
  send(from: string | null, port: number, destination: SocketAddress, data: Uint8Array): void {
    const v6 = destination.address.includes(':');
    const address = from ?? [...this.addresses, ...this.deprecated].find((own) => own.includes(':') === v6);
    if (address?.includes(':') !== v6) return;
    this.interfaces.get(address)?.send({ source: { address, port }, destination, data: data.slice() });
  }

  receive(datagram: Datagram): void {
    this.ports.get(datagram.destination.port)?.(datagram);
  }

  private notify(): void {
    for (const watcher of this.watchers) watcher();
  }
}
