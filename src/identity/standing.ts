import type { Hit } from '../base/node-id.ts';

/** Hosts that may invite, beside those that could once: a company has a handful. */
const MAX_INVITERS = 1024;
/** The ledger of members keeps half as many. */
const MAX_REVOKED = 8192;
/** Inviters that revoked one and the same host; one would do. */
const MAX_MARKS = 4;

/** `member`: the key is no member any more, for good. `inviter`: the host may not invite any more. */
export type RevokedRight = 'member' | 'inviter';

export interface RevocationFacts {
  readonly what: RevokedRight;
  readonly hit: Hit;
  /** Of the host, for people and for the register; null: none, or not known. */
  readonly user: string | null;
  /** Milliseconds since the epoch. */
  readonly revokedAt: number;
  /** Printable ASCII, at most 100 characters. */
  readonly reason: string;
}

export interface Revocation extends RevocationFacts {
  /** The inviter that signed it; null: the authority. */
  readonly by: Hit | null;
}

/** Who took a host's membership away: null, the authority. */
interface Mark {
  readonly by: Hit | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Who has which right in an overlay, out of grants and revocations that were proven. What it says hangs on what it was told,
 * not on the order: all members that know the same say the same.
 *
 * The authority revokes everyone. An inviter revokes members that are no inviters; what it revoked after its own right had
 * ended counts for nothing, what it revoked before stays revoked.
 */
export class Standing {
  /** The latest grant of each. */
  private readonly granted = new Map<Hit, number>();
  /** Since when the right to invite is withdrawn. */
  private readonly withdrawn = new Map<Hit, number>();
  private readonly marks = new Map<Hit, readonly Mark[]>();

  grant(hit: Hit, at: number): void {
    this.granted.set(hit, Math.max(at, this.granted.get(hit) ?? 0));
    bound(this.granted, MAX_INVITERS);
  }

  withdraw(hit: Hit, since: number): void {
    this.withdrawn.set(hit, Math.max(since, this.withdrawn.get(hit) ?? 0));
    bound(this.withdrawn, MAX_INVITERS);
  }

  revoke(hit: Hit, mark: Mark): void {
    const before = this.marks.get(hit) ?? [];
    const others = before.filter(({ by }) => by !== mark.by);
    const earlier = before.find(({ by }) => by === mark.by);
    // The authority's word first: it is never the one that there is no room for.
    const all = [...others, { by: mark.by, at: Math.min(mark.at, earlier?.at ?? Infinity) }];
    this.marks.set(hit, all.sort((a, b) => Number(b.by === null) - Number(a.by === null)).slice(0, MAX_MARKS));
    bound(this.marks, MAX_REVOKED);
  }

  /** A host once revoked stays so. */
  isRevoked(hit: Hit): boolean {
    const marks = this.marks.get(hit);
    if (marks === undefined) return false;
    return marks.some(({ by, at }) => by === null || by === hit || (!this.hasRight(hit) && at <= this.endOf(by)));
  }

  isInviter(hit: Hit): boolean {
    return this.hasRight(hit) && !this.isRevoked(hit);
  }

  /** Since when a host may not invite; undefined: it may, or nobody has said since when. */
  endedAt(hit: Hit): number | undefined {
    if (this.isInviter(hit)) return undefined;
    const marks = this.isRevoked(hit) ? (this.marks.get(hit) ?? []) : [];
    const dates = [
      ...marks.filter(({ by }) => by === null || by === hit).map(({ at }) => at),
      this.withdrawn.get(hit) ?? 0,
    ];
    const dated = dates.filter((at) => at > 0);
    return dated.length === 0 ? undefined : Math.min(...dated);
  }

  /** Those that may invite now. */
  inviters(): Hit[] {
    return [...this.granted.keys()].filter((hit) => this.isInviter(hit));
  }

  /** Given, and not taken away since; whether the host is a member at all is not asked here. */
  private hasRight(hit: Hit): boolean {
    const at = this.granted.get(hit);
    return at !== undefined && at > (this.withdrawn.get(hit) ?? -1);
  }

  /** When the right to invite of a host that had it ended. */
  private endOf(hit: Hit): number {
    const authority = this.marks.get(hit)?.find(({ by }) => by === null);
    const withdrawn = this.hasRight(hit) ? undefined : this.withdrawn.get(hit);
    return Math.min(authority?.at ?? Infinity, withdrawn ?? Infinity);
  }
}

function bound<T>(map: Map<Hit, T>, max: number): void {
  if (map.size <= max) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
