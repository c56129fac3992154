import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { equalSecrets, fromHex, toHex } from '../base/bytes.ts';
import { isHit, type Hit } from '../base/node-id.ts';
import { EnrollmentError, KeyStoreError } from './errors.ts';
import { isUserName } from './names.ts';

/** A one-time code: what a ticket carries. */
export const CODE_BYTES = 16;
const CODE_ID_BYTES = 16;
/** Tickets that were given out and are neither expired nor forgotten. */
const MAX_CODES = 1000;
/** About 100 bytes each in the file, which is written whole. */
const MAX_MEMBERS = 100_000;

const codeSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{32}$/),
  key: z.string().regex(/^[0-9a-f]{64}$/),
  expiresAt: z.number(),
  user: z.string().refine(isUserName).nullable(),
  usedBy: z.string().refine(isHit).nullable(),
});
const memberSchema = z.strictObject({
  hit: z.string().refine(isHit),
  user: z.string().refine(isUserName).nullable(),
  enrolledAt: z.number(),
  revoked: z.boolean(),
});
const stateSchema = z.strictObject({
  version: z.literal(1),
  codes: z.array(codeSchema).max(MAX_CODES),
  members: z.array(memberSchema).max(MAX_MEMBERS),
});
type Code = z.infer<typeof codeSchema>;
export type Member = Readonly<z.infer<typeof memberSchema>>;

/**
 * What a newcomer shows instead of the code, so that a hop that carries the request cannot use the code itself:
 * `id` says which code, `key` authenticates the request. The register keeps these two, not the code.
 */
export interface CodeSecret {
  readonly id: Uint8Array;
  readonly key: Uint8Array;
}

export function secretOfCode(code: Uint8Array): CodeSecret {
  if (code.length !== CODE_BYTES) throw new RangeError(`a code has ${CODE_BYTES} bytes, not ${code.length}`);
  const derive = (label: string): Uint8Array => new Uint8Array(createHmac('sha256', code).update(label).digest());
  return { id: derive('idloc code id').slice(0, CODE_ID_BYTES), key: derive('idloc code key') };
}

export interface Redemption {
  readonly hit: Hit;
  /** Null: take the name that the code or an earlier enrollment gives, or none. */
  readonly user: string | null;
  /** Null: the key is a member already and renews its certificate. */
  readonly code: { readonly id: Uint8Array; readonly isProvenBy: (key: Uint8Array) => boolean } | null;
  /** Milliseconds since the epoch. */
  readonly wallNow: number;
}

/**
 * Who is a member under which user name, and which codes were given out. A user name belongs to the keys that got it: another
 * key gets it only with a code that was made for that very name. Every change is handed to `persist` before it counts.
 */
export class EnrollmentRegister {
  private codes: Code[] = [];
  private readonly members = new Map<Hit, Member>();
  private readonly persist: (json: string) => void;

  /**
   * @param json what `persist` got last; undefined in a new overlay.
   * @param persist stores atomically, or throws: then the change is undone.
   * @throws {KeyStoreError} when `json` is something else.
   */
  constructor(json: string | undefined, persist: (json: string) => void) {
    this.persist = persist;
    if (json === undefined) return;
    try {
      const state = stateSchema.parse(JSON.parse(json));
      this.codes = state.codes;
      for (const member of state.members) this.members.set(member.hit, member);
    } catch (cause) {
      throw new KeyStoreError('the register of members cannot be read', { cause });
    }
  }

  /**
   * Lets one newcomer in.
   * @param options.user the user name that it will have; null: its own choice among the free ones.
   * @throws {EnrollmentError} when the name is not allowed or too many codes wait.
   */
  addCode(
    code: Uint8Array,
    options: { readonly expiresAt: number; readonly user: string | null; readonly wallNow: number },
  ): void {
    const { expiresAt, user, wallNow } = options;
    if (user !== null && !isUserName(user))
      throw new EnrollmentError('username_not_available', `not a user name: ${user.slice(0, 80)}`);
    const before = this.codes;
    const kept = before.filter((other) => other.expiresAt > wallNow);
    if (kept.length >= MAX_CODES)
      throw new EnrollmentError('failed_authentication', `${MAX_CODES} tickets wait to be used: let some expire`);
    const { id, key } = secretOfCode(code);
    this.codes = [...kept, { id: toHex(id), key: toHex(key), expiresAt, user, usedBy: null }];
    this.save(() => (this.codes = before));
  }

