import { z } from 'zod';

/** Bytes of text of one contact, pictures left out. */
export const MAX_CARD_LENGTH = 2_048;
export const MAX_ENTRIES = 1_000;
const MAX_ADDRESSES = 16;
/** A host of the user that was away for so long may bring a contact back that was removed meanwhile. */
const REMOVAL_KEPT_MS = 180 * 86_400_000;

export const addressEntrySchema = z.strictObject({
  /** The UID of the vCard. */
  uid: z.string().min(1).max(255),
  name: z.string().min(1).max(255),
  /** URIs to call: `sip:bob@home.example`, `tel:+4930123`. */
  addresses: z.array(z.string().min(1).max(255)).max(MAX_ADDRESSES),
  /** The vCard, as it was imported. */
  card: z.string().max(MAX_CARD_LENGTH),
});
export type AddressEntry = z.infer<typeof addressEntrySchema>;

const keptSchema = z.strictObject({
  uid: z.string().min(1).max(255),
  /** Milliseconds since the epoch. */
  modifiedAt: z.int().nonnegative(),
  /** Null: removed. */
  entry: addressEntrySchema.nullable(),
});
type Kept = z.infer<typeof keptSchema>;

export const entriesSchema = z.strictObject({
  version: z.literal(1),
  entries: z.array(keptSchema).max(2 * MAX_ENTRIES),
});
export type EntriesData = z.infer<typeof entriesSchema>;

/** The contacts of a user, as each of the user's hosts has them: of each contact what was written last, removals too. */
export class AddressEntries {
  private readonly kept = new Map<string, Kept>();

  get all(): AddressEntry[] {
    const entries = [...this.kept.values()].flatMap(({ entry }) => (entry === null ? [] : [entry]));
    return entries.sort((a, b) => a.name.localeCompare(b.name) || (a.uid < b.uid ? -1 : 1));
  }

  /** Of all contacts. Asked for by each caller: in no order. */
  get addresses(): string[] {
    return [...this.kept.values()].flatMap(({ entry }) => entry?.addresses ?? []);
  }

  get isEmpty(): boolean {
    return this.kept.size === 0;
  }

  /** @returns false when there are MAX_ENTRIES already. */
  put(entry: AddressEntry, wallNow: number): boolean {
    const isNew = (this.kept.get(entry.uid)?.entry ?? null) === null;
    if (isNew && this.all.length >= MAX_ENTRIES) return false;
    this.write(entry.uid, entry, wallNow);
    return true;
  }

  /** @returns whether it was there. */
  remove(uid: string, wallNow: number): boolean {
    if ((this.kept.get(uid)?.entry ?? null) === null) return false;
    this.write(uid, null, wallNow);
    return true;
  }

  /** What another host has: the later one of each. */
  merge({ entries }: EntriesData): void {
    for (const theirs of entries) {
      const ours = this.kept.get(theirs.uid);
      if (ours !== undefined && !isLater(theirs, ours)) continue;
      if (ours === undefined && this.kept.size >= 2 * MAX_ENTRIES) continue;
      this.kept.set(theirs.uid, theirs);
    }
  }

  /** The same for the same contacts, in whatever order they came. */
  toData(wallNow: number): EntriesData {
    const isKept = ({ entry, modifiedAt }: Kept): boolean => entry !== null || modifiedAt + REMOVAL_KEPT_MS > wallNow;
    const entries = [...this.kept.values()].filter(isKept).sort((a, b) => (a.uid < b.uid ? -1 : 1));
    return { version: 1, entries };
  }

  /** Later than what it replaces, whatever the clock of the host that wrote that. */
  private write(uid: string, entry: AddressEntry | null, wallNow: number): void {
    const before = this.kept.get(uid)?.modifiedAt ?? -1;
    this.kept.set(uid, { uid, modifiedAt: Math.max(Math.floor(wallNow), before + 1), entry });
  }
}

/** All hosts decide alike between two of one time. */
function isLater(a: Kept, b: Kept): boolean {
  if (a.modifiedAt !== b.modifiedAt) return a.modifiedAt > b.modifiedAt;
  return JSON.stringify(a.entry) > JSON.stringify(b.entry);
}
