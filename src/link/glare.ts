import type { Association } from './association.ts';
import { GLARE_WINDOW_MS } from './constants.ts';

/**
 * Two associations of one age, made by both ends at once; not two calls of a peer that has restarted in between. Where both
 * run between the same addresses, the data plane hands everything to the later one, so that one stays.
 */
export function isGlare(association: Association, before: Association, now: number): boolean {
  if (association.supersedes || association.sharesRemote(before)) return false;
  if (now - (before.connectedAt ?? 0) > GLARE_WINDOW_MS) return false;
  return association.origin !== 'incoming' || before.origin !== 'incoming';
}

/**
 * `before` inherited the agent of a negotiation, and this is the handshake that the negotiation was for: the peer's checks are
 * with that agent.
 */
export function endsNegotiation(association: Association, before: Association, now: number): boolean {
  if (!before.negotiatedIce || association.ice !== undefined || association.role !== before.role) return false;
  return now - (before.connectedAt ?? 0) <= GLARE_WINDOW_MS;
}

/** Both ends compare the same two names, so both keep the same association. */
export function losesGlare(association: Association, before: Association, now: number): boolean {
  if (!isGlare(association, before, now)) return false;
  return (association.secrets?.id ?? '') > (before.secrets?.id ?? '');
}
