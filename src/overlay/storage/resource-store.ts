import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { ARRAY_INDEX_LAST, type StoredData, type StoredDataValue } from '../../reload/index.ts';
import { toHex } from '../../base/bytes.ts';
import { type Origin, type SignedValue, type Verdict, endOf, judge } from './admission.ts';
import type { Kind } from './kinds.ts';
import { SortedIds } from './sorted-ids.ts';

interface Entry extends SignedValue {
  readonly bytes: number;
  /** Monotonic time. */
  readonly expiresAt: number;
  /** The revision of the resource that it came with. */
  readonly revision: number;
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
  /** Goes up with every change; no two states of the store have the same. */
  revision: number;
  /** Who has said that it has which revision. */
  readonly holders: Map<NodeId, number>;
}

export interface KindValues {
  readonly kind: Kind;
  /** 0: not given. */
  readonly generation: bigint;
  /** Undefined: a value that is not signed by one who may write it there. */
  readonly values: readonly (SignedValue | undefined)[];
}

export interface StoreOutcome {
  /** Of each value, Kind by Kind. Of originals all are taken or none. */
  readonly verdicts: readonly (readonly Verdict[])[];
  /** The generation counter of some Kind is another than was expected: nothing was looked at. */
  readonly wrongGeneration: boolean;
}

/** What is stored here for the overlay (RFC 6940 s7): bounded in bytes, in values of a writer and in values of a Kind. */
export class ResourceStore {
  private readonly resources = new Map<ResourceId, Resource>();
  private readonly valuesOf = new Map<NodeId, number>();
  private ids = new SortedIds();
  private readonly idsOf = new Map<number, SortedIds>();
  private readonly maxBytes: number;
  private readonly maxPerWriter: number;
  private used = 0;
  private revisions = 0;

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

  /** Up to `count` ids in ring order, those after `id` or from the first on. */
  idsAfter(id: ResourceId | undefined, count: number): ResourceId[] {
    return this.ids.after(id, count);
  }

  /** The nearest resources with values of a Kind on both sides of an id. */
  nearest(kind: number, id: ResourceId): ResourceId[] {
    const ids = this.idsOf.get(kind);
    return [ids?.clockwise(id), ids?.counterClockwise(id)].filter((found) => found !== undefined);
  }

  /** The generation counter of a Kind; 0 when nothing was stored. */
  generation(resource: ResourceId, kind: number): bigint {
    return this.resources.get(resource)?.kinds.get(kind)?.generation ?? 0n;
  }

  /** Whether anything of a Kind has not expired, and be it that it was taken away. */
  has(resource: ResourceId, kind: number, now: number): boolean {
    for (const { expiresAt } of this.resources.get(resource)?.kinds.get(kind)?.entries.values() ?? [])
      if (expiresAt > now) return true;
    return false;
  }

  /** Values that have not expired, with the lifetime that is left (s7.4.1.1), and that came after `revision`. */
  values(resource: ResourceId, kind: number, now: number, revision = 0): SignedValue[] {
    const entries = this.resources.get(resource)?.kinds.get(kind)?.entries.values() ?? [];
    const out: SignedValue[] = [];
    for (const { expiresAt, revision: came, data, signer } of entries) {
      if (expiresAt <= now || came <= revision) continue;
      out.push({ data: { ...data, lifetime: Math.max(1, Math.floor((expiresAt - now) / 1000)) }, signer });
    }
    return out;
  }

  /**
   * A Store (s7.4.1.1), or what a fetch brought. Of copies each value that is better replaces ours, the others are left
   * alone (the merging rule of s7.4.1.1).
   */
  offer(id: ResourceId, kinds: readonly KindValues[], origin: Origin, now: number, wallNow: number): StoreOutcome {
    const isExpected = ({ kind, generation }: KindValues): boolean =>
      generation === 0n || generation === this.generation(id, kind.id);
    if (origin.isOriginal && !kinds.every(isExpected)) return { verdicts: [], wrongGeneration: true };
    // Expired values neither stand in the way nor count.
    this.sweep(id, now);
    const trial = new Trial();
    const verdicts = kinds.map(({ kind, values }) =>
      values.map((value) => (value === undefined ? 'writer' : this.consider(id, kind, value, origin, trial, wallNow))),
    );
    const isGood = (verdict: Verdict): boolean => verdict === 'taken' || verdict === 'held';
    if (origin.isOriginal && !verdicts.flat().every(isGood)) return { verdicts, wrongGeneration: false };
    for (const { kind, generation } of kinds) {
      const taken = trial.takenOf(kind);
      if (taken.length > 0) this.put(id, kind, taken, origin.isOriginal ? 0n : generation, now, wallNow);
    }
    return { verdicts, wrongGeneration: false };
  }

  remove(resource: ResourceId): void {
    const found = this.resources.get(resource);
    if (found === undefined) return;
    for (const { entries } of found.kinds.values()) for (const entry of entries.values()) this.forget(entry);
    for (const kind of found.kinds.keys()) this.idsOf.get(kind)?.delete(resource);
    this.resources.delete(resource);
    this.ids.delete(resource);
  }

  /** Nothing of it is to be kept here any more. */
  clear(): void {
    this.resources.clear();
    this.valuesOf.clear();
    this.idsOf.clear();
    this.ids = new SortedIds();
    this.used = 0;
  }

  /** Takes out of a resource what has expired. */
  sweep(id: ResourceId, now: number): void {
    this.drop(id, (entry) => entry.expiresAt <= now);
  }

  /** Takes out everything that these writers signed: they are no members any more. One pass, however many they are. */
  forgetWriters(writers: readonly NodeId[]): void {
    const gone = new Set(writers.filter((writer) => this.valuesOf.has(writer)));
    if (gone.size === 0) return;
    for (const id of [...this.resources.keys()]) this.drop(id, ({ signer }) => gone.has(signer.nodeId));
  }

