import type { Hit } from '../base/node-id.ts';

/** Claims remembered; the one longest unused is forgotten first and looked up again when it is needed. */
const MAX_ENTRIES = 8_192;

/** Which host has which overlay IPv4 address: one address a host, one host an address. The claims were looked up and checked. */
export class AddressMap {
  private readonly byHit = new Map<Hit, string>();
  private readonly byAddress = new Map<string, Hit>();
  private readonly maxEntries: number;

  constructor(options: { readonly maxEntries?: number } = {}) {
    this.maxEntries = options.maxEntries ?? MAX_ENTRIES;
  }

  get size(): number {
    return this.byHit.size;
  }

  /** A newer claim takes the place of what either of the two had before. */
  set(hit: Hit, ipv4: string): void {
    this.delete(hit);
    const holder = this.byAddress.get(ipv4);
    if (holder !== undefined) this.delete(holder);
    this.byHit.set(hit, ipv4);
    this.byAddress.set(ipv4, hit);
    for (const [oldest] of this.byHit) {
      if (this.byHit.size <= this.maxEntries) break;
      this.delete(oldest);
    }
  }

  ipv4Of(hit: Hit): string | undefined {
    const ipv4 = this.byHit.get(hit);
    if (ipv4 !== undefined) {
      this.byHit.delete(hit);
      this.byHit.set(hit, ipv4);
    }
    return ipv4;
  }

  hitOf(ipv4: string): Hit | undefined {
    const hit = this.byAddress.get(ipv4);
    if (hit !== undefined) this.ipv4Of(hit);
    return hit;
  }

  delete(hit: Hit): void {
    const ipv4 = this.byHit.get(hit);
    if (ipv4 === undefined) return;
    this.byHit.delete(hit);
    this.byAddress.delete(ipv4);
  }
}
