import { fromHex } from '../base/bytes.ts';
import { earliest, type Timed } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { OverlayNode } from './overlay-node.ts';
import { IDLOC_LOCATORS } from './storage/kinds.ts';
import { decodeLocatorsValue, encodeLocatorsValue, MAX_LOCATORS } from './storage/values.ts';

// Implementation constants.
/** Short: a replay of an old record works no longer than this. */
const LIFETIME_S = 3_600;
const REFRESH_MS = 1_200_000;
/** After we came in: others have more urgent things to store. */
const FIRST_STORE_MS = 3_000;
/** A move is told in one record when the addresses have settled. */
const SETTLE_MS = 1_000;
/** After a record; doubled with each one that follows soon, for addresses that change all the time. */
const GAP_MS = 2_000;
const MAX_GAP_MS = 60_000;
const RETRY_MS = 10_000;
const MAX_RETRY_MS = 300_000;
/** Where other peers are is looked up soon after we came in, and from time to time. */
const FIRST_LOOK_MS = 10_000;
const LOOK_INTERVAL_MS = 1_800_000;
/** In one round; as many are enough for finding back. */
const MAX_LOOKED_UP = 16;

/** What records are written and read through: an OverlayNode. */
export type WhereaboutsOverlay = Pick<
  OverlayNode,
  'nodeId' | 'role' | 'state' | 'settings' | 'store' | 'fetch' | 'onEvent'
>;

export interface WhereaboutsRecord {
  /** Best first. */
  readonly locators: readonly SocketAddress[];
  /** Milliseconds since the epoch, by the writer's clock. */
  readonly writtenAt: number;
}

export interface WhereaboutsPorts {
  /** Where others reach us, best first; none: nothing can be said (yet). */
  own(): readonly SocketAddress[];
  /** Peers that we might come back through another time; best first. */
  wanted(): readonly Hit[];
  /** A peer has said where it is. */
  learned(hit: Hit, record: WhereaboutsRecord): void;
}

/**
 * Signed, short-lived records of where the peers are. A peer keeps its own in the overlay:
 *
 *   joined ──> storing ──> resting ──refresh, or we moved──> storing
 *                 └─failed──> pausing ──┘
 *
 * and everyone looks up those of some peers, so that it knows several ways back. Who is no peer any more takes its record away.
 */
export class Whereabouts implements Timed {
  private readonly overlay: WhereaboutsOverlay;
  private readonly ports: WhereaboutsPorts;
  private readonly random: Random;
  private readonly logger: Logger;
  private storing = false;
  private storeAt: number | undefined;
  /** No sooner, whatever changes. */
  private notBefore = -Infinity;
  private storedAt = -Infinity;
  private gapMs = GAP_MS;
  /** What our record says now; empty: there is none. */
  private stored = '';
  private resigned = false;
  private retryMs = RETRY_MS;
  private lookAt: number | undefined;

  constructor(components: { overlay: WhereaboutsOverlay; ports: WhereaboutsPorts; random: Random; logger: Logger }) {
    this.overlay = components.overlay;
    this.ports = components.ports;
    this.random = components.random;
    this.logger = components.logger;
    this.overlay.onEvent((event, now) => {
      if (event.type === 'joined') {
        this.notBefore = now + this.jittered(FIRST_STORE_MS);
        this.storeAt = this.notBefore;
        this.lookAt = now + this.jittered(FIRST_LOOK_MS);
      } else this.changed(now);
    });
  }

  /** Our addresses may be others now, or our role. */
  changed(now: number): void {
    if (this.overlay.state !== 'joined' || this.describe() === this.stored) return;
    const soon = Math.max(now + SETTLE_MS, this.notBefore);
    this.storeAt = Math.min(this.storeAt ?? Infinity, soon);
  }

  /** Before we leave for good. @param done whether nothing of ours is left */
  giveBack(now: number, done: (complete: boolean) => void): void {
    this.resigned = true;
    this.storeAt = undefined;
    if (this.stored === '') done(true);
    else this.write([], now, (ok) => done(ok));
  }

