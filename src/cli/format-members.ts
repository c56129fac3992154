import type { MemberStatus } from '../control/schemas.ts';
import { formatDuration, table } from './format.ts';

/** The members for a person: users in alphabetical order, a line a host. */
export function formatMembers(members: readonly MemberStatus[], wallNow: number): string {
  const sorted = members.toSorted((a, b) => (a.user ?? '~').localeCompare(b.user ?? '~') || a.hit.localeCompare(b.hit));
  const rows = sorted.map((member) => [
    member.user ?? '-',
    member.hit,
    member.state === 'revoked' ? '-' : roleOf(member),
    seen(member, wallNow),
    member.expires === null ? '-' : until(member.expires, wallNow),
  ]);
  return table([['USER', 'HIT', 'ROLE', 'LAST SEEN', 'CERTIFICATE'], ...rows]).join('\n');
}

function roleOf({ role, inviter }: MemberStatus): string {
  return [role ?? '?', ...(inviter ? ['inviter'] : [])].join(', ');
}

function seen({ state, lastSeen }: MemberStatus, wallNow: number): string {
  switch (state) {
    case 'self':
      return 'this host';
    case 'linked':
      return 'now';
    case 'revoked':
      return 'revoked';
    case 'seen':
      return lastSeen === null ? 'never' : `${formatDuration(Math.max(0, wallNow - lastSeen) / 1000)} ago`;
  }
}

function until(expires: number, wallNow: number): string {
  const left = (expires - wallNow) / 1000;
  return left > 0 ? `${formatDuration(left)} left` : `ended ${formatDuration(-left)} ago`;
}
