import { ByteWriter, concatBytes, fromHex } from '../base/bytes.ts';
import type { Timed } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { NodeId, ResourceId } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { encodeTurnServer } from '../reload/index.ts';
import type { Ring } from './chord/ring.ts';
import type { OverlayNode } from './overlay-node.ts';
import { TURN_SERVICE } from './storage/kinds.ts';

// Specification: RFC 6940 s9.

/** "NODE-MULTIPLE, with a maximum iteration of counter 20." */
const MAX_ITERATION = 20;

// Implementation constants.

/** A replay of a record that was taken away works no longer than this. */
const LIFETIME_S = 3_600;
const REFRESH_MS = 1_200_000;
/** After we came in: names and addresses have to be stored too. */
const FIRST_STORE_MS = 3_000;
const SETTLE_MS = 1_000;
const RETRY_MS = 10_000;
const MAX_RETRY_MS = 300_000;

/** What records are written through: an OverlayNode. */
export type TurnRecordsOverlay = Pick<OverlayNode, 'nodeId' | 'state' | 'settings' | 'store' | 'fetch' | 'onEvent'>;

export interface TurnRecordsPorts {
  /** Where this host is a TURN server for members; undefined: it is none, now. */
  own(): SocketAddress | undefined;
  /** This host serves no more, says its configuration: what a former life of it has stored goes. */
  readonly isOff: boolean;
  /** turn-density of the configuration document: how many records each server keeps. 0: none is to be found. */
  density(): number;
}

/**
 * Our records as a TURN server of the overlay (RFC 6940 s9), one at each H(Node-ID || d), d from 1 to turn-density:
 *
 *   joined ──> writing ──> resting ──refresh, or another address, density or none──> writing
 *                 └─failed──> pausing ──┘
 *
 * A host that has been told to serve no more takes away what a former life of it has left.
 */
export class TurnRecords implements Timed {
  private readonly overlay: TurnRecordsOverlay;
  private readonly ports: TurnRecordsPorts;
  private readonly random: Random;
  private readonly logger: Logger;
  private writing = false;
  private writeAt: number | undefined;
  private notBefore = -Infinity;
  private retryMs = RETRY_MS;
  /** What our records say; empty: there are none. Undefined: those of a former life may be there. */
  private stored: string | undefined;
  /** Records from d = 1 on that may be there. */
  private count = 0;
  private resigned = false;

  constructor(components: { overlay: TurnRecordsOverlay; ports: TurnRecordsPorts; random: Random; logger: Logger }) {
    this.overlay = components.overlay;
    this.ports = components.ports;
    this.random = components.random;
    this.logger = components.logger;
    this.stored = this.ports.isOff ? undefined : '';
    this.overlay.onEvent((event, now) => {
      if (event.type !== 'joined' || this.describe() === this.stored) return;
      this.notBefore = now + this.jittered(FIRST_STORE_MS);
      this.changed(now);
    });
  }

  /** Our address may be another one, whether we are in the open, or the density. */
  changed(now: number): void {
    if (this.resigned || this.overlay.state !== 'joined' || this.describe() === this.stored) return;
    this.writeAt = Math.min(this.writeAt ?? Infinity, Math.max(now + SETTLE_MS, this.notBefore));
  }

  /** Before we leave for good. @param done whether nothing of ours is left */
  giveBack(now: number, done: (complete: boolean) => void): void {
    this.resigned = true;
    this.writeAt = undefined;
    this.write(undefined, 0, now, (ok) => done(ok));
  }

  nextTimeout(): number | undefined {
    return this.overlay.state === 'joined' && !this.writing ? this.writeAt : undefined;
  }

  handleTimeout(now: number): void {
    if (this.overlay.state !== 'joined' || this.writing) return;
    if (this.writeAt === undefined || this.writeAt > now) return;
    this.writeAt = undefined;
    this.writing = true;
    const said = this.describe();
    if (said === '' && this.stored === undefined) this.lookForOld(now);
    else this.write(this.ports.own(), this.density, now, (ok, at) => this.written(said, ok, at));
  }

  private get density(): number {
    return Math.min(this.ports.density(), MAX_ITERATION);
  }

  private describe(): string {
    const own = this.ports.own();
    return own === undefined || this.density === 0 ? '' : `${formatSocketAddress(own)} ${this.density}`;
  }

  /** One fetch tells whether a former life was a server. */
  private lookForOld(now: number): void {
    const resource = turnServiceResource(this.overlay.settings.ring, this.overlay.nodeId, 1);
    this.overlay.fetch({ resource, kind: TURN_SERVICE.id }, now, (result, at) => {
      const isOurs = result.ok && result.values.some(({ signer }) => signer.nodeId === this.overlay.nodeId);
      if (!isOurs) {
        this.written('', true, at);
        return;
      }
      this.count = Math.max(1, this.density);
      this.write(undefined, 0, at, (ok, later) => this.written('', ok, later));
    });
  }

  private written(said: string, ok: boolean, now: number): void {
    this.writing = false;
    if (ok) this.stored = said;
    this.notBefore = now + (ok ? SETTLE_MS : this.retryMs);
    this.retryMs = ok ? RETRY_MS : Math.min(this.retryMs * 2, MAX_RETRY_MS);
    if (this.resigned) return;
    if (!ok) this.writeAt = this.notBefore;
    else if (said !== '') this.writeAt = now + this.jittered(REFRESH_MS);
    this.changed(now);
  }

  /** One after the other, those beyond `density` are taken away. */
  private write(
    own: SocketAddress | undefined,
    density: number,
    now: number,
    done: (ok: boolean, now: number) => void,
  ): void {
    const kept = own === undefined ? 0 : density;
    const last = Math.max(kept, this.count);
    this.count = last;
    const next = (d: number, at: number): void => {
      // What is taken away meanwhile must not come back behind it.
      if (this.resigned && kept > 0) {
        done(false, at);
        return;
      }
      if (d > last) {
        this.count = kept;
        done(true, at);
        return;
      }
      const value = own !== undefined && d <= kept ? encoded(d, own) : undefined;
      this.store(d, value, at, (ok, later) => (ok ? next(d + 1, later) : done(false, later)));
    };
    next(1, now);
  }

  private store(d: number, value: Uint8Array | undefined, now: number, done: (ok: boolean, now: number) => void): void {
    const { ring } = this.overlay.settings;
    const resource = turnServiceResource(ring, this.overlay.nodeId, d);
    const stored = { model: 'single' as const, exists: value !== undefined, value: value ?? new Uint8Array() };
    this.overlay.store({ resource, kind: TURN_SERVICE.id, value: stored, lifetimeS: LIFETIME_S }, now, (result, at) => {
      if (!result.ok) this.logger.debug('TURN-SERVICE not stored', { err: result.error.message });
      done(result.ok, at);
    });
  }

  private jittered(ms: number): number {
    return ms * (0.75 + this.random.float() / 2);
  }
}

/** RFC 6940 s9: "concatenating its Node-ID and the value d", which is one byte as in the record. */
export function turnServiceResource(ring: Ring, nodeId: NodeId, d: number): ResourceId {
  return ring.resourceIdOf(concatBytes(fromHex(nodeId), Uint8Array.of(d)));
}

function encoded(iteration: number, address: SocketAddress): Uint8Array {
  const writer = new ByteWriter();
  encodeTurnServer(writer, { iteration, address });
  return writer.finish();
}
