import type { Clock } from '../../base/clock.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { ARRAY_INDEX_LAST, type StoredDataValue } from '../../reload/index.ts';
import { toHex } from '../../base/bytes.ts';
import type { Signer } from '../security/certificate-cache.ts';
import { INVITER_VALUES_FACTOR } from '../constants.ts';
import { type Origin, type SignedValue, type Verdict, endOf, judge } from './admission.ts';
import { ForgottenHolders, Holders } from './holders.ts';
import type { Kind } from './kinds.ts';
import { BulkShare } from './bulk-share.ts';
import { type PackedData, pack, sizeOf, unpack } from './packed-data.ts';
import { SortedIds } from './sorted-ids.ts';
import type { KeptValue, ValuePlace } from './value-file.ts';

/** A value as it is kept: the more objects there are of it, the longer are the pauses in which garbage is collected. */
interface Entry {
  /** Where it stands among those of its Kind (`Trial.keyOf`). */
  readonly key: string;
  readonly packed: PackedData;
  readonly signer: Signer;
  /** Monotonic time. */
  readonly expiresAt: number;
  /** The revision of the resource that it came with. */
  readonly revision: number;
}

interface KindData {
  readonly kind: Kind;
  generation: bigint;
  /** Nearly always one; at most the Kind's `maxCount`. */
  entries: readonly Entry[];
}

export interface Resource {
  readonly id: ResourceId;
  /** One or two. */
  kinds: readonly KindData[];
  /** This peer was or is responsible: it sees to it that the right peers have copies. */
  own: boolean;
  /** Goes up with every change; no two states of the store have the same. */
  revision: number;
  /** Who has said that it has which revision. */
  readonly holders: Holders;
}

/** A node that has written something that is here. */
interface Writer {
  /** The last one seen: each of its values that was signed with the same certificate refers to this object. */
  signer: Signer;
  values: number;
  /** Of those, what counts in the quota of a writer. */
  counted: number;
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

/**
 * What is stored here for the overlay (RFC 6940 s7): bounded in bytes, in values of a writer and in values of a Kind. What is bulky (voice
 * mail, files) has a part of it, with bounds of its own.
 */
export class ResourceStore {
  private readonly resources = new Map<ResourceId, Resource>();
  private readonly writers = new Map<NodeId, Writer>();
  private readonly forgotten = new ForgottenHolders();
  private ids = new SortedIds();
  private readonly idsOf = new Map<number, SortedIds>();
  private readonly maxBytes: number;
  private readonly maxPerWriter: number;
  private readonly isInviter: (writer: NodeId) => boolean;
  private readonly bulk: BulkShare;
  private used = 0;
  private revisions = 0;
  private changed: (place: ValuePlace) => void = () => {};

  constructor(options: { maxBytes: number; maxPerWriter: number; isInviter?: (writer: NodeId) => boolean }) {
    this.maxBytes = options.maxBytes;
    this.maxPerWriter = options.maxPerWriter;
    this.isInviter = options.isInviter ?? (() => false);
    this.bulk = new BulkShare(options.maxBytes);
  }

  get size(): number {
    return this.resources.size;
  }

  get bytes(): number {
    return this.used;
  }

  /** Of these, those of what is bulky: voice mail, files. */
  get bulkBytes(): number {
    return this.bulk.bytes;
  }

  /** Whom each change is told, but not that all is cleared. */
  onChange(handler: (place: ValuePlace) => void): void {
    this.changed = handler;
  }

  /** Where there are values. */
  *places(): Generator<ValuePlace> {
    for (const { id, kinds } of this.resources.values())
      for (const { kind, entries } of kinds) for (const { key } of entries) yield { resource: id, kind: kind.id, key };
  }

  /** What stands at a place, as it is kept over a restart. */
  kept({ resource, kind, key }: ValuePlace, clock: Clock): KeptValue | undefined {
    const kindData = this.kindData(resource, kind);
    const entry = kindData?.entries.find((other) => other.key === key);
    if (kindData === undefined || entry === undefined) return undefined;
    const { packed, signer, expiresAt } = entry;
    return {
      ...{ resource, kind, key, packed },
      chain: signer.chain,
      certificateHash: signer.hash,
      generation: kindData.generation,
      expiresAt: Math.floor(clock.wall() + expiresAt - clock.monotonic()),
    };
  }

