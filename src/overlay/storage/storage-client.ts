import type { Clock } from '../../base/clock.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import {
  ERROR_CODES,
  type FetchAnswer,
  type StoredDataValue,
  type StoredMetaData,
  dataSignatureInput,
} from '../../reload/index.ts';
import { OverlayError } from '../errors.ts';
import { type Answer, type Requester, toNode, toResource } from '../requester.ts';
import type { Signing } from '../security/signing.ts';
import { READ, judge } from './admission.ts';
import type { Kind } from './kinds.ts';
import { type Wanted, specifierOf } from './selection.ts';
import type { ValueVerifier } from './value-verifier.ts';

export interface StoreSpec {
  readonly resource: ResourceId;
  readonly kind: number;
  /** What is stored; its model is the Kind's. `exists: false` takes a value away (RFC 6940 s7.4.1.3). */
  readonly value: StoredDataValue;
  readonly lifetimeS: number;
  /** The generation counter that is expected; 0n or absent: any. */
  readonly generation?: bigint;
  /** Milliseconds since the epoch: when another has written what it is to replace, by a clock that may be ahead. */
  readonly laterThan?: number;
}

export type StoreResult =
  | {
      readonly ok: true;
      readonly generation: bigint;
      /** Where else the responder keeps copies, as it says. */
      readonly replicas: readonly NodeId[];
      readonly responder: NodeId;
      readonly hops: number;
    }
  | { readonly ok: false; readonly error: OverlayError };

export interface FetchSpec extends Wanted {
  readonly resource: ResourceId;
  readonly kind: number;
  /** Whose copy is asked for; absent: that of the peer that is responsible. */
  readonly from?: NodeId;
}

/** A value that was proven: its signature is good and the signer may write it there. */
export interface FetchedValue {
  readonly value: StoredDataValue;
  readonly signer: { readonly nodeId: NodeId; readonly user: string | null };
  /** DER: the signer's certificate, which is good as long as the value is. */
  readonly certificate: Uint8Array | undefined;
  /** Milliseconds since the epoch, by the writer's clock. */
  readonly storageTime: number;
  /** Seconds that are left. */
  readonly lifetimeS: number;
}

export type FetchResult =
  | {
      readonly ok: true;
      /** Removed values (`exists: false`) are left out. */
      readonly values: readonly FetchedValue[];
      /** Who has taken its value away, as proven; for as long as that is remembered. */
      readonly removed: readonly {
        readonly nodeId: NodeId;
        readonly user: string | null;
        readonly storageTime: number;
        /** What stands in its place. */
        readonly value: StoredDataValue;
      }[];
      /** Values that came but were not proven. */
      readonly refused: number;
      readonly generation: bigint;
      readonly responder: NodeId;
      readonly hops: number;
    }
  | { readonly ok: false; readonly error: OverlayError };

export interface StatSpec {
  readonly resource: ResourceId;
  readonly kind: number;
}

/** What is at a place, as the peer says that answers: nothing of it is proven. */
export type StatResult =
  | { readonly ok: true; readonly values: readonly StoredMetaData[] }
  | { readonly ok: false; readonly error: OverlayError };

/** Stores in a row are dated ahead of the clock by so much at most. */
const BURST_MS = 1_000n;

/** Stores and fetches values anywhere in the overlay (RFC 6940 s7.4.1, s7.4.2). */
export class StorageClient {
  private readonly requester: Requester;
  private readonly signing: Signing;
  private readonly verifier: ValueVerifier;
  private readonly clock: Clock;
  private lastStorageTime = 0n;

  constructor(components: { requester: Requester; signing: Signing; verifier: ValueVerifier; clock: Clock }) {
    this.requester = components.requester;
    this.signing = components.signing;
    this.verifier = components.verifier;
    this.clock = components.clock;
  }

  /** @throws {TypeError} when the value does not fit the Kind, or the Kind is not one of the overlay. */
  store(spec: StoreSpec, now: number, done: (result: StoreResult, now: number) => void): void {
    const kind = this.knownKind(spec.kind);
    if (kind.dataModel !== spec.value.model)
      throw new TypeError(`values of ${kind.name} are of the model ${kind.dataModel}`);
    this.storeAt(spec, kind, this.nextStorageTime(BigInt(spec.laterThan ?? 0)), now, (result, at) => {
      const isTooOld = !result.ok && result.error.errorCode === ERROR_CODES.data_too_old;
      if (isTooOld && (spec.generation ?? 0n) === 0n) this.storeLater(spec, kind, result, at, done);
      else done(result, at);
    });
  }

  /**
   * What this node stored there before is later than its clock, which was set back: RFC 6940 s7.1 lets it "perform its
   * store using a storage_time that increments the value used with the previous store".
   */
  private storeLater(
    spec: StoreSpec,
    kind: Kind,
    refused: StoreResult,
    now: number,
    done: (result: StoreResult, now: number) => void,
  ): void {
    this.fetch({ resource: spec.resource, kind: kind.id }, now, (result, at) => {
      const own = (result.ok ? result.values : []).filter(({ signer }) => signer.nodeId === this.signing.self.nodeId);
      const latest = Math.max(0, ...own.map(({ storageTime }) => storageTime));
      if (latest < this.clock.wall()) done(refused, at);
      else this.storeAt(spec, kind, this.nextStorageTime(BigInt(latest)), at, done);
    });
  }

