import type { Result } from '../control/schemas.ts';
import { formatDuration, formatMs } from './format.ts';

export function formatResolve(found: Result<'resolve'>): string {
  const lines = [
    `${found.target} is ${found.hit}`,
    `ipv4  ${found.ipv4 ?? '(none)'}`,
    `user  ${found.user ?? '(none)'}`,
  ];
  if (found.saidBy.length === 0) lines.push('known here, nobody was asked');
  for (const { responder, signer, ageS } of found.saidBy) {
    lines.push(
      `said by ${responder}, signed by ${signer === found.hit ? 'the host itself' : signer} ${formatDuration(ageS)} ago`,
    );
  }
  const [, ...others] = found.hosts;
  if (others.length > 0) {
    lines.push(`${found.hosts.length} hosts have this name; the others, in the order in which they are tried:`);
    lines.push(...others.map(({ hit, ipv4, linked }) => `${hit}  ${ipv4 ?? '-'}${linked ? '  linked' : ''}`));
  }
  const { totalMs, ...parts } = found.timings;
  const split = Object.entries(parts).map(([name, ms]) => `${name.replace(/Ms$/, '')} ${formatMs(ms)}`);
  lines.push(`took ${formatMs(totalMs)}${split.length === 0 ? '' : ` (${split.join(', ')})`}`);
  return lines.join('\n');
}
