import type { Result } from '../control/schemas.ts';
import { formatDuration } from './format.ts';

/** A paragraph for each finding: what is wrong, and below it what mends it. */
export function formatDoctor({ findings }: Result<'doctor'>): string {
  if (findings.length === 0) return 'nothing wrong';
  return findings
    .map(({ level, what, mend, agoMs }) => {
      const when = agoMs === undefined ? '' : ` (${formatDuration(agoMs / 1000)} ago)`;
      return `${level}: ${what}${when}\n  mend: ${mend}`;
    })
    .join('\n');
}
