import { headerValues } from './message/headers.ts';
import type { SipHeader, SipRequest } from './message/message.ts';

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly SipHeader[];
}

/** What this proxy lets phones publish to it: nothing. */
const ALLOWED = 'INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, SUBSCRIBE, NOTIFY, MESSAGE';
const MAILBOX = 'message-summary';

/**
 * What a phone asks about its own user of a server, which its other phones are not: nobody here keeps published state (RFC 3903 s6), nor
 * a mailbox where there is no voice mail (RFC 3842; else `MessageLamp` answers). Told so at once, phones do without.
 * @returns undefined: it is for other phones, as presence is (RFC 3856), which each of them tells of itself.
 */
export function ownEventAnswer(request: SipRequest): Answer | undefined {
  if (request.method === 'PUBLISH')
    return { status: 405, reason: 'Method Not Allowed', headers: [{ name: 'Allow', value: ALLOWED }] };
  const event = headerValues(request, 'event')[0]?.split(';')[0]?.trim().toLowerCase();
  if (request.method !== 'SUBSCRIBE' || event !== MAILBOX) return undefined;
  // RFC 6665 s4.2.1.2: with those that there are.
  return { status: 489, reason: 'Bad Event', headers: [{ name: 'Allow-Events', value: 'presence' }] };
}