  private storeAt(
    { resource, value, lifetimeS, generation }: StoreSpec,
    kind: Kind,
    storageTime: bigint,
    now: number,
    done: (result: StoreResult, now: number) => void,
  ): void {
    const signature = this.signing.signValue((identity) =>
      dataSignatureInput(resource, kind.id, storageTime, value, identity),
    );
    const values = [{ storageTime, lifetime: lifetimeS, value, signature }];
    const kindData = [{ kind: kind.id, generationCounter: generation ?? 0n, values }];
    const body = { type: 'store_req' as const, resource, replicaNumber: 0, kindData };
    this.requester.request({ destination: [toResource(resource)], body }, now, (result, at) => {
      if (!result.ok) {
        done(result, at);
        return;
      }
      const response =
        result.body.type === 'store_ans' ? result.body.kindResponses.find((r) => r.kind === kind.id) : undefined;
      if (response === undefined) {
        done({ ok: false, error: unexpected('Store') }, at);
        return;
      }
      const { generationCounter, replicas } = response;
      done(
        { ok: true, generation: generationCounter, replicas, responder: result.signer.nodeId, hops: result.hops },
        at,
      );
    });
  }

  /** @throws {TypeError} when the Kind is not one of the overlay. */
  fetch(spec: FetchSpec, now: number, done: (result: FetchResult, now: number) => void): void {
    const kind = this.knownKind(spec.kind);
    const specifiers = [{ kind: kind.id, generation: 0n, specifier: specifierOf(kind, spec) }];
    const body = { type: 'fetch_req' as const, resource: spec.resource, specifiers };
    const destination = [spec.from === undefined ? toResource(spec.resource) : toNode(spec.from)];
    this.requester.request({ destination, body }, now, (result, at) => {
      if (!result.ok) {
        done(result, at);
        return;
      }
      if (result.body.type !== 'fetch_ans') {
        done({ ok: false, error: unexpected('Fetch') }, at);
        return;
      }
      done(this.proven(spec.resource, kind, result as Answer<FetchAnswer>), at);
    });
  }

  /** RFC 6940 s7.4.3. @throws {TypeError} when the Kind is not one of the overlay. */
  stat(spec: StatSpec, now: number, done: (result: StatResult, now: number) => void): void {
    const kind = this.knownKind(spec.kind);
    const specifiers = [{ kind: kind.id, generation: 0n, specifier: specifierOf(kind) }];
    const body = { type: 'stat_req' as const, resource: spec.resource, specifiers };
    this.requester.request({ destination: [toResource(spec.resource)], body }, now, (result, at) => {
      if (!result.ok) {
        done(result, at);
        return;
      }
      const response =
        result.body.type === 'stat_ans' ? result.body.kindResponses.find((entry) => entry.kind === kind.id) : undefined;
      if (response === undefined) done({ ok: false, error: unexpected('Stat') }, at);
      else done({ ok: true, values: response.values }, at);
    });
  }

  private proven(resource: ResourceId, kind: Kind, answer: Answer<FetchAnswer>): FetchResult {
    const response = answer.body.kindResponses.find((entry) => entry.kind === kind.id);
    if (response === undefined) return { ok: false, error: unexpected('Fetch') };
    const wallNow = this.clock.wall();
    const values: FetchedValue[] = [];
    const removed: (FetchResult & { ok: true })['removed'][number][] = [];
    let refused = 0;
    for (const data of response.values) {
      // s7.4.2.2: what does not exist may come unsigned; the answer as a whole is signed.
      if (!data.value.exists && data.signature.identity.type === 'none') continue;
      const signed = this.verifier.verify(resource, kind, data, answer.certificates, wallNow);
      const place = { current: undefined, countOfKind: 0, countOfWriter: 0, maxPerWriter: 1 };
      if (signed === undefined || judge(kind, signed, READ, place, wallNow) !== 'taken') refused += 1;
      else if (data.value.exists)
        values.push({
          value: data.value,
          signer: { nodeId: signed.signer.nodeId, user: signed.signer.user },
          certificate: signed.signer.chain[0],
          storageTime: Number(data.storageTime),
          lifetimeS: data.lifetime,
        });
      else {
        const { nodeId, user } = signed.signer;
        removed.push({ nodeId, user, storageTime: Number(data.storageTime), value: data.value });
      }
    }
    const { generation } = response;
    return { ok: true, values, removed, refused, generation, responder: answer.signer.nodeId, hops: answer.hops };
  }

  private knownKind(id: number): Kind {
    const kind = this.verifier.kind(id);
    if (kind === undefined) throw new TypeError(`Kind 0x${id.toString(16)} is not one of this overlay`);
    return kind;
  }

  /**
   * Later than what was stored a moment ago and than `than`, since an equal time would be refused as too old. A clock that
   * was set back is followed: what it said before may be refused as the future.
   */
  private nextStorageTime(than: bigint): bigint {
    const wall = BigInt(Math.floor(this.clock.wall()));
    const last = this.lastStorageTime - wall > BURST_MS ? 0n : this.lastStorageTime;
    const floor = last > than ? last : than;
    this.lastStorageTime = wall > floor ? wall : floor + 1n;
    return this.lastStorageTime;
  }
}

function unexpected(method: string): OverlayError {
  return new OverlayError(ERROR_CODES.invalid_message, `the answer to ${method} does not fit the request; try again`);
}