  /** What this peer has said that it holds counts no more, whatever the resource. */
  forgetHolder(nodeId: NodeId): void {
    this.forgotten.forget(nodeId);
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
    return this.kindData(resource, kind)?.generation ?? 0n;
  }

  /** Whether anything of a Kind has not expired, and be it that it was taken away. */
  has(resource: ResourceId, kind: number, now: number): boolean {
    return this.kindData(resource, kind)?.entries.some(({ expiresAt }) => expiresAt > now) ?? false;
  }

  /** Values that have not expired, with the lifetime that is left (s7.4.1.1), and that came after `revision`. */
  values(resource: ResourceId, kind: number, now: number, revision = 0): SignedValue[] {
    const kindData = this.kindData(resource, kind);
    const out: SignedValue[] = [];
    for (const { expiresAt, revision: came, packed, signer } of kindData?.entries ?? []) {
      if (kindData === undefined || expiresAt <= now || came <= revision) continue;
      const data = unpack(packed, kindData.kind.dataModel);
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
    for (const { kind, entries } of found.kinds) {
      for (const entry of entries) {
        this.forget(kind, entry);
        this.changed({ resource, kind: kind.id, key: entry.key });
      }
      this.idsOf.get(kind.id)?.delete(resource);
    }
    this.resources.delete(resource);
    this.ids.delete(resource);
  }

  /** Nothing of it is to be kept here any more. */
  clear(): void {
    this.resources.clear();
    this.writers.clear();
    this.bulk.clear();
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
    const gone = new Set(writers.filter((writer) => this.writers.has(writer)));
    if (gone.size === 0) return;
    for (const id of [...this.resources.keys()]) this.drop(id, ({ signer }) => gone.has(signer.nodeId));
  }

  private kindData(id: ResourceId, kind: number): KindData | undefined {
    return kindDataOf(this.resources.get(id), kind);
  }

  private drop(id: ResourceId, isGone: (entry: Entry) => boolean): void {
    const resource = this.resources.get(id);
    if (resource === undefined) return;
    for (const kindData of resource.kinds) {
      const left = kindData.entries.filter((entry) => !isGone(entry));
      if (left.length === kindData.entries.length) continue;
      for (const entry of kindData.entries) {
        if (!isGone(entry)) continue;
        this.forget(kindData.kind, entry);
        this.changed({ resource: id, kind: kindData.kind.id, key: entry.key });
      }
      kindData.entries = left;
      if (left.length > 0) continue;
      resource.kinds = resource.kinds.filter((other) => other !== kindData);
      this.idsOf.get(kindData.kind.id)?.delete(id);
    }
    if (resource.kinds.length === 0) this.remove(id);
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
    const entries = this.kindData(id, kind.id)?.entries ?? [];
    const key = trial.keyOf(kind, value.data.value, entries);
    const writer = value.signer.nodeId;
    const before =
      trial.at(kind, key) ??
      takenOf(
        kind,
        entries.find((entry) => entry.key === key),
      );
    const place = {
      current: before,
      countOfKind: inTheWay(kind, entries, value) + trial.addedTo(kind),
      // What is bulky is counted by its size, below.
      countOfWriter: kind.isBulk === true ? 0 : (this.writers.get(writer)?.counted ?? 0) + trial.addedBy(writer),
      maxPerWriter: this.maxPerWriter * (this.isInviter(writer) ? INVITER_VALUES_FACTOR : 1),
    };
    const verdict = judge(kind, value, origin, place, wallNow);
    if (verdict !== 'taken') return verdict;
    const { data } = value;
    const packed = pack(
      data.value.model === 'array' ? { ...data, value: { ...data.value, index: Number(key) } } : data,
    );
    const more = sizeOf(packed) - (before === undefined ? 0 : sizeOf(before.packed));
    // What takes no more room than what it replaces has it, whoever has used up the rest: a removal, mostly.
    if (more > 0 && this.used + trial.bytes + more > this.maxBytes) return 'full';
    if (kind.isBulk === true && more > 0) {
      const isOwn = before?.signer.nodeId === writer;
      const added = { values: isOwn ? 0 : 1, bytes: isOwn ? more : sizeOf(packed) };
      const refusal = this.bulk.refusal(writer, trial.bulkOf(writer, added), trial.bulkBytes + more);
      if (refusal !== undefined) return refusal;
    }
    trial.take(kind, key, { ...value, packed }, before);
    return 'taken';
  }

  private put(
    id: ResourceId,
    kind: Kind,
    values: readonly (readonly [string, Taken])[],
    given: bigint,
    now: number,
    wallNow: number,
  ): void {
    const resource = this.resources.get(id) ?? this.make(id);
    const kindData = kindDataOf(resource, kind.id) ?? this.addKind(resource, kind);
    this.revisions += 1;
    resource.revision = this.revisions;
    for (const [key, { data, packed, signer }] of values) {
      const entry: Entry = {
        key,
        packed,
        signer: this.written(kind, signer, sizeOf(packed)),
        expiresAt: endOf(kind, data, now, wallNow),
        revision: resource.revision,
      };
      const at = kindData.entries.findIndex((other) => other.key === key);
      const old = kindData.entries[at];
      if (old !== undefined) this.forget(kind, old);
      // By `concat`: lists of just their length; those that grow otherwise are made for 17.
      kindData.entries = old === undefined ? kindData.entries.concat(entry) : kindData.entries.with(at, entry);
      this.used += sizeOf(entry.packed);
      this.changed({ resource: id, kind: kind.id, key });
      if (kind.removedGiveWay === true && kindData.entries.length > kind.maxCount) this.makeWay(id, kindData);
    }
    // s7.4.1.1: an original raises the counter, a copy brings it.
    kindData.generation = given === 0n ? kindData.generation + 1n : max(given, kindData.generation);
  }

  /** Of what was taken away that is forgotten which would be so first. */
  private makeWay(id: ResourceId, kindData: KindData): void {
    const removed = kindData.entries.filter((entry) => !exists(kindData.kind, entry));
    const first = removed.toSorted((a, b) => a.expiresAt - b.expiresAt)[0];
    if (first === undefined) return;
    kindData.entries = kindData.entries.filter((entry) => entry !== first);
    this.forget(kindData.kind, first);
    this.changed({ resource: id, kind: kindData.kind.id, key: first.key });
  }

  private make(id: ResourceId): Resource {
    const resource: Resource = { id, kinds: [], own: false, revision: 0, holders: new Holders(this.forgotten) };
    this.resources.set(id, resource);
    this.ids.add(id);
    return resource;
  }

  private addKind(resource: Resource, kind: Kind): KindData {
    const kindData: KindData = { kind, generation: 0n, entries: [] };
    resource.kinds = resource.kinds.concat(kindData);
    let ids = this.idsOf.get(kind.id);
    if (ids === undefined) this.idsOf.set(kind.id, (ids = new SortedIds()));
    ids.add(resource.id);
    return kindData;
  }

  /** Counts a value of this writer; returns the signer to keep with it. */
  private written({ isBulk = false }: Kind, signer: Signer, bytes: number): Signer {
    const counted = isBulk ? 0 : 1;
    if (isBulk) this.bulk.add(signer.nodeId, bytes);
    const writer = this.writers.get(signer.nodeId);
    if (writer === undefined) {
      this.writers.set(signer.nodeId, { signer, values: 1, counted });
      return signer;
    }
    writer.values += 1;
    writer.counted += counted;
    if (writer.signer.hash !== signer.hash) writer.signer = signer;
    return writer.signer;
  }

  private forget({ isBulk = false }: Kind, { packed, signer }: Entry): void {
    this.used -= sizeOf(packed);
    if (isBulk) this.bulk.remove(signer.nodeId, sizeOf(packed));
    const writer = this.writers.get(signer.nodeId);
    if (writer === undefined) return;
    writer.values -= 1;
    if (!isBulk) writer.counted -= 1;
    if (writer.values === 0) this.writers.delete(signer.nodeId);
  }
}

/** Of the values that stand there, those that one more cannot take the place of. */
function inTheWay(kind: Kind, entries: readonly Entry[], { data }: SignedValue): number {
  if (kind.removedGiveWay !== true || !data.value.exists || entries.length < kind.maxCount) return entries.length;
  return entries.filter((entry) => exists(kind, entry)).length;
}

function exists({ dataModel }: Kind, { packed }: Entry): boolean {
  return unpack(packed, dataModel).value.exists;
}

/** A value that is to be kept. */
interface Taken extends SignedValue {
  readonly packed: PackedData;
}

/** What a request would change, before anything is. */
class Trial {
  private readonly taken = new Map<number, Map<string, Taken>>();
  private readonly added = new Map<number, number>();
  private readonly writers = new Map<NodeId, number>();
  private readonly bulk = new Map<NodeId, { values: number; bytes: number }>();
  /** More than before. */
  bytes = 0;
  bulkBytes = 0;