  /** Where a peer says it is; empty: it is none, or nobody can tell. */
  lookup(hit: Hit, now: number, done: (locators: readonly SocketAddress[], now: number) => void): void {
    const resource = this.overlay.settings.ring.resourceIdOf(fromHex(hit));
    this.overlay.fetch({ resource, kind: IDLOC_LOCATORS.id }, now, (result, at) => {
      const value = result.ok ? result.values.find(({ signer }) => signer.nodeId === hit) : undefined;
      const locators = value === undefined ? [] : decoded(value.value.value);
      if (value !== undefined && locators.length > 0)
        this.ports.learned(hit, { locators, writtenAt: value.storageTime });
      done(locators, at);
    });
  }

  nextTimeout(): number | undefined {
    if (this.overlay.state !== 'joined') return undefined;
    return earliest(this.storing ? undefined : this.storeAt, this.lookAt);
  }

  handleTimeout(now: number): void {
    if (this.overlay.state !== 'joined') return;
    if (this.lookAt !== undefined && this.lookAt <= now) {
      this.lookAt = now + this.jittered(LOOK_INTERVAL_MS);
      this.lookUpNext(this.ports.wanted().slice(0, MAX_LOOKED_UP), now);
    }
    if (this.storeAt !== undefined && this.storeAt <= now && !this.storing) this.store(now);
  }

  private lookUpNext([first, ...rest]: readonly Hit[], now: number): void {
    if (first !== undefined) this.lookup(first, now, (_, at) => this.lookUpNext(rest, at));
  }

  private store(now: number): void {
    this.storeAt = undefined;
    const said = this.describe();
    if (this.resigned || (said === '' && this.stored === '')) return;
    this.storing = true;
    this.write(said === '' ? [] : this.ports.own(), now, (ok, at) => {
      this.storing = false;
      if (ok) {
        this.stored = said;
        this.gapMs = at - this.storedAt < 2 * MAX_GAP_MS ? Math.min(this.gapMs * 2, MAX_GAP_MS) : GAP_MS;
        this.storedAt = at;
      }
      this.notBefore = at + (ok ? this.gapMs : this.retryMs);
      // Another change during the store counts from now on.
      const next = !ok ? this.notBefore : said === '' ? undefined : at + this.jittered(REFRESH_MS);
      this.storeAt = this.storeAt === undefined ? next : Math.max(this.storeAt, this.notBefore);
      this.retryMs = ok ? RETRY_MS : Math.min(this.retryMs * 2, MAX_RETRY_MS);
    });
  }

  /** @param locators none: the record is taken away */
  private write(locators: readonly SocketAddress[], now: number, done: (ok: boolean, now: number) => void): void {
    const exists = locators.length > 0;
    const value = exists ? encodeLocatorsValue(locators) : new Uint8Array();
    const resource = this.overlay.settings.ring.resourceIdOf(fromHex(this.overlay.nodeId));
    this.overlay.store(
      { resource, kind: IDLOC_LOCATORS.id, value: { model: 'single', exists, value }, lifetimeS: LIFETIME_S },
      now,
      (result, at) => {
        if (!result.ok) this.logger.debug('locators not stored', { err: result.error.message });
        done(result.ok, at);
      },
    );
  }

  /** Clients are found through the peers that are responsible for them: nobody is told where they are. */
  private describe(): string {
    if (this.overlay.role !== 'peer') return '';
    // Another order is no news.
    return this.ports.own().slice(0, MAX_LOCATORS).map(formatSocketAddress).sort().join();
  }

  private jittered(ms: number): number {
    return ms * (0.75 + this.random.float() / 2);
  }
}

/** A value of another version is as good as none. */
function decoded(bytes: Uint8Array): SocketAddress[] {
  try {
    return decodeLocatorsValue(bytes);
  } catch (error) {
    if (error instanceof MalformedMessageError) return [];
    throw error;
  }
}
