import { z } from 'zod';

/** A host of the user that was away for so long may bring an entry back that was removed meanwhile. */
const REMOVAL_KEPT_MS = 180 * 86_400_000;
const MAX_KEY_LENGTH = 255;

interface Kept<E> {
  /** What names the entry. */
  readonly uid: string;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
  /** Null: removed. */
  readonly entry: E | null;
}

export interface EntriesData<E> {
  readonly version: 1;
  readonly entries: readonly Kept<E>[];
}

/** @param most entries, removals among them, that a document has. */
export function entriesSchema<E>(entry: z.ZodType<E>, most: number): z.ZodType<EntriesData<E>> {
  const kept = z.strictObject({
    uid: z.string().min(1).max(MAX_KEY_LENGTH),
    modifiedAt: z.int().nonnegative(),
    entry: entry.nullable(),
  });
  return z.strictObject({ version: z.literal(1), entries: z.array(kept).max(most) });
}

export interface KeptEntriesOptions<E> {
  readonly keyOf: (entry: E) => string;
  /** As they are shown. */
  readonly compare: (a: E, b: E) => number;
  /** That are not removed. */
  readonly maxEntries: number;
  /** With the removals, of which the earliest are forgotten: what all hosts have written together fits a document then. */
  readonly maxKept: number;
}

/** What a user has of one sort, as each of the user's hosts has it: of each entry what was written last, removals too. */
export class KeptEntries<E> {
  private readonly options: KeptEntriesOptions<E>;
  private readonly kept = new Map<string, Kept<E>>();

  constructor(options: KeptEntriesOptions<E>) {
    this.options = options;
  }

  get all(): E[] {
    return this.present().map(({ entry }) => entry);
  }

  /** As `all`, with the time when each was written. */
  get written(): { readonly entry: E; readonly modifiedAt: number }[] {
    return this.present();
  }

  keyOf(entry: E): string {
    return this.options.keyOf(entry);
  }

  has(key: string): boolean {
    return (this.kept.get(key)?.entry ?? null) !== null;
  }

  /** @returns false when there are as many as may be. */
  put(entry: E, wallNow: number): boolean {
    const key = this.keyOf(entry);
    if (!this.has(key) && this.unsorted().length >= this.options.maxEntries) return false;
    this.write(key, entry, wallNow);
    return true;
  }

  /** @returns whether it was there. */
  remove(key: string, wallNow: number): boolean {
    if (!this.has(key)) return false;
    this.write(key, null, wallNow);
    return true;
  }

  /** What another host has: the later one of each. */
  merge({ entries }: EntriesData<E>): void {
    for (const theirs of entries) {
      const ours = this.kept.get(theirs.uid);
      if (ours === undefined || isLater(theirs, ours)) this.kept.set(theirs.uid, theirs);
    }
    this.forget();
  }

  /** The same for the same entries, in whatever order they came. @param put as if this had been put. */
  toData(wallNow: number, put?: E): EntriesData<E> {
    for (const { uid, entry, modifiedAt } of this.kept.values())
      if (entry === null && modifiedAt + REMOVAL_KEPT_MS <= wallNow) this.kept.delete(uid);
    const kept = new Map(this.kept);
    if (put !== undefined) {
      const uid = this.keyOf(put);
      kept.set(uid, { uid, modifiedAt: Math.floor(wallNow), entry: put });
    }
    return { version: 1, entries: [...kept.values()].sort((a, b) => (a.uid < b.uid ? -1 : 1)) };
  }

  /** In no order. */
  protected unsorted(): { readonly entry: E; readonly modifiedAt: number }[] {
    return [...this.kept.values()].flatMap(({ entry, modifiedAt }) => (entry === null ? [] : [{ entry, modifiedAt }]));
  }

  private present(): { readonly entry: E; readonly modifiedAt: number }[] {
    return this.unsorted().sort((a, b) => this.options.compare(a.entry, b.entry));
  }

  /** Down to `maxKept`: removals first, the earliest first. All hosts forget the same. */
  private forget(): void {
    const tooMany = this.kept.size - this.options.maxKept;
    if (tooMany <= 0) return;
    const isRemoval = ({ entry }: Kept<E>): number => Number(entry === null);
    const leaving = [...this.kept.values()].sort(
      (a, b) => isRemoval(b) - isRemoval(a) || a.modifiedAt - b.modifiedAt || (a.uid < b.uid ? -1 : 1),
    );
    for (const { uid } of leaving.slice(0, tooMany)) this.kept.delete(uid);
  }

  /** Later than what it replaces, whatever the clock of the host that wrote that. */
  private write(key: string, entry: E | null, wallNow: number): void {
    const before = this.kept.get(key)?.modifiedAt ?? -1;
    this.kept.set(key, { uid: key, modifiedAt: Math.max(Math.floor(wallNow), before + 1), entry });
    this.forget();
  }
}

/** All hosts decide alike between two of one time. */
function isLater<E>(a: Kept<E>, b: Kept<E>): boolean {
  if (a.modifiedAt !== b.modifiedAt) return a.modifiedAt > b.modifiedAt;
  return JSON.stringify(a.entry) > JSON.stringify(b.entry);
}
