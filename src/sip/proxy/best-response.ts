import { headerRows } from '../message/headers.ts';
import type { SipResponse } from '../message/message.ts';

/** RFC 3261 s16.7 step 6: they say what the caller may do better. */
const RESUBMISSIONS: readonly number[] = [401, 407, 415, 420, 484];
/** They say that nobody was asked, or that we did not wait: any other answer of their class says more. */
const EMPTY: readonly number[] = [408, 481, 482, 483, 487];
const CHALLENGES: readonly number[] = [401, 407];

/**
 * The one of several final responses that the caller gets (RFC 3261 s16.7 step 6): of 6xx the first, else of the lowest class. 503
 * counts as 500: it is not we who have no service. Busy says more than that a phone is off.
 * @param isCancelled the caller has given up: 487 is what it waits for.
 */
export function bestResponse(responses: readonly SipResponse[], isCancelled: boolean): SipResponse | undefined {
  const [first, ...others] = responses;
  if (first === undefined) return undefined;
  const best = others.reduce(
    (best, response) => (rank(response.status, isCancelled) < rank(best.status, isCancelled) ? response : best),
    first,
  );
  if (best.status === 503) return { ...best, status: 500, reason: 'Server Internal Error' };
  return CHALLENGES.includes(best.status) ? withChallenges(best, responses) : best;
}

function rank(status: number, isCancelled: boolean): number {
  const kind = Math.floor(status / 100);
  if (kind === 6) return 0;
  if (kind !== 4) return 10 * kind + (status === 503 ? 1 : 0);
  if (status === 487 && isCancelled) return 1;
  if (RESUBMISSIONS.includes(status)) return 40;
  if (EMPTY.includes(status)) return 43;
  return status === 486 ? 41 : 42;
}

/** s16.7 step 7: all challenges that came, for the caller needs credentials for each. */
function withChallenges(best: SipResponse, responses: readonly SipResponse[]): SipResponse {
  const more = responses
    .filter((response) => response !== best && CHALLENGES.includes(response.status))
    .flatMap(({ headers }) => [
      ...headerRows(headers, 'www-authenticate'),
      ...headerRows(headers, 'proxy-authenticate'),
    ]);
  return { ...best, headers: [...best.headers, ...more] };
}