  /** Where a value stands among those of its Kind; an append (s7.4.1.1) gets the place after the last. */
  keyOf(kind: Kind, value: StoredDataValue, entries: readonly Entry[]): string {
    switch (value.model) {
      case 'single':
        return '';
      case 'dictionary':
        return toHex(value.key);
      case 'array': {
        if (value.index !== ARRAY_INDEX_LAST) return String(value.index);
        const keys = [...entries.map(({ key }) => key), ...(this.taken.get(kind.id)?.keys() ?? [])];
        return String(keys.reduce((last, key) => Math.max(last, Number(key)), -1) + 1);
      }
    }
  }

  at(kind: Kind, key: string): Taken | undefined {
    return this.taken.get(kind.id)?.get(key);
  }

  /** What a writer would have more of what is bulky, with what comes now. */
  bulkOf(
    writer: NodeId,
    { values, bytes }: { readonly values: number; readonly bytes: number },
  ): {
    values: number;
    bytes: number;
  } {
    const before = this.bulk.get(writer) ?? { values: 0, bytes: 0 };
    return { values: before.values + values, bytes: before.bytes + bytes };
  }

  addedTo(kind: Kind): number {
    return this.added.get(kind.id) ?? 0;
  }

  addedBy(writer: NodeId): number {
    return this.writers.get(writer) ?? 0;
  }

