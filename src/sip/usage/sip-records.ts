import { ByteWriter, fromHex } from '../../base/bytes.ts';
import type { Timed } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { NodeId } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import type { OverlayNode } from '../../overlay/overlay-node.ts';
import { type Kind, SIP_REGISTRATION } from '../../overlay/storage/kinds.ts';
import { ERROR_CODES, encodeSipRegistration } from '../../reload/index.ts';

// Implementation constants.

/** So long a host that crashed is still called: short, since callers wait for it. Three refreshes fit, and the clocks of two hosts. */
const LIFETIME_S = 600;
/** Of the life of a record, from one refresh to the next. */
const REFRESHES = 3;
/** A phone that starts takes its old binding away and makes another one: both in one record. */
const SETTLE_MS = 300;
/** Between two writes, whatever phones do. */
const MIN_PAUSE_MS = 2_000;
/** Phones register within minutes of the host's start, and those of before are restored: then what a former life stored is no more true. */
const FORMER_LIFE_MS = 120_000;
/** After a store or fetch that failed; doubled each time. */
const RETRY_MS = { least: 2_000, most: 120_000 } as const;

/** Peers of earlier versions keep no such records. */
const SAYS_NONE: ReadonlySet<number> = new Set([ERROR_CODES.not_found, ERROR_CODES.unknown_kind]);

/** What the record is written through: an OverlayNode. */
export type SipRecordsOverlay = Pick<
  OverlayNode,
  'nodeId' | 'user' | 'state' | 'settings' | 'store' | 'fetch' | 'onEvent'
>;

export interface SipRecordsPorts {
  /** Of this host's user: what its phones would have of callers (RFC 3840, may be empty); undefined: no phone is registered. */
  own(): string | undefined;
}

/** What is stored at the user's name under our Node-ID. */
export interface UserRecord {
  readonly kind: Kind;
  /** Absent: ten minutes. */
  readonly lifetimeS?: number;
  encode(own: string, self: NodeId): Uint8Array;
}

const REGISTRATION: UserRecord = {
  kind: SIP_REGISTRATION,
  encode: (contactPrefs, nodeId) => {
    const writer = new ByteWriter();
    const destinationList = [{ type: 'node' as const, nodeId }];
    encodeSipRegistration(writer, { type: 'route', contactPrefs, destinationList });
    return writer.finish();
  },
};

/**
 * This host's SIP-REGISTRATION (RFC 7904 s3.1), at the user's name under our Node-ID, for as long as a phone is registered here:
 *
 *   joined ──> writing ──> resting ──refresh, the first phone or the last one gone──> writing
 *                 └─failed──> pausing ──┘
 *
 * A record of a former life is taken away when no phone has registered for a while.
 */
export class SipRecords implements Timed {
  private readonly overlay: SipRecordsOverlay;
  private readonly ports: SipRecordsPorts;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly record: UserRecord;
  private readonly lifetimeS: number;
  private writing = false;
  private writeAt: number | undefined;
  private notBefore = -Infinity;
  private retryMs: number = RETRY_MS.least;
  /** The AoR and what our record there says; empty: there is none. Undefined: one of a former life may be there. */
  private stored: string | undefined;
  private formerLifeUntil = Infinity;
  private resigned = false;

  /** @param record another one that is kept in the same way */
  constructor(
    components: { overlay: SipRecordsOverlay; ports: SipRecordsPorts; random: Random; logger: Logger },
    record: UserRecord = REGISTRATION,
  ) {
    this.record = record;
    this.lifetimeS = record.lifetimeS ?? LIFETIME_S;
    this.overlay = components.overlay;
    this.ports = components.ports;
    this.random = components.random;
    this.logger = components.logger;
    this.overlay.onEvent((event, now) => {
      if (event.type === 'joined') this.joined(now);
    });
  }

  /** Whether the overlay has it as it is now. */
  get isStored(): boolean {
    return this.stored === this.describe();
  }

  /** Phones may have come or gone, or the user has another name. */
  changed(now: number): void {
    if (this.resigned || this.overlay.state !== 'joined') return;
    const said = this.describe();
    if (said === this.stored) return;
    const waits = said === '' && this.stored === undefined;
    this.writeBy(waits ? this.formerLifeUntil : now + SETTLE_MS);
  }

