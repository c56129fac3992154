import type { VoiceMessage } from '../control/schemas.ts';
import { formatDuration, localTime, table } from './format.ts';

/** Messages for a person, a line each, the oldest first; times are those of this host's zone. */
export function formatMessages(messages: readonly VoiceMessage[]): string {
  const rows = messages.map(({ id, from, at, seconds, isNew, isWhole }) => [
    ...[id, localTime(at), formatDuration(seconds), from],
    [...(isNew ? ['new'] : []), ...(isWhole ? [] : ['not whole'])].join(', '),
  ]);
  return table([['ID', 'LEFT', 'LENGTH', 'FROM', ''], ...rows]).join('\n');
}
