import { messageOf } from '../../src/base/errors.ts';
import { progress } from './report.ts';
import type { Findings } from './report.ts';

/**
 * Measures each in turn, `runs` times over (A B C A B C, never A A B B), so that a busy moment of the machine hits all.
 * Who fails once is noted and left out of the result.
 */
export async function interleaved<C extends { readonly who: string }, T>(
  findings: Findings,
  what: string,
  contenders: readonly C[],
  runs: number,
  measure: (contender: C) => Promise<T>,
): Promise<ReadonlyMap<string, readonly T[]>> {
  const measured = new Map<string, T[]>(contenders.map(({ who }) => [who, []]));
  for (let run = 0; run < runs; run++)
    for (const contender of contenders) {
      const values = measured.get(contender.who);
      if (values === undefined) continue;
      try {
        values.push(await measure(contender));
      } catch (error) {
        const why = `${what}: ${contender.who} failed: ${messageOf(error)}`;
        progress(why);
        findings.note(why);
        measured.delete(contender.who);
      }
    }
  return measured;
}
