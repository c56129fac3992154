import type { TicketStatus } from '../control/schemas.ts';
import { formatDuration, table } from './format.ts';

/** Enough of the id to tell some hundred tickets from each other. */
const SHOWN_ID_CHARACTERS = 8;

/** Open tickets for a person, a line each, the latest first. */
export function formatTickets(tickets: readonly TicketStatus[], wallNow: number): string {
  const rows = tickets.map(({ id, user, uses, left, replaces, madeAt, expires }) => [
    id.slice(0, SHOWN_ID_CHARACTERS),
    user === null ? 'anyone' : replaces ? `${user}, in place of its hosts` : user,
    `${left} of ${uses}`,
    `${formatDuration(Math.max(0, wallNow - madeAt) / 1000)} ago`,
    `${formatDuration(Math.max(0, expires - wallNow) / 1000)} left`,
  ]);
  return table([['TICKET', 'FOR', 'USES LEFT', 'MADE', 'EXPIRES'], ...rows]).join('\n');
}
