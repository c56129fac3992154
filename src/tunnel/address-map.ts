import type { Hit } from '../base/node-id.ts';

/** Hosts whose claims are remembered; the one learned first leaves first. */
const MAX_ADDRESSES = 4_096;

/** Overlay IPv4 addresses whose claims were looked up: address <-> HIT, one to one, bounded. */
export class AddressMap {
  private readonly byHit = new Map<Hit, string>();
  private readonly byIpv4 = new Map<string, Hit>();

  get size(): number {
    return this.byHit.size;
  }

  /** The latest word counts: an address that moved to another host leaves the first, and a host has one address. */
  set(hit: Hit, ipv4: string): void {
    this.forget(hit);
    const former = this.byIpv4.get(ipv4);
    if (former !== undefined) this.forget(former);
    if (this.byHit.size >= MAX_ADDRESSES) {
      const [oldest] = this.byHit.keys();
      if (oldest !== undefined) this.forget(oldest);
    }
    this.byHit.set(hit, ipv4);
    this.byIpv4.set(ipv4, hit);
  }

  forget(hit: Hit): void {
    const ipv4 = this.byHit.get(hit);
    if (ipv4 === undefined) return;
    this.byHit.delete(hit);
    this.byIpv4.delete(ipv4);
  }

  ipv4Of(hit: Hit): string | undefined {
    return this.byHit.get(hit);
  }

  hitOf(ipv4: string): Hit | undefined {
    return this.byIpv4.get(ipv4);
  }
}
