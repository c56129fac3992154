import { z } from 'zod';
import { isHit } from '../base/node-id.ts';
import { isUserName } from './names.ts';

/** Tickets that were given out and have not expired. */
export const MAX_CODES = 1000;
/** About 150 bytes each in the file. */
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
  madeAt: z.number().default(0),
  /** It lets nobody in any more. Kept until it expires, so that an older copy of the register does not bring it back. */
  withdrawn: z.boolean().default(false),
});
const memberSchema = z.strictObject({
  hit,
  user: user.nullable(),
  formerUsers: z.array(user).max(MAX_FORMER_NAMES),
  /** When it was let in; of one that was seen, when it was last known to have got a certificate. */
  enrolledAt: z.number(),
  /** Since when it is known here, or was let in here the last time. Absent: written before this was kept. */
  knownSince: z.number().optional(),
  /** `notBefore` of the latest certificate that is known of. */
  issuedAt: z.number().default(0),
  /** The end of the latest certificate that was issued here. */
  expiresAt: z.number(),
  /** It has shown itself as a member: its installation did not fail. */
  seen: z.boolean(),
  revoked: z.boolean(),
  /** Who let it in, as far as is known here: null, the authority. Absent: as above. */
  issuer: hit.nullable().optional(),
});
const stateSchema = z.strictObject({
  version: z.literal(2),
  overlay: z.string(),
  codes: z.array(codeSchema).max(MAX_CODES),
  members: z.array(memberSchema).max(MAX_MEMBERS),
});

/** A change that must not be lost: one line of the journal. */
const entrySchema = z.discriminatedUnion('type', [
  /** A ticket was made. */
  z.strictObject({ type: z.literal('code'), overlay: z.string(), code: codeSchema }),
  /** A host got a certificate, or showed it for the first time. */
  z.strictObject({
    type: z.literal('member'),
    overlay: z.string(),
    member: memberSchema,
    /** The ticket that it came with; null: none. */
    code: codeSchema.shape.id.nullable(),
    /** Hosts whose place it took. */
    replaced: z.array(hit).max(MAX_MEMBERS),
  }),
  /** Tickets let nobody in any more. */
  z.strictObject({
    type: z.literal('withdrawn'),
    overlay: z.string(),
    codes: z.array(codeSchema.shape.id).max(MAX_CODES),
  }),
  /** A host has left: its names are free. */
  z.strictObject({ type: z.literal('left'), overlay: z.string(), hit }),
]);

/** What a ticket's code lets in. */
export type Code = Readonly<z.infer<typeof codeSchema>>;
/** A host, as far as this inviter knows of it. Times are milliseconds since the epoch. */
export type Member = Readonly<z.infer<typeof memberSchema>>;
export type RegisterEntry = Readonly<z.infer<typeof entrySchema>>;
export interface RegisterState {
  readonly overlay: string;
  readonly codes: readonly Code[];
  readonly members: readonly Member[];
}

/** Well below a millisecond's work. */
const MEMBERS_A_PIECE = 250;

/** @throws when the text is no register. */
export function parseRegister(json: string): RegisterState {
  return stateSchema.parse(JSON.parse(json));
}

/** The text of a register in pieces, none of which takes long to make: `state` stays as it is until the last one. */
export function* registerPieces({ overlay, codes, members }: RegisterState): Generator<string> {
  yield `{"version":2,"overlay":${JSON.stringify(overlay)},"codes":[`;
  for (const [i, code] of codes.entries()) yield `${i === 0 ? '' : ','}${JSON.stringify(code)}`;
  yield '],"members":[';
  for (let i = 0; i < members.length; i += MEMBERS_A_PIECE)
    yield `${i === 0 ? '' : ','}${JSON.stringify(members.slice(i, i + MEMBERS_A_PIECE)).slice(1, -1)}`;
  yield ']}\n';
}

/** The lines of a journal. @throws when one is no entry. */
export function parseEntries(lines: string): RegisterEntry[] {
  return lines
    .split('\n')
    .slice(0, -1)
    .map((line) => entrySchema.parse(JSON.parse(line)));
}

export function formatEntry(entry: RegisterEntry): string {
  return `${JSON.stringify(entry)}\n`;
}