  private drop(id: ResourceId, isGone: (entry: Entry) => boolean): void {
    const resource = this.resources.get(id);
    if (resource === undefined) return;
    for (const [kind, { entries }] of resource.kinds) {
      for (const [key, entry] of entries)
        if (isGone(entry)) {
          entries.delete(key);
          this.forget(entry);
        }
      if (entries.size > 0) continue;
      resource.kinds.delete(kind);
      this.idsOf.get(kind)?.delete(id);
    }
    if (resource.kinds.size === 0) this.remove(id);
  }

  /** Judges a value beside what is here and what of the same request was taken before it. */
  private consider(
    id: ResourceId,
    kind: Kind,
    value: SignedValue,
    origin: Origin,
    trial: Trial,
    wallNow: number,
  ): Verdict {
    const entries = this.resources.get(id)?.kinds.get(kind.id)?.entries;
    const key = trial.keyOf(kind, value.data.value, entries);
    const writer = value.signer.nodeId;
    const place = {
      current: trial.at(kind, key) ?? entries?.get(key),
      countOfKind: (entries?.size ?? 0) + trial.addedTo(kind),
      countOfWriter: (this.valuesOf.get(writer) ?? 0) + trial.addedBy(writer),
      maxPerWriter: this.maxPerWriter,
    };
    const verdict = judge(kind, value, origin, place, wallNow);
    if (verdict !== 'taken') return verdict;
    if (this.used + trial.bytes + sizeOf(value.data) > this.maxBytes) return 'full';
    trial.take(kind, key, value, place.current);
    return 'taken';
  }

  private put(
    id: ResourceId,
    kind: Kind,
    values: readonly (readonly [string, SignedValue])[],
    given: bigint,
    now: number,
    wallNow: number,
  ): void {
    const resource = this.resources.get(id) ?? this.make(id);
    let kindData = resource.kinds.get(kind.id);
    if (kindData === undefined) {
      kindData = { kind, generation: 0n, entries: new Map() };
      resource.kinds.set(kind.id, kindData);
      let ids = this.idsOf.get(kind.id);
      if (ids === undefined) this.idsOf.set(kind.id, (ids = new SortedIds()));
      ids.add(id);
    }
    this.revisions += 1;
    resource.revision = this.revisions;
    for (const [key, { data, signer }] of values) {
      const old = kindData.entries.get(key);
      if (old !== undefined) this.forget(old);
      const value = data.value.model === 'array' ? { ...data.value, index: Number(key) } : data.value;
      const entry: Entry = {
        // Copies of the bytes: the message that they came in must not stay in memory for them.
        data: detach({ ...data, value }),
        signer,
        bytes: sizeOf(data),
        expiresAt: endOf(kind, data, now, wallNow),
        revision: resource.revision,
      };
      kindData.entries.set(key, entry);
      this.used += entry.bytes;
      this.valuesOf.set(signer.nodeId, (this.valuesOf.get(signer.nodeId) ?? 0) + 1);
    }
    // s7.4.1.1: an original raises the counter, a copy brings it.
    kindData.generation = given === 0n ? kindData.generation + 1n : max(given, kindData.generation);
  }

  private make(id: ResourceId): Resource {
    const resource: Resource = { id, kinds: new Map(), own: false, revision: 0, holders: new Map() };
    this.resources.set(id, resource);
    this.ids.add(id);
    return resource;
  }

  private forget({ bytes, signer }: Entry): void {
    this.used -= bytes;
    const count = (this.valuesOf.get(signer.nodeId) ?? 1) - 1;
    if (count > 0) this.valuesOf.set(signer.nodeId, count);
    else this.valuesOf.delete(signer.nodeId);
  }
}

/** What a request would change, before anything is. */
class Trial {
  private readonly taken = new Map<number, Map<string, SignedValue>>();
  private readonly added = new Map<number, number>();
  private readonly writers = new Map<NodeId, number>();
  bytes = 0;

  /** Where a value stands among those of its Kind; an append (s7.4.1.1) gets the place after the last. */
  keyOf(kind: Kind, value: StoredDataValue, entries: ReadonlyMap<string, SignedValue> | undefined): string {
    switch (value.model) {
      case 'single':
        return '';
      case 'dictionary':
        return toHex(value.key);
      case 'array': {
        if (value.index !== ARRAY_INDEX_LAST) return String(value.index);
        let last = -1;
        for (const keys of [entries?.keys(), this.taken.get(kind.id)?.keys()])
          for (const key of keys ?? []) last = Math.max(last, Number(key));
        return String(last + 1);
      }
    }
  }

  at(kind: Kind, key: string): SignedValue | undefined {
    return this.taken.get(kind.id)?.get(key);
  }

  addedTo(kind: Kind): number {
    return this.added.get(kind.id) ?? 0;
  }

  addedBy(writer: NodeId): number {
    return this.writers.get(writer) ?? 0;
  }

  takenOf(kind: Kind): [string, SignedValue][] {
    return [...(this.taken.get(kind.id) ?? [])];
  }

  take(kind: Kind, key: string, value: SignedValue, current: SignedValue | undefined): void {
    let taken = this.taken.get(kind.id);
    if (taken === undefined) this.taken.set(kind.id, (taken = new Map<string, SignedValue>()));
    taken.set(key, value);
    this.bytes += sizeOf(value.data);
    if (current === undefined) this.added.set(kind.id, this.addedTo(kind) + 1);
    const { nodeId } = value.signer;
    if (current?.signer.nodeId !== nodeId) this.writers.set(nodeId, this.addedBy(nodeId) + 1);
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
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
