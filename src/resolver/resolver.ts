import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import { addressToHit } from '../base/node-id.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { CONNECT_RETRY_MS, MAX_PENDING, MAX_REMEMBERED, REFUSAL_HOLD_MS, RESOLVE_TIMEOUT_MS } from './constants.ts';

export type ResolverResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** What the resolver asks of the overlay, the links and the data plane. Callbacks may come at once or later. */
export interface ResolverPorts {
  isUp(hit: Hit): boolean;
  /** Stage one for IPv4: whose claim is this address? */
  lookupIpv4(address: string, now: number, done: (result: ResolverResult<Hit>) => void): void;
  /** Stage two: asks the node with this HIT, through the overlay, for a link (AppAttach). A link event follows on success. */
  connect(hit: Hit, now: number, done: (result: ResolverResult<undefined>) => void): void;
  /** Lets the packets that are held for this address go over the link that is up. */
  release(hit: Hit, address: string): void;
  /** Drops what is held for this address and tells the program that it is unreachable. */
  refuse(address: string): void;
}

/** When the stages of the last set-up towards a HIT were reached, ms of the monotonic clock. */
export interface SetupTimes {
  readonly startedAt: number;
  readonly hitKnownAt: number;
  readonly linkUpAt: number | undefined;
}

interface Pending {
  readonly startedAt: number;
  hit: Hit | undefined;
  hitKnownAt: number;
  readonly waiting: MissDone[];
}

/** How a miss ended: with a link, or with the reason why there is none. */
export type MissDone = (result: ResolverResult<Hit>, now: number) => void;

/**
 * Makes links for packets (DESIGN D6): overlay address -> HIT -> link. Concurrent packets to one host make one link.
 *
 *   miss ──IPv4──> looking up ──> connecting ──link up──> released
 *     └────HIT───────────────────────^   └──refused, timeout──> refused, held off for a second
 *
 * No failure ends it: each address fails alone.
 */
export class Resolver implements Timed {
  private readonly ports: ResolverPorts;
  private readonly logger: Logger;
  private readonly pending = new Map<string, Pending>();
  private readonly connecting = new Map<Hit, number>();
  /** Of those, hosts that have answered: their links are being made. */
  private readonly answered = new Set<Hit>();
  private readonly refusedUntil = new Map<string, number>();
  private readonly setups = new Map<Hit, SetupTimes>();
  private readonly timers = new TimerQueue<string>();

  constructor(components: { ports: ResolverPorts; logger: Logger }) {
    this.ports = components.ports;
    this.logger = components.logger;
  }

  /** A program sent to an overlay address that has no link; its packets are held. People who ask wait for `done`. */
  miss(address: string, now: number, done?: MissDone): void {
    const already = this.pending.get(address);
    if (already !== undefined) {
      if (done !== undefined) already.waiting.push(done);
      return;
    }
    if ((this.refusedUntil.get(address) ?? -Infinity) > now || this.pending.size >= MAX_PENDING) {
      this.ports.refuse(address);
      done?.({ ok: false, reason: 'refused a moment ago' }, now);
      return;
    }
    const waiting = done === undefined ? [] : [done];
    const pending: Pending = { startedAt: now, hit: undefined, hitKnownAt: now, waiting };
    this.pending.set(address, pending);
    this.timers.set(address, now + RESOLVE_TIMEOUT_MS);
    if (address.includes(':')) {
      this.found(address, pending, addressToHit(address), now);
      return;
    }
    this.ports.lookupIpv4(address, now, (result) => {
      if (this.pending.get(address) !== pending) return;
      if (result.ok) this.found(address, pending, result.value, now);
      else this.fail(address, now, result.reason);
    });
  }

  /** The link to `hit` is up and authenticated. */
  linkUp(hit: Hit, now: number): void {
    this.stopConnecting(hit);
    for (const [address, pending] of this.pending) {
      if (pending.hit !== hit) continue;
      this.forget(address);
      this.remember(hit, { startedAt: pending.startedAt, hitKnownAt: pending.hitKnownAt, linkUpAt: now });
      this.ports.release(hit, address);
      for (const done of pending.waiting) done({ ok: true, value: hit }, now);
    }
  }

  /** The link to `hit` could not be made or was lost while it was waited for: asked again until the time is up. */
  linkDown(hit: Hit, now: number): void {
    if (this.connecting.has(hit)) this.timers.set(`retry ${hit}`, now);
  }

  /** Whether a host that is asked for a link has answered. */
  hasAnswered(hit: Hit): boolean {
    return this.answered.has(hit);
  }

  setupOf(hit: Hit): SetupTimes | undefined {
    return this.setups.get(hit);
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let key = this.timers.due(now); key !== undefined; key = this.timers.due(now)) {
      if (key.startsWith('retry ')) {
        const hit = key.slice('retry '.length);
        if (this.connecting.has(hit)) this.connect(hit, now);
      } else {
        this.fail(key, now, 'nobody answered in time');
      }
    }
  }

  private found(address: string, pending: Pending, hit: Hit, now: number): void {
    pending.hit = hit;
    pending.hitKnownAt = now;
    if (this.ports.isUp(hit)) {
      this.linkUp(hit, now);
      return;
    }
    if (!this.connecting.has(hit)) this.connect(hit, now);
    this.logger.debug('resolving', { addr: address, nodeId: hit });
  }

  private connect(hit: Hit, now: number): void {
    const attempt = now;
    this.connecting.set(hit, attempt);
    this.timers.set(`retry ${hit}`, now + CONNECT_RETRY_MS);
    this.ports.connect(hit, now, (result) => {
      if (result.ok && this.connecting.has(hit)) this.answered.add(hit);
      if (result.ok || this.connecting.get(hit) !== attempt) return;
      for (const [address, pending] of this.pending) if (pending.hit === hit) this.fail(address, now, result.reason);
    });
  }

  private fail(address: string, now: number, reason: string): void {
    this.logger.debug('unreachable', { addr: address, reason });
    const { hit, waiting = [] } = this.pending.get(address) ?? {};
    this.forget(address);
    if (hit !== undefined && ![...this.pending.values()].some((other) => other.hit === hit)) this.stopConnecting(hit);
    bound(this.refusedUntil);
    this.refusedUntil.set(address, now + REFUSAL_HOLD_MS);
    this.ports.refuse(address);
    for (const done of waiting) done({ ok: false, reason }, now);
  }

  private stopConnecting(hit: Hit): void {
    this.connecting.delete(hit);
    this.answered.delete(hit);
    this.timers.clear(`retry ${hit}`);
  }

  private forget(address: string): void {
    this.pending.delete(address);
    this.timers.clear(address);
  }

  private remember(hit: Hit, times: SetupTimes): void {
    this.setups.delete(hit);
    bound(this.setups);
    this.setups.set(hit, times);
  }
}

/** Makes room for one more: the oldest entry goes. */
function bound(map: Map<string, unknown>): void {
  if (map.size < MAX_REMEMBERED) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
