import { createHmac } from 'node:crypto';
import { KEY_LIFETIME_MS, KEY_OVERLAP_MS } from './constants.ts';

/** SHA-1's length: what Mainline calls an info hash (BEP 5). */
export const MEETING_KEY_BYTES = 20;

/** Who meets under a key: all members of the overlay, or the inviter and the newcomers of one ticket. */
export type Topic = 'overlay' | `ticket ${string}`;

/**
 * What hosts meet under at one place on one day. Without the secret nobody can tell it, or what two keys have in common.
 * @param secret of the overlay, 16 bytes: in tickets, and with members.
 */
export function meetingKey(secret: Uint8Array, place: string, topic: Topic, day: number): Uint8Array {
  const mac = createHmac('sha256', secret).update(`idloc rendezvous 1\n${place}\n${topic}\n${day}`).digest();
  return new Uint8Array(mac.subarray(0, MEETING_KEY_BYTES));
}

/** The days whose keys are good now, today's first. */
export function meetingDays(wallNow: number): number[] {
  const today = Math.floor(wallNow / KEY_LIFETIME_MS);
  const into = wallNow - today * KEY_LIFETIME_MS;
  if (into < KEY_OVERLAP_MS) return [today, today - 1];
  if (KEY_LIFETIME_MS - into < KEY_OVERLAP_MS) return [today, today + 1];
  return [today];
}
