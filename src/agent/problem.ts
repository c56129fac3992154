import { formatSocketAddress } from '../base/socket-address.ts';
import type { Membership } from '../membership/membership.ts';
import type { Double } from './doubles.ts';

/** What is wrong between this host and its overlay, and what to do next: one line. Null: nothing. */
export function problemOf(
  membership: Pick<Membership, 'state' | 'lapsed' | 'expires' | 'configuration'>,
  double?: Double,
): string | null {
  const { state, lapsed, expires } = membership;
  const { overlay } = membership.configuration;
  if (state === 'revoked')
    return (
      `this host's key was revoked: nobody in ${overlay} links with it. To come back, stop the agent, remove identity.pem from its ` +
      'state directory and join with a new ticket; `idloc leave` frees it for another overlay'
    );
  if (double !== undefined) return doubleText(double);
  if (lapsed)
    return (
      `the certificate of this host ended ${new Date(expires).toISOString()}: it asks every member that it reaches for a new one. ` +
      'Start a host that may invite, or join with a new ticket after `idloc leave`'
    );
  return null;
}

function doubleText({ startedAt, remote, isAway }: Double): string {
  const where = remote === undefined ? '' : ` at ${formatSocketAddress(remote)}`;
  const since = startedAt === undefined ? '' : ` started ${new Date(startedAt).toISOString()}`;
  const then = isAway ? ' This one, started later, stays out of the overlay.' : '';
  return (
    `another agent${where}${since} has this host's key, as from a copied disk.${then} ` +
    'On the copy: stop the agent, remove its state directory and join with a new ticket'
  );
}
