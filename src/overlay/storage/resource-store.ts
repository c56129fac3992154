import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { ARRAY_INDEX_LAST, ERROR_CODES, type StoredData, type StoredDataValue } from '../../reload/index.ts';
import { toHex } from '../../base/bytes.ts';
import { MAX_CLOCK_SKEW_MS, MAX_LIFETIME_S } from '../constants.ts';
import type { Signer } from '../security/certificate-cache.ts';
import { claimOf, claimWins } from './access.ts';
import type { Kind } from './kinds.ts';

/** A value with who wrote it; signature and right to write were checked. */
export interface SignedValue {
  readonly data: StoredData;
  readonly signer: Signer;
}

interface Entry extends SignedValue {
  readonly bytes: number;
  readonly receivedAt: number;
  /** Monotonic time. */
  readonly expiresAt: number;
}

interface KindData {
  readonly kind: Kind;
  generation: bigint;
  readonly entries: Map<string, Entry>;
}

export interface Resource {
  readonly id: ResourceId;
  readonly kinds: Map<number, KindData>;
  /** This peer was or is responsible: it sees to it that the right peers have copies. */
  own: boolean;
  /** Goes up with every change. */
  revision: number;
  /** Who is known to have which revision. */
  readonly holders: Map<NodeId, number>;
}

export interface KindValues {
  readonly kind: Kind;
  /** 0: not given. */
  readonly generation: bigint;
  readonly values: readonly SignedValue[];
}

export type StoreOutcome =
  | { readonly ok: true; readonly generations: ReadonlyMap<number, bigint> }
  | { readonly ok: false; readonly errorCode: number };

/** What is stored here for the overlay (RFC 6940 s7): bounded in bytes, in values of a writer and in values of a Kind. */
export class ResourceStore {
  private readonly resources = new Map<ResourceId, Resource>();
  private readonly valuesOf = new Map<NodeId, number>();
  private readonly maxBytes: number;
  private readonly maxPerWriter: number;
  private used = 0;

  constructor(options: { maxBytes: number; maxPerWriter: number }) {
    this.maxBytes = options.maxBytes;
    this.maxPerWriter = options.maxPerWriter;
  }

  get size(): number {
    return this.resources.size;
  }

  get bytes(): number {
    return this.used;
  }

  all(): IterableIterator<Resource> {
    return this.resources.values();
  }

  find(resource: ResourceId): Resource | undefined {
    return this.resources.get(resource);
  }

  /** The generation counter of a Kind; 0 when nothing was stored. */
  generation(resource: ResourceId, kind: number): bigint {
    return this.resources.get(resource)?.kinds.get(kind)?.generation ?? 0n;
  }

  /** Values that have not expired, with the lifetime that is left (s7.4.1.1). */
  values(resource: ResourceId, kind: number, now: number): SignedValue[] {
    const entries = this.resources.get(resource)?.kinds.get(kind)?.entries.values() ?? [];
    const out: SignedValue[] = [];
    for (const entry of entries) {
      if (entry.expiresAt <= now) continue;
      const lifetime = Math.max(1, entry.data.lifetime - Math.floor((now - entry.receivedAt) / 1000));
      out.push({ data: { ...entry.data, lifetime }, signer: entry.signer });
    }
    return out;
  }

  /** An original store (s7.4.1.1): all of it or nothing. */
  store(resource: ResourceId, kinds: readonly KindValues[], now: number, wallNow: number): StoreOutcome {
    for (const { kind, generation, values } of kinds) {
      const current = this.generation(resource, kind.id);
      if (generation !== 0n && generation !== current)
        return { ok: false, errorCode: ERROR_CODES.generation_counter_too_low };
      const refused = this.checkOriginal(resource, kind, values, now, wallNow);
      if (refused !== undefined) return { ok: false, errorCode: refused };
    }
    return this.apply(resource, kinds, now, (current) => current + 1n);
  }

