import type { Clock, Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { ResourceId } from '../../base/node-id.ts';
import { CERTIFICATE_TYPE_X509, type StoredData } from '../../reload/index.ts';
import type { PlaceView, SignedValue } from './admission.ts';
import type { Inquiry } from './inquiry.ts';
import type { Kind } from './kinds.ts';
import { unpack } from './packed-data.ts';
import type { Replicator } from './replicator.ts';
import type { ResourceStore } from './resource-store.ts';
import type { KeptValue, ValueChange, ValueFile, ValuePlace } from './value-file.ts';
import type { ValueVerifier } from './value-verifier.ts';

// Implementation constants.

/** Changes that come together, copies of a neighbour say, are one transaction. A crash costs what came last: others have it. */
const WRITE_DELAY_MS = 250;
/** The file is being brought to the disk, or the disk is full; doubled each time. */
const RETRY_MS = { least: 100, most: 30_000 } as const;
/** Too many claims are being asked about at once. */
const PAUSE_MS = 100;
/** Each costs a signature check, and a certificate that is new one more. */
const VALUES_PER_READ = 16;
const CHANGES_PER_WRITE = 64;
/** Of a turn of the event loop. */
const TURN_MS = 4;

/** A copy of unknown standing: it proves itself by its signature, and yields to whatever is later. */
const COPY = { isOriginal: false, knowsPlace: false, decides: false };
const ASKED = { ...COPY, knowsPlace: true };

export interface ValueKeeperComponents {
  readonly file: ValueFile;
  readonly store: ResourceStore;
  readonly replicator: Pick<Replicator, 'restored' | 'stored'>;
  readonly place: Pick<PlaceView, 'isResponsibleFor'>;
  readonly verifier: Pick<ValueVerifier, 'kind' | 'verify'>;
  readonly incumbents: Pick<Inquiry, 'ask' | 'isFull'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Lets what a peer stores outlive a restart: what changes in the store is written a moment later, and what a former life has
 * left is offered to the store once this node is a peer in the ring.
 *
 *   waiting ──start──> restoring ──no more──> keeping <──> writing, a moment after a change
 *
 * Nothing is written before: what a neighbour hands over may be older than what the file has of it.
 *
 * What was left is believed no more than a copy that some peer sends, with its signature checked, its certificate trusted now, and
 * by RFC 6940 s7.4.1.1 only where nothing later is. So this peer brings nothing back that was replaced or removed meanwhile: the
 * successor has handed over its range before it is in the ring, a removal is remembered as long as anything before it may live
 * (`endOf`), and whoever gets a copy from here judges it the same way. A claim says nothing about whether it was given back since: the
 * peer that is responsible restores it, where nothing stands, after it has asked those that keep copies.
 */
export class ValueKeeper implements Timed {
  private readonly file: ValueFile;
  private readonly store: ResourceStore;
  private readonly replicator: Pick<Replicator, 'restored' | 'stored'>;
  private readonly place: Pick<PlaceView, 'isResponsibleFor'>;
  private readonly verifier: Pick<ValueVerifier, 'kind' | 'verify'>;
  private readonly incumbents: Pick<Inquiry, 'ask' | 'isFull'>;
  private readonly clock: Clock;
  private readonly logger: Logger;
  /** Where file and store may differ. */
  private readonly changed = new Map<string, ValuePlace>();
  private writeAt: number | undefined;
  private readAt: number | undefined;
  private isKeeping = false;
  private retryMs: number = RETRY_MS.least;
  private last: ValuePlace | undefined;
  private restored = 0;

  constructor(components: ValueKeeperComponents) {
    this.file = components.file;
    this.store = components.store;
    this.replicator = components.replicator;
    this.place = components.place;
    this.verifier = components.verifier;
    this.incumbents = components.incumbents;
    this.clock = components.clock;
    this.logger = components.logger;
    this.store.onChange((place) => this.differs(place));
  }

  /** This node is a peer in the ring, and the time is known. */
  start(now: number): void {
    if (this.readAt !== undefined || this.isKeeping) return;
    this.last = undefined;
    this.restored = 0;
    this.readAt = now;
  }

  /** Somebody asks for a resource, or stores there: it is restored now, as far as one turn has time for. */
  hurry(resource: ResourceId, now: number): void {
    if (this.readAt === undefined || (this.last !== undefined && this.last.resource > resource)) return;
    const values = this.file.read({ resource, kind: -1, key: '' }, VALUES_PER_READ);
    if (values === 'lost') {
      this.lost();
      return;
    }
    for (const value of values) if (value.resource === resource) this.offer(value, now);
  }

  /** It is no peer any more: its store is empty, and others have what was in it. */
  clear(): void {
    this.readAt = undefined;
    this.writeAt = undefined;
    this.isKeeping = true;
    this.changed.clear();
    this.file.clear();
  }

  /** Before the process ends: writes what is not written yet. */
  flush(): void {
    while (this.isKeeping && this.changed.size > 0 && this.write() > 0);
  }

  nextTimeout(): number | undefined {
    return this.isKeeping ? this.writeAt : this.readAt;
  }

  handleTimeout(now: number): void {
    if (!this.isKeeping) {
      if (this.readAt !== undefined && this.readAt <= now) this.readAt = this.restore(now);
    } else if (this.writeAt !== undefined && this.writeAt <= now) {
      const isTaken = this.write() > 0;
      this.retryMs = isTaken ? RETRY_MS.least : Math.min(this.retryMs * 2, RETRY_MS.most);
      this.writeAt = this.changed.size === 0 ? undefined : isTaken ? now : now + this.retryMs;
    }
  }

  private differs(place: ValuePlace): void {
    this.changed.set(nameOf(place), place);
    this.writeAt ??= this.clock.monotonic() + WRITE_DELAY_MS;
  }

  /** @returns how many changes are written */
  private write(): number {
    const changes: ValueChange[] = [];
    for (const place of this.changed.values()) {
      if (changes.length === CHANGES_PER_WRITE) break;
      changes.push({ place, value: this.store.kept(place, this.clock) });
    }
    const taken = this.file.write(changes);
    if (taken === 'lost') {
      this.lost();
      return 0;
    }
    for (const { place } of changes.slice(0, taken)) this.changed.delete(nameOf(place));
    return taken;
  }

  /** The file is empty: it gets all that there is. */
  private lost(): void {
    this.readAt = undefined;
    this.isKeeping = true;
    this.changed.clear();
    for (const place of this.store.places()) this.differs(place);
  }

  /** A part of what the file holds. @returns when the next one follows */
  private restore(now: number): number | undefined {
    const values = this.file.read(this.last, VALUES_PER_READ);
    if (values === 'lost') {
      this.lost();
      return undefined;
    }
    for (const value of values) {
      if (this.incumbents.isFull) return now + PAUSE_MS;
      this.last = placeOf(value);
      this.offer(value, now);
      if (this.clock.monotonic() - now > TURN_MS) return now;
    }
    if (values.length === VALUES_PER_READ) return now;
    this.logger.debug('stored values restored', { count: this.restored });
    this.isKeeping = true;
    return undefined;
  }

  private offer(value: KeptValue, now: number): void {
    const kind = this.verifier.kind(value.kind);
    const signed = kind && this.proven(kind, value);
    // What is not taken leaves the file.
    this.differs(placeOf(value));
    if (kind === undefined || signed === undefined) return;
    if (kind.accessPolicy === 'FIRST-CLAIM' || kind.accessPolicy === 'INVITER-CLAIM')
      this.offerClaim(kind, signed, value, now);
    else this.take(kind, signed, value, COPY, now);
  }

  private proven(kind: Kind, value: KeptValue): SignedValue | undefined {
    const wallNow = this.clock.wall();
    const lifetime = Math.floor((value.expiresAt - wallNow) / 1000);
    if (lifetime <= 0) return undefined;
    let data: StoredData;
    try {
      data = unpack(value.packed, kind.dataModel);
    } catch {
      return undefined;
    }
    const bucket = value.chain.map((certificate) => ({ type: CERTIFICATE_TYPE_X509, certificate }));
    return this.verifier.verify(value.resource, kind, { ...data, lifetime }, bucket, wallNow);
  }

  private take(kind: Kind, signed: SignedValue, value: KeptValue, origin: typeof COPY, now: number): void {
    const { resource, generation } = value;
    const offered = [{ kind, generation, values: [signed] }];
    const { verdicts } = this.store.offer(resource, offered, origin, now, this.clock.wall());
    if (verdicts[0]?.[0] !== 'taken') return;
    this.restored += 1;
    this.replicator.restored(resource, now);
    // As it is in the file already.
    this.changed.delete(nameOf(value));
  }

  private offerClaim(kind: Kind, signed: SignedValue, value: KeptValue, now: number): void {
    const { resource } = value;
    const isFree = (at: number): boolean =>
      this.place.isResponsibleFor(resource) && !this.store.has(resource, kind.id, at);
    if (!isFree(now)) return;
    this.incumbents.ask(resource, kind, now, (found, at) => {
      if (!isFree(at)) return;
      for (const other of found)
        this.store.offer(resource, [{ kind, generation: 0n, values: [other] }], ASKED, at, this.clock.wall());
      if (found.length > 0) this.replicator.stored(resource, at);
      if (isFree(at)) this.take(kind, signed, value, ASKED, at);
    });
  }
}

function placeOf({ resource, kind, key }: ValuePlace): ValuePlace {
  return { resource, kind, key };
}

function nameOf({ resource, kind, key }: ValuePlace): string {
  return `${resource}/${kind}/${key}`;
}
