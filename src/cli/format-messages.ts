import type { VoiceMessage } from '../control/schemas.ts';
import { formatDuration, table } from './format.ts';

/** Messages for a person, a line each, the oldest first; times are those of this host's zone. */
export function formatMessages(messages: readonly VoiceMessage[]): string {
  const rows = messages.map(({ id, from, at, seconds, isNew, isWhole }) => [
    ...[id, localTime(at), formatDuration(seconds), from],
    [...(isNew ? ['new'] : []), ...(isWhole ? [] : ['not whole'])].join(', '),
  ]);
  return table([['ID', 'LEFT', 'LENGTH', 'FROM', ''], ...rows]).join('\n');
}

/** `2026-11-30 14:05` */
function localTime(at: number): string {
  const date = new Date(at);
  const two = (part: number): string => String(part).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
