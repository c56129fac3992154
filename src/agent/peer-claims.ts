import type { Timed } from '../base/clock.ts';
import { parseIpv4Prefix } from '../base/ipv4-prefix.ts';
import type { Hit } from '../base/node-id.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { ipv4Choice } from '../overlay/ipv4-choice.ts';
import type { NameService } from '../overlay/naming.ts';
import { ERROR_CODES } from '../reload/index.ts';
import { AddressMap } from '../tunnel/address-map.ts';

// Implementation constants.

/**
 * A peer's claim is looked up so long after its link, and again after it could not be: its packets from that address are dropped
 * until then. A newcomer claims its address only after it has joined, and to ask for it before is in vain.
 */
const RETRY_MS = 1_000;
const MAX_TRIES = 5;

export interface PeerClaimsPorts {
  /** Undefined while the overlay cannot be asked. */
  names(): NameService | undefined;
  isLinked(hit: Hit): boolean;
  /** `hit` may send from this address, or from none any more. */
  changed(hit: Hit, ipv4: string | null): void;
}

/**
 * Which overlay IPv4 addresses peers hold: a packet is let in only from the HIT of its link or from that HIT's claimed
 * address, so the claim is looked up in the overlay. No failure ends it.
 */
export class PeerClaims implements Timed {
  /** Those that were looked up, now or in a former life. */
  readonly addresses = new AddressMap();
  private readonly ports: PeerClaimsPorts;
  private readonly ipv4Prefix: string;
  private readonly timers = new TimerQueue<Hit>();
  private readonly tries = new Map<Hit, number>();
  private readonly lookingUp = new Set<Hit>();

  constructor(components: { ports: PeerClaimsPorts }, options: { ipv4Prefix: string }) {
    this.ports = components.ports;
    this.ipv4Prefix = options.ipv4Prefix;
  }

  /** A peer is linked; until the overlay can be asked, `joined` is told of it. */
  linkUp(hit: Hit, now: number): void {
    if (this.ports.names() !== undefined) this.lookUpAt(hit, now + RETRY_MS);
  }

  /** We are in the overlay, with these links. */
  joined(linked: Iterable<Hit>, now: number): void {
    for (const hit of linked) this.lookUpAt(hit, now + RETRY_MS);
  }

  /** Who asks for a link may send as soon as it is up; by the timer, so that our answer leaves first. */
  lookupSoon(hit: Hit, now: number): void {
    this.timers.set(hit, now);
  }

  lookup(hit: Hit, now: number): void {
    const names = this.ports.names();
    if (names === undefined || this.lookingUp.has(hit)) return;
    this.timers.clear(hit);
    this.lookingUp.add(hit);
    if (this.addresses.ipv4Of(hit) !== undefined) this.lookupHit(names, hit, now);
    else this.guess(names, hit, now);
  }

  /** Nearly every host holds the first choice of its HIT, and that record alone proves it. */
  private guess(names: NameService, hit: Hit, now: number): void {
    const address = ipv4Choice(parseIpv4Prefix(this.ipv4Prefix), hit, 0);
    names.lookupIpv4(address, now, (result, at) => {
      if (!result.ok || result.value.hit !== hit) this.lookupHit(names, hit, at);
      else {
        this.answered(hit);
        this.learn(hit, address);
      }
    });
  }

  private lookupHit(names: NameService, hit: Hit, now: number): void {
    names.lookupHit(hit, now, (result, at) => {
      if (result.ok && result.value.ipv4 !== undefined) {
        this.answered(hit);
        this.learn(hit, result.value.ipv4);
        return;
      }
      const tries = (this.tries.get(hit) ?? 0) + 1;
      this.answered(hit);
      if (tries < MAX_TRIES && this.ports.isLinked(hit)) {
        this.tries.set(hit, tries);
        this.timers.set(hit, at + RETRY_MS * tries);
        return;
      }
      // What it held before, it has given up or lost. Of one that is linked the peers may have lost the record.
      const isGone = !result.ok && result.error.errorCode === ERROR_CODES.not_found && !this.ports.isLinked(hit);
      if (result.ok || isGone) this.forget(hit);
    });
  }

  private answered(hit: Hit): void {
    this.lookingUp.delete(hit);
    this.tries.delete(hit);
  }

  private lookUpAt(hit: Hit, at: number): void {
    if (!this.lookingUp.has(hit) && !this.timers.has(hit)) this.timers.set(hit, at);
  }

  learn(hit: Hit, ipv4: string): void {
    if (this.addresses.ipv4Of(hit) === ipv4) return;
    this.addresses.set(hit, ipv4);
    this.ports.changed(hit, ipv4);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let hit = this.timers.due(now); hit !== undefined; hit = this.timers.due(now)) this.lookup(hit, now);
  }

  /** It holds no address any more. */
  forget(hit: Hit): void {
    if (this.addresses.ipv4Of(hit) === undefined) return;
    this.addresses.delete(hit);
    this.ports.changed(hit, null);
  }
}
