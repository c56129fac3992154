import type { Candidate } from '../base/candidate.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { baseOf } from './candidates.ts';

/**
 * Pairs that may serve when the selected one does not, whether a check has shown it or not: each of our addresses once before
 * any of them twice; then what has been answered, and where the peer is seen as on the selected pair: a private address of
 * another network leads nowhere, where one of this network would have been selected.
 */
export function sparesOf(
  pairs: readonly CandidatePair[],
  selected: CandidatePair | undefined,
  locals: readonly Candidate[],
): CandidatePair[] {
  const own = new Set(locals.map((local) => baseOf(local).address));
  const rank = ({ state, remote }: CandidatePair): number =>
    state === 'succeeded' ? 0 : remote.type === selected?.remote.type ? 1 : 2;
  // In the peer's network another host may have the address that we have in ours.
  const others = pairs
    .filter((pair) => pair !== selected && !own.has(pair.remote.address.address))
    .toSorted((a, b) => rank(a) - rank(b));
  const seen = new Set<string>(selected === undefined ? [] : [selected.base.address]);
  const isFirst = ({ base }: CandidatePair): boolean => !seen.has(base.address) && seen.add(base.address).size > 0;
  const firsts = others.filter(isFirst);
  return [...firsts, ...others.filter((pair) => !firsts.includes(pair))];
}