  takenOf(kind: Kind): [string, Taken][] {
    return [...(this.taken.get(kind.id) ?? [])];
  }

  take(kind: Kind, key: string, value: Taken, before: Taken | undefined): void {
    let taken = this.taken.get(kind.id);
    if (taken === undefined) this.taken.set(kind.id, (taken = new Map<string, Taken>()));
    taken.set(key, value);
    const size = sizeOf(value.packed);
    const more = size - (before === undefined ? 0 : sizeOf(before.packed));
    this.bytes += more;
    if (before === undefined) this.added.set(kind.id, this.addedTo(kind) + 1);
    const { nodeId } = value.signer;
    const isOwn = before?.signer.nodeId === nodeId;
    if (kind.isBulk === true) {
      this.bulk.set(nodeId, this.bulkOf(nodeId, { values: isOwn ? 0 : 1, bytes: isOwn ? more : size }));
      this.bulkBytes += more;
    } else if (!isOwn) this.writers.set(nodeId, this.addedBy(nodeId) + 1);
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function kindDataOf(resource: Resource | undefined, kind: number): KindData | undefined {
  return resource?.kinds.find((data) => data.kind.id === kind);
}

function takenOf({ dataModel }: Kind, entry: Entry | undefined): Taken | undefined {
  return entry && { data: unpack(entry.packed, dataModel), signer: entry.signer, packed: entry.packed };
}
