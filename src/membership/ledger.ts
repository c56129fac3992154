import { toHex } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import { sha256 } from '../identity/signature.ts';
import { MAX_GRANTS, MAX_RECORD_BYTES, MAX_REVOCATIONS } from './constants.ts';

/** `grant`: a host may invite. `revocation`: a key is no member any more. */
export type RecordKind = 'grant' | 'revocation';

/** First bytes of the SHA-256 of a record, hexadecimal. */
export type RecordId = string;

export const RECORD_ID_BYTES = 8;
/** Digests are told for each first digit of an id, so that two members find what differs without naming everything. */
export const BUCKETS = 16;

export interface LedgerRecord {
  readonly id: RecordId;
  readonly kind: RecordKind;
  readonly bytes: Uint8Array;
  /** Whom it is about. */
  readonly hit: Hit;
  /** Of a revocation the host's user; null: not known. */
  readonly user: string | null;
  /** When it was made, by its signer's clock: the latest stay when there are too many. */
  readonly at: number;
  /** Signed by the authority: these stay before those of inviters. */
  readonly byAuthority: boolean;
}

/** Reads a record, proves it and says of whom and when it is; undefined: not one of this overlay, or not signed by one who may. */
export type ReadRecord = (
  kind: RecordKind,
  bytes: Uint8Array,
) => Pick<LedgerRecord, 'hit' | 'user' | 'at' | 'byAuthority'> | undefined;

const LIMITS: Readonly<Record<RecordKind, number>> = { grant: MAX_GRANTS, revocation: MAX_REVOCATIONS };

/** Of a bucket that holds nothing. */
export const EMPTY_DIGEST = sha256(new Uint8Array()).slice(0, RECORD_ID_BYTES);

/**
 * The signed statements that every member of the overlay keeps whole. It takes only what its reader has proven, and of too
 * many of a kind the authority's and then the latest, so that all members come to hold the same.
 */
export class Ledger {
  private readonly read: ReadRecord;
  private readonly records = new Map<RecordId, LedgerRecord>();
  private readonly counts: Record<RecordKind, number> = { grant: 0, revocation: 0 };
  private digests: readonly Uint8Array[] | undefined;

  constructor(read: ReadRecord) {
    this.read = read;
  }

  get size(): number {
    return this.records.size;
  }

  get(id: RecordId): LedgerRecord | undefined {
    return this.records.get(id);
  }

  has(id: RecordId): boolean {
    return this.records.has(id);
  }

  all(): LedgerRecord[] {
    return [...this.records.values()];
  }

  /** @returns the record when it is new and was taken. */
  admit(kind: RecordKind, bytes: Uint8Array): LedgerRecord | undefined {
    if (bytes.length > MAX_RECORD_BYTES) return undefined;
    const id = recordIdOf(kind, bytes);
    if (this.records.has(id)) return undefined;
    const statement = this.read(kind, bytes);
    if (statement === undefined) return undefined;
    // A copy: the message that it came in must not stay in memory for it.
    const record = { id, kind, bytes: bytes.slice(), ...statement };
    this.records.set(id, record);
    this.counts[kind] += 1;
    this.digests = undefined;
    return this.counts[kind] > LIMITS[kind] && this.dropLeast(kind) === record ? undefined : record;
  }

  /** One for each first digit of an id: equal where both ends hold the same. */
  summary(): readonly Uint8Array[] {
    this.digests ??= Array.from({ length: BUCKETS }, (_, bucket) => {
      const ids = this.idsOf(bucket).join('');
      return sha256(Buffer.from(ids, 'hex')).slice(0, RECORD_ID_BYTES);
    });
    return this.digests;
  }

  /** In ascending order. */
  idsOf(bucket: number): RecordId[] {
    const digit = bucket.toString(16);
    return [...this.records.keys()].filter((id) => id.startsWith(digit)).sort();
  }

  private dropLeast(kind: RecordKind): LedgerRecord | undefined {
    let least: LedgerRecord | undefined;
    for (const record of this.records.values())
      if (record.kind === kind && (least === undefined || countsLess(record, least))) least = record;
    if (least === undefined) return undefined;
    this.records.delete(least.id);
    this.counts[kind] -= 1;
    return least;
  }
}

/** The same order for everyone. */
function countsLess(a: LedgerRecord, b: LedgerRecord): boolean {
  if (a.byAuthority !== b.byAuthority) return b.byAuthority;
  return a.at < b.at || (a.at === b.at && a.id < b.id);
}

export function recordIdOf(kind: RecordKind, bytes: Uint8Array): RecordId {
  return toHex(sha256(Buffer.concat([Buffer.from(kind), bytes])).slice(0, RECORD_ID_BYTES));
}