  /**
   * A copy from another peer: each value that is newer replaces ours, the others are left alone (the merging rule of
   * s7.4.1.1). Fails with Data_Too_Old when this peer has something better, which the sender should then fetch.
   */
  merge(resource: ResourceId, kinds: readonly KindValues[], now: number, wallNow: number): StoreOutcome {
    const better: SignedValue[] = [];
    const taken = kinds.map(({ kind, generation, values }) => {
      const verdicts = values.map((value) => this.compare(resource, kind, value, now));
      better.push(...values.filter((_, i) => verdicts[i] === 'worse'));
      return {
        kind,
        generation,
        values: values.filter(
          (value, i) => verdicts[i] === 'better' && this.isAcceptable(kind, value, wallNow) === undefined,
        ),
      };
    });
    const outcome = this.apply(resource, taken, now, (current, given) => (given > current ? given : current));
    return outcome.ok && better.length > 0 ? { ok: false, errorCode: ERROR_CODES.data_too_old } : outcome;
  }

  remove(resource: ResourceId): void {
    const found = this.resources.get(resource);
    if (found === undefined) return;
    for (const { entries } of found.kinds.values()) for (const entry of entries.values()) this.forget(entry);
    this.resources.delete(resource);
  }

  /** Takes out what has expired. */
  sweep(now: number): void {
    for (const resource of [...this.resources.values()]) {
      for (const [id, kindData] of resource.kinds) {
        for (const [key, entry] of kindData.entries)
          if (entry.expiresAt <= now) {
            kindData.entries.delete(key);
            this.forget(entry);
          }
        if (kindData.entries.size === 0) resource.kinds.delete(id);
      }
      if (resource.kinds.size === 0) this.resources.delete(resource.id);
    }
  }

  private checkOriginal(
    resource: ResourceId,
    kind: Kind,
    values: readonly SignedValue[],
    now: number,
    wallNow: number,
  ): number | undefined {
    const entries = this.resources.get(resource)?.kinds.get(kind.id)?.entries;
    const keys = new Set<string>();
    for (const [key, { expiresAt }] of entries ?? []) if (expiresAt > now) keys.add(key);
    const added = new Map<NodeId, number>();
    for (const value of values) {
      const refused = this.isAcceptable(kind, value, wallNow);
      if (refused !== undefined) return refused;
      const key = entryKey(value.data.value, entries);
      const old = entries?.get(key);
      if (old !== undefined && old.expiresAt > now) {
        if (kind.accessPolicy === 'FIRST-CLAIM' && isForeignClaim(old, value)) return ERROR_CODES.forbidden;
        if (old.data.storageTime >= value.data.storageTime) return ERROR_CODES.data_too_old;
      } else added.set(value.signer.nodeId, (added.get(value.signer.nodeId) ?? 0) + 1);
      keys.add(key);
    }
    if (keys.size > kind.maxCount) return ERROR_CODES.data_too_large;
    for (const [writer, count] of added)
      if ((this.valuesOf.get(writer) ?? 0) + count > this.maxPerWriter) return ERROR_CODES.data_too_large;
    return undefined;
  }

  /** Bounds that hold for originals and copies. */
  private isAcceptable(kind: Kind, { data }: SignedValue, wallNow: number): number | undefined {
    if (data.value.model !== kind.dataModel) return ERROR_CODES.invalid_message;
    if (data.value.value.length > kind.maxSize) return ERROR_CODES.data_too_large;
    if (data.storageTime > BigInt(Math.floor(wallNow + MAX_CLOCK_SKEW_MS))) return ERROR_CODES.forbidden;
    if (data.lifetime === 0 || data.lifetime > MAX_LIFETIME_S) return ERROR_CODES.forbidden;
    return undefined;
  }

  private compare(resource: ResourceId, kind: Kind, value: SignedValue, now: number): 'better' | 'same' | 'worse' {
    const entries = this.resources.get(resource)?.kinds.get(kind.id)?.entries;
    const old = entries?.get(entryKey(value.data.value, undefined));
    if (old === undefined || old.expiresAt <= now) return 'better';
    if (kind.accessPolicy === 'FIRST-CLAIM' && old.signer.nodeId !== value.signer.nodeId) {
      const ours = claimOf(old.data.value);
      const theirs = claimOf(value.data.value);
      // What was given back gives way to a claim.
      if (ours === undefined || theirs === undefined) return theirs === undefined ? 'worse' : 'better';
      return claimWins(theirs, ours) ? 'better' : 'worse';
    }
    if (old.data.storageTime === value.data.storageTime) return 'same';
    return value.data.storageTime > old.data.storageTime ? 'better' : 'worse';
  }

