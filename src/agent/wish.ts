import { createHash } from 'node:crypto';
import { equalBytes, toHex } from '../base/bytes.ts';
import { IdlocError } from '../base/errors.ts';
import { TicketError } from '../identity/errors.ts';
import { decodeTicket, type Ticket } from '../identity/ticket.ts';
import type { LeftMark } from './left-mark.ts';

/** What the settings say where this host is to be: `--join`, `--create`, `overlay = ...`. */
export interface Wish {
  readonly ticket: Ticket | TicketError | undefined;
  readonly overlay: string | undefined;
  /** The same settings again have the same; null: they say nothing. */
  readonly digest: string | null;
}

/** The overlay that the host is a member of. */
export interface Belonging {
  readonly overlay: string;
  /** SHA-256 of the authority's key. */
  readonly authority: Uint8Array;
  /** The overlay that the agent made by itself, and nobody else was ever in it. */
  readonly disposable: boolean;
}

export type Decision =
  /** `instead`: what was wished and is not done, and what to do about it. */
  | { readonly do: 'live'; readonly instead?: string }
  | { readonly do: 'join'; readonly ticket: Ticket }
  /** undefined: one of its own. */
  | { readonly do: 'create'; readonly overlay: string | undefined }
  /** In no overlay, until somebody says otherwise. */
  | { readonly do: 'wait' };

/** Never throws: a ticket that is none is only an error where it is needed. */
export function readWish(settings: { readonly join: string | null; readonly overlay: string | null }): Wish {
  const { join, overlay } = settings;
  const text = join ?? overlay;
  const digest = text === null ? null : toHex(createHash('sha256').update(text.trim()).digest());
  if (join === null) return { ticket: undefined, overlay: overlay ?? undefined, digest };
  return { ticket: readTicket(join), overlay: undefined, digest };
}

/**
 * What a host does when it is started, or told by a command.
 * @param left the overlay that it was told to leave.
 * @throws {TicketError} when a newcomer's ticket is no good.
 */
export function decide(wish: Wish, belonging: Belonging | undefined, left: LeftMark | undefined): Decision {
  const { ticket, overlay, digest } = wish;
  if (belonging === undefined) {
    // What made it a member before it left makes it none again.
    if (left !== undefined && (digest === null || digest === left.settings)) return { do: 'wait' };
    return ticket === undefined ? { do: 'create', overlay } : { do: 'join', ticket: usable(ticket) };
  }
  if (ticket instanceof TicketError)
    return { do: 'live', instead: `the ticket is not used (${ticket.message}): this host is in ${belonging.overlay}` };
  const wanted = ticket?.overlay ?? overlay;
  if (wanted === undefined) return { do: 'live' };
  if (ticket === undefined ? wanted === belonging.overlay : isTicketOf(ticket, belonging)) return { do: 'live' };
  if (!belonging.disposable) return { do: 'live', instead: otherOverlay(belonging.overlay, wanted).message };
  return ticket === undefined ? { do: 'create', overlay } : { do: 'join', ticket };
}

/** Whether a ticket, perhaps an old one, is of the overlay that the host is in. */
export function isTicketOf(ticket: Ticket | TicketError, { overlay, authority }: Belonging): boolean {
  return !(ticket instanceof Error) && ticket.overlay === overlay && equalBytes(ticket.authority, authority);
}

/**
 * Also one that has expired by the clock of this host, which may be wrong: its inviter judges.
 * @throws {TicketError} when the text was no ticket.
 */
export function usable(ticket: Ticket | TicketError): Ticket {
  if (ticket instanceof TicketError) throw ticket;
  return ticket;
}

/** A host is in one overlay at a time. */
export function otherOverlay(is: string, wanted: string): IdlocError {
  const other = is === wanted ? 'another of that name' : wanted;
  return new IdlocError(
    'other_overlay',
    `this host belongs to ${is} and stays there, it does not go to ${other}: \`idloc leave\` first`,
  );
}

/** One that has expired is read all the same: a member may have it in its settings for years. */
export function readTicket(text: string): Ticket | TicketError {
  try {
    return decodeTicket(text, 0);
  } catch (error) {
    if (error instanceof TicketError) return error;
    throw error;
  }
}

/** What a person is to know of a ticket that has expired by the clock of this host; undefined: it has not. */
export function expiredHere({ expiresAt }: Ticket, wallNow: number): string | undefined {
  if (expiresAt > wallNow) return undefined;
  const [end, today] = [expiresAt, wallNow].map((time) => new Date(time).toISOString());
  return `the ticket has expired on ${end}, if it is ${today} now, as the clock of this host says: its inviter decides`;
}
