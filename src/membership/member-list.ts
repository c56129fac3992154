import type { Hit } from '../base/node-id.ts';
import type { RosterEntry } from './roster.ts';

/** A host of the overlay, from all that is known here. */
export interface Member {
  readonly hit: Hit;
  readonly user: string | null;
  /** null: it has told the overlay nothing about itself. */
  readonly role: 'peer' | 'client' | null;
  readonly state: 'self' | 'linked' | 'seen' | 'revoked';
  readonly inviter: boolean;
  /** Milliseconds since the epoch; null: never, as far as is known. */
  readonly lastSeen: number | null;
  /** Milliseconds since the epoch; null: not known. */
  readonly expires: number | null;
}

/** What one place knows of a host. */
export interface Sighting {
  readonly hit: Hit;
  readonly user: string | null;
  readonly lastSeen: number | null;
  readonly expires?: number | null;
  readonly role?: 'peer' | 'client';
}

export interface MemberSources {
  readonly self: Sighting;
  readonly linked: readonly Sighting[];
  /** The overlay's list, with the end of the certificate that each entry came with. */
  readonly roster: readonly (RosterEntry & { readonly expires: number | null })[];
  /** What this host remembers: contacts, and its register where it may invite. */
  readonly known: readonly Sighting[];
  /** null: the revocation does not say whose it was. */
  readonly revoked: readonly Pick<Sighting, 'hit' | 'user'>[];
  readonly inviters: readonly Hit[];
}

/**
 * One entry for each host. The certificate that ends last tells the user: a running link shows the one of its handshake. Of the rest
 * the overlay's list says more than memory does. Of a host that is revoked nobody may know more than its revocation.
 */
export function memberList({ self, linked, roster, known, revoked, inviters }: MemberSources): Member[] {
  const hosts = new Map<Hit, Sighting>();
  const listed = roster.map(({ seenAt, ...entry }) => ({ ...entry, lastSeen: seenAt }));
  const marked = revoked.map((host): Sighting => ({ ...host, lastSeen: null }));
  for (const sighting of [...marked, ...known, ...listed, ...linked, self]) {
    const before = hosts.get(sighting.hit);
    hosts.set(sighting.hit, before === undefined ? sighting : merged(before, sighting));
  }
  const gone = new Set(revoked.map(({ hit }) => hit));
  const linkedHits = new Set(linked.map(({ hit }) => hit));
  return [...hosts.values()].map(({ hit, user, lastSeen, expires, role }) => ({
    hit,
    user,
    role: role ?? null,
    state: gone.has(hit) ? 'revoked' : hit === self.hit ? 'self' : linkedHits.has(hit) ? 'linked' : 'seen',
    inviter: inviters.includes(hit) && !gone.has(hit),
    lastSeen,
    expires: expires ?? null,
  }));
}

function merged(before: Sighting, after: Sighting): Sighting {
  const { hit } = after;
  const lastSeen = Math.max(before.lastSeen ?? -1, after.lastSeen ?? -1);
  const role = after.role ?? before.role;
  const expires = Math.max(before.expires ?? -1, after.expires ?? -1);
  return {
    hit,
    user: (before.expires ?? -1) > (after.expires ?? -1) ? (before.user ?? after.user) : (after.user ?? before.user),
    lastSeen: lastSeen < 0 ? null : lastSeen,
    expires: expires < 0 ? null : expires,
    ...(role !== undefined && { role }),
  };
}