  private apply(
    id: ResourceId,
    kinds: readonly KindValues[],
    now: number,
    nextGeneration: (current: bigint, given: bigint) => bigint,
  ): StoreOutcome {
    const size = kinds.reduce((sum, { values }) => sum + values.reduce((n, { data }) => n + sizeOf(data), 0), 0);
    if (this.used + size > this.maxBytes) return { ok: false, errorCode: ERROR_CODES.data_too_large };
    const generations = new Map<number, bigint>();
    let resource = this.resources.get(id);
    for (const { kind, generation, values } of kinds) {
      if (values.length > 0) {
        resource ??= this.make(id);
        let kindData = resource.kinds.get(kind.id);
        if (kindData === undefined) {
          kindData = { kind, generation: 0n, entries: new Map() };
          resource.kinds.set(kind.id, kindData);
        }
        for (const value of values) this.put(kindData, value, now);
        // Copies of an array may come from several peers: its bound holds for them too.
        this.trim(kindData);
        const next = nextGeneration(kindData.generation, generation);
        kindData.generation = next > 0n ? next : 1n;
        resource.revision += 1;
      }
      generations.set(kind.id, this.generation(id, kind.id));
    }
    return { ok: true, generations };
  }

  private make(id: ResourceId): Resource {
    const resource: Resource = { id, kinds: new Map(), own: false, revision: 0, holders: new Map() };
    this.resources.set(id, resource);
    return resource;
  }

  private put(kindData: KindData, { data, signer }: SignedValue, now: number): void {
    const key = entryKey(data.value, kindData.entries);
    const value = data.value.model === 'array' ? { ...data.value, index: Number(key) } : data.value;
    const old = kindData.entries.get(key);
    if (old !== undefined) this.forget(old);
    const entry: Entry = {
      // Copies of the bytes: the message that they came in must not stay in memory for them.
      data: detach({ ...data, value }),
      signer,
      bytes: sizeOf(data),
      receivedAt: now,
      expiresAt: now + data.lifetime * 1000,
    };
    kindData.entries.set(key, entry);
    this.used += entry.bytes;
    this.valuesOf.set(signer.nodeId, (this.valuesOf.get(signer.nodeId) ?? 0) + 1);
  }

  private trim({ kind, entries }: KindData): void {
    for (const [key, entry] of entries) {
      if (entries.size <= kind.maxCount) return;
      entries.delete(key);
      this.forget(entry);
    }
  }

  private forget({ bytes, signer }: Entry): void {
    this.used -= bytes;
    const count = (this.valuesOf.get(signer.nodeId) ?? 1) - 1;
    if (count > 0) this.valuesOf.set(signer.nodeId, count);
    else this.valuesOf.delete(signer.nodeId);
  }
}

/** The claim that is there belongs to another host and was not given back. */
function isForeignClaim(old: Entry, value: SignedValue): boolean {
  return old.data.value.exists && old.signer.nodeId !== value.signer.nodeId;
}

/** Where a value stands among those of its Kind; an append (s7.4.1.1) gets the place after the last. */
function entryKey(value: StoredDataValue, entries: ReadonlyMap<string, unknown> | undefined): string {
  switch (value.model) {
    case 'single':
      return '';
    case 'dictionary':
      return toHex(value.key);
    case 'array': {
      if (value.index !== ARRAY_INDEX_LAST) return String(value.index);
      let last = -1;
      for (const key of entries?.keys() ?? []) last = Math.max(last, Number(key));
      return String(last + 1);
    }
  }
}

function sizeOf({ value, signature }: StoredData): number {
  const key = value.model === 'dictionary' ? value.key.length : 0;
  // What the objects around the bytes take, roughly.
  return value.value.length + key + signature.value.length + 400;
}

function detach(data: StoredData): StoredData {
  const { value, signature } = data;
  const { identity } = signature;
  return {
    ...data,
    value:
      value.model === 'dictionary'
        ? { ...value, key: value.key.slice(), value: value.value.slice() }
        : { ...value, value: value.value.slice() },
    signature: {
      ...signature,
      value: signature.value.slice(),
      identity: identity.type === 'cert_hash' ? { ...identity, hash: identity.hash.slice() } : identity,
    },
  };
}