  /** Takes the record off the name that the certificate still has: after that it could not. Signed at once. */
  releaseName(now: number): void {
    const { user } = this.overlay;
    if (user === null || this.stored === '') return;
    this.stored = '';
    this.logger.debug('record released', { kind: this.record.kind.name, user });
    this.store(user, undefined, now, () => {});
  }

  /** Before we leave for good. @param done whether nothing of ours is left */
  giveBack(now: number, done: (complete: boolean) => void): void {
    this.resigned = true;
    this.writeAt = undefined;
    const { user } = this.overlay;
    if (user === null || this.stored === '') done(true);
    else this.store(user, undefined, now, done);
  }

  nextTimeout(): number | undefined {
    return this.overlay.state === 'joined' && !this.writing ? this.writeAt : undefined;
  }

  handleTimeout(now: number): void {
    if (this.overlay.state !== 'joined' || this.writing) return;
    if (this.writeAt === undefined || this.writeAt > now) return;
    this.writeAt = undefined;
    const { user } = this.overlay;
    const said = this.describe();
    if (user === null || (said === '' && this.stored === '')) return;
    if (said === '' && this.stored === undefined) {
      if (now < this.formerLifeUntil) this.writeBy(this.formerLifeUntil);
      else this.lookForOld(user, now);
      return;
    }
    this.write(user, said === '' ? undefined : this.ports.own(), said, now);
  }

  /** What was stored may be gone with the peers that had it. */
  private joined(now: number): void {
    if (this.stored !== '') this.stored = undefined;
    this.formerLifeUntil = now + this.jittered(FORMER_LIFE_MS);
    this.changed(now);
  }

  private describe(): string {
    const { user } = this.overlay;
    const own = user === null ? undefined : this.ports.own();
    return user === null || own === undefined ? '' : `${user} ${own}`;
  }

  private writeBy(at: number): void {
    this.writeAt = Math.min(this.writeAt ?? Infinity, Math.max(at, this.notBefore));
  }

  /** One fetch tells whether a former life has left a record. */
  private lookForOld(user: string, now: number): void {
    this.writing = true;
    const { nodeId, settings } = this.overlay;
    const spec = { resource: settings.ring.resourceIdOf(user), kind: this.record.kind.id, keys: [fromHex(nodeId)] };
    this.overlay.fetch(spec, now, (result, at) => {
      const isOurs = result.ok && result.values.some(({ signer }) => signer.nodeId === nodeId);
      const isNone = result.ok || SAYS_NONE.has(result.error.errorCode);
      if (isOurs && this.describe() === '') this.write(user, undefined, '', at);
      else this.written('', isNone && !isOurs, at);
    });
  }

  private write(user: string, preferences: string | undefined, said: string, now: number): void {
    this.writing = true;
    this.store(user, preferences, now, (ok, at) => this.written(said, ok, at));
  }

  private written(said: string, ok: boolean, now: number): void {
    this.writing = false;
    if (ok) this.stored = said;
    this.notBefore = now + (ok ? MIN_PAUSE_MS : this.retryMs);
    this.retryMs = ok ? RETRY_MS.least : Math.min(this.retryMs * 2, RETRY_MS.most);
    if (this.resigned) return;
    if (!ok) this.writeBy(this.notBefore);
    else if (said !== '') this.writeBy(now + this.jittered((this.lifetimeS * 1000) / REFRESHES));
    this.changed(now);
  }

  private store(
    user: string,
    preferences: string | undefined,
    now: number,
    done: (ok: boolean, now: number) => void,
  ): void {
    const { nodeId, settings } = this.overlay;
    const value = preferences === undefined ? new Uint8Array() : this.record.encode(preferences, nodeId);
    const spec = {
      resource: settings.ring.resourceIdOf(user),
      kind: this.record.kind.id,
      value: { model: 'dictionary' as const, key: fromHex(nodeId), exists: preferences !== undefined, value },
      lifetimeS: this.lifetimeS,
    };
    this.overlay.store(spec, now, (result, at) => {
      if (!result.ok)
        this.logger.debug('record not stored', { kind: this.record.kind.name, err: result.error.message });
      done(result.ok, at);
    });
  }

  private jittered(ms: number): number {
    return ms * (0.75 + this.random.float() / 2);
  }
}