  /**
   * Admits a key, or renews its membership.
   * @returns the user name that its certificate has.
   * @throws {EnrollmentError} when the code is wrong, used or expired, the name is another's, or the key was revoked.
   */
  redeem({ hit, user, code, wallNow }: Redemption): string | null {
    const known = this.members.get(hit);
    if (known?.revoked === true) throw new EnrollmentError('failed_authentication', 'this key was revoked');
    const entry = code === null ? undefined : this.findCode(code.id, code.isProvenBy, hit, wallNow);
    if (entry === undefined && known === undefined)
      throw new EnrollmentError('failed_authentication', 'this key is no member: a new ticket is needed');
    if (user !== null && !isUserName(user))
      throw new EnrollmentError('username_not_available', 'the user name is not allowed');
    if (entry !== undefined && entry.user !== null && user !== null && user !== entry.user)
      throw new EnrollmentError('username_not_available', `the ticket is for the user ${entry.user}`);
    // A code lets its first user choose a name once; whoever renews keeps the name.
    const chooses = entry?.usedBy === null;
    if (!chooses && user !== null && user !== known?.user)
      throw new EnrollmentError('username_not_available', 'another user name needs a new ticket');
    const granted = (chooses ? (entry.user ?? user) : null) ?? known?.user ?? null;
    if (chooses && granted !== null && granted !== known?.user && granted !== entry.user)
      this.checkFree(granted, entry);
    if (known === undefined && this.members.size >= MAX_MEMBERS)
      throw new EnrollmentError('failed_authentication', 'the overlay is full');
    if (!chooses) return granted;
    const codesBefore = this.codes;
    this.codes = codesBefore.map((other) => (other === entry ? { ...other, usedBy: hit } : other));
    this.members.set(hit, { hit, user: granted, enrolledAt: wallNow, revoked: false });
    this.save(() => {
      this.codes = codesBefore;
      this.restore(hit, known);
    });
    return granted;
  }

  /**
   * Refuses this key from now on. Its user name stays taken.
   * @returns false when it is no member.
   */
  revoke(hit: Hit): boolean {
    const known = this.members.get(hit);
    if (known === undefined) return false;
    this.members.set(hit, { ...known, revoked: true });
    this.save(() => this.restore(hit, known));
    return true;
  }

  memberList(): Member[] {
    return [...this.members.values()];
  }

  private findCode(id: Uint8Array, isProvenBy: (key: Uint8Array) => boolean, hit: Hit, wallNow: number): Code {
    const entry = this.codes.find((code) => equalSecrets(fromHex(code.id), id));
    // One answer for an unknown code and a wrong proof: neither tells a guesser more.
    if (entry === undefined || !isProvenBy(fromHex(entry.key)))
      throw new EnrollmentError('failed_authentication', 'the ticket is not known here: ask for a new one');
    if (entry.expiresAt <= wallNow)
      throw new EnrollmentError('failed_authentication', 'the ticket has expired: ask for a new one');
    if (entry.usedBy !== null && entry.usedBy !== hit)
      throw new EnrollmentError('failed_authentication', 'the ticket was used by another host: ask for a new one');
    return entry;
  }

  /** A name that a code was made for is kept for whoever has that code. */
  private checkFree(user: string, entry: Code): void {
    const taken =
      this.memberList().some((member) => member.user === user) ||
      this.codes.some((code) => code !== entry && code.user === user);
    if (taken)
      throw new EnrollmentError(
        'username_not_available',
        `the user name ${user} is taken: ask for a ticket that names it, or choose another`,
      );
  }

  private restore(hit: Hit, member: Member | undefined): void {
    if (member === undefined) this.members.delete(hit);
    else this.members.set(hit, member);
  }

  private save(undo: () => void): void {
    try {
      this.persist(`${JSON.stringify({ version: 1, codes: this.codes, members: this.memberList() })}\n`);
    } catch (error) {
      undo();
      throw error;
    }
  }
}
