import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { LinkId } from '../native/data-plane.ts';

/** Which associations datagrams of a remote address may belong to: one, seldom two while a peer starts anew. */
export class RemoteIndex<T extends { readonly link: LinkId }> {
  private readonly holders = new Map<string, readonly T[]>();

  /** Oldest first. */
  at(remote: SocketAddress): readonly T[] {
    return this.holders.get(formatSocketAddress(remote)) ?? [];
  }

  add(key: string, association: T): void {
    const others = this.holders.get(key) ?? [];
    if (others.includes(association)) return;
    // Without room for more, which a literal would have.
    this.holders.set(
      key,
      others.concat(association).sort((a, b) => a.link - b.link),
    );
  }

  remove(key: string, association: T): void {
    const others = (this.holders.get(key) ?? []).filter((other) => other !== association);
    if (others.length === 0) this.holders.delete(key);
    else this.holders.set(key, others);
  }
}
