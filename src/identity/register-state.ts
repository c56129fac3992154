import { z } from 'zod';
import { isHit } from '../base/node-id.ts';
import { isUserName } from './names.ts';

/** Tickets that were given out and have not expired. */
export const MAX_CODES = 1000;
/** About 150 bytes each in the file, which is written whole. */
export const MAX_MEMBERS = 100_000;
/** Hosts that one ticket lets in. */
export const MAX_USES = 10_000;
/** Names that a host had before: the oldest leaves first. */
export const MAX_FORMER_NAMES = 8;

const hit = z.string().refine(isHit);
const user = z.string().refine(isUserName);
const codeSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  key: z.string().regex(/^[0-9a-f]{64}$/),
  expiresAt: z.number(),
  user: user.nullable(),
  uses: z.int().min(1).max(MAX_USES),
  /** The host that comes takes the place of those that the user has. */
  replaces: z.boolean(),
  usedBy: z.array(hit).max(MAX_USES),
});
const memberSchema = z.strictObject({
  hit,
  user: user.nullable(),
  formerUsers: z.array(user).max(MAX_FORMER_NAMES),
  /** When it was let in; of one that was seen, when it was last known to have got a certificate. */
  enrolledAt: z.number(),
  /** The end of the latest certificate that was issued here. */
  expiresAt: z.number(),
  /** It has shown itself as a member: its installation did not fail. */
  seen: z.boolean(),
  revoked: z.boolean(),
});
const stateSchema = z.strictObject({
  version: z.literal(2),
  overlay: z.string(),
  codes: z.array(codeSchema).max(MAX_CODES),
  members: z.array(memberSchema).max(MAX_MEMBERS),
});

/** What a ticket's code lets in. */
export type Code = Readonly<z.infer<typeof codeSchema>>;
/** A host, as far as this inviter knows of it. Times are milliseconds since the epoch. */
export type Member = Readonly<z.infer<typeof memberSchema>>;
export interface RegisterState {
  readonly overlay: string;
  readonly codes: readonly Code[];
  readonly members: readonly Member[];
}

/** @throws when the text is no register. */
export function parseRegister(json: string): RegisterState {
  return stateSchema.parse(JSON.parse(json));
}

export function formatRegister({ overlay, codes, members }: RegisterState): string {
  return `${JSON.stringify({ version: 2, overlay, codes, members })}\n`;
}
