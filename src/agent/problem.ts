import type { Membership } from '../membership/membership.ts';

/** What is wrong between this host and its overlay, and what to do next: one line. Null: nothing. */
export function problemOf(
  membership: Pick<Membership, 'state' | 'lapsed' | 'expires' | 'configuration'>,
): string | null {
  const { state, lapsed, expires } = membership;
  const { overlay } = membership.configuration;
  if (state === 'revoked')
    return (
      `this host's key was revoked: nobody in ${overlay} links with it. To come back, stop the agent, remove identity.pem from its ` +
      'state directory and join with a new ticket; `idloc leave` frees it for another overlay'
    );
  if (lapsed)
    return (
      `the certificate of this host ended ${new Date(expires).toISOString()}: it asks every member that it reaches for a new one. ` +
      'Start a host that may invite, or join with a new ticket after `idloc leave`'
    );
  return null;
}
