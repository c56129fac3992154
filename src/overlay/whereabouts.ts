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
/** A move is told in one record when the addresses have settled. */
const SETTLE_MS = 1_000;
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

export interface WhereaboutsPorts {
  /** Where others reach us, best first. */
  own(): readonly SocketAddress[];
  /** Peers without a link to us, that we might come back through another time; best first. */
  strangers(): readonly Hit[];
  /** A peer has said where it is. */
  learned(hit: Hit, locators: readonly SocketAddress[]): void;
}

/**
 * Signed, short-lived records of where the peers are. A peer keeps its own in the overlay:
 *
 *   joined ──> storing ──> resting ──refresh, or we moved──> storing
 *                 └─failed──> pausing ──┘
 *
 * and everyone looks up those of some peers that it has no link to, so that it knows several ways back.
 */
export class Whereabouts implements Timed {
  private readonly overlay: WhereaboutsOverlay;
  private readonly ports: WhereaboutsPorts;
  private readonly random: Random;
  private readonly logger: Logger;
  private storing = false;
  private storeAt: number | undefined;
  private stored = '';
  private retryMs = RETRY_MS;
  private lookAt: number | undefined;

  constructor(components: { overlay: WhereaboutsOverlay; ports: WhereaboutsPorts; random: Random; logger: Logger }) {
    this.overlay = components.overlay;
    this.ports = components.ports;
    this.random = components.random;
    this.logger = components.logger;
    this.overlay.onEvent((event, now) => {
      if (event.type !== 'joined') return;
      this.storeAt = now + SETTLE_MS;
      this.lookAt = now + this.jittered(FIRST_LOOK_MS);
    });
  }

  /** Our addresses may be others now. */
  changed(now: number): void {
    if (this.describe() !== this.stored) this.storeAt = Math.min(this.storeAt ?? Infinity, now + SETTLE_MS);
  }

  /** Where a host says it is; empty: it is no peer, or nobody can tell. */
  lookup(hit: Hit, now: number, done: (locators: readonly SocketAddress[], now: number) => void): void {
    const resource = this.overlay.settings.ring.resourceIdOf(fromHex(hit));
    this.overlay.fetch({ resource, kind: IDLOC_LOCATORS.id }, now, (result, at) => {
      const value = result.ok ? result.values.find(({ signer }) => signer.nodeId === hit) : undefined;
      const locators = value === undefined ? [] : decoded(value.value.value);
      if (locators.length > 0) this.ports.learned(hit, locators);
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
      this.lookUpNext(this.ports.strangers().slice(0, MAX_LOOKED_UP), now);
    }
    if (this.storeAt !== undefined && this.storeAt <= now && !this.storing) this.store(now);
  }

  private lookUpNext([first, ...rest]: readonly Hit[], now: number): void {
    if (first !== undefined) this.lookup(first, now, (_, at) => this.lookUpNext(rest, at));
  }

  private store(now: number): void {
    this.storeAt = undefined;
    // Clients are found through the peers that are responsible for them: nobody is told where they are.
    const exists = this.overlay.role === 'peer' && this.ports.own().length > 0;
    if (!exists && this.stored === '') return;
    this.storing = true;
    const said = exists ? this.describe() : '';
    const value = exists ? encodeLocatorsValue(this.ports.own()) : new Uint8Array();
    const resource = this.overlay.settings.ring.resourceIdOf(fromHex(this.overlay.nodeId));
    this.overlay.store(
      { resource, kind: IDLOC_LOCATORS.id, value: { model: 'single', exists, value }, lifetimeS: LIFETIME_S },
      now,
      (result, at) => {
        this.storing = false;
        if (result.ok) this.stored = said;
        else this.logger.debug('locators not stored', { err: result.error.message });
        // A change during the store has set an earlier time.
        this.storeAt ??= at + (result.ok ? this.jittered(REFRESH_MS) : this.retryMs);
        this.retryMs = result.ok ? RETRY_MS : Math.min(this.retryMs * 2, MAX_RETRY_MS);
      },
    );
  }

  private describe(): string {
    return this.ports.own().slice(0, MAX_LOCATORS).map(formatSocketAddress).join();
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
