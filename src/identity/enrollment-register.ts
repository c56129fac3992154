import { equalSecrets, fromHex, toHex } from '../base/bytes.ts';
import type { Hit } from '../base/node-id.ts';
import { backdate } from './certificate-issuer.ts';
import { secretOfCode } from './code-secret.ts';
import { EnrollmentError, KeyStoreError, NameTakenError } from './errors.ts';
import { isUserOf, MAILBOX_LABEL } from './names.ts';
import {
  MAX_CODES,
  MAX_FORMER_NAMES,
  MAX_MEMBERS,
  MAX_USES,
  formatEntry,
  parseEntries,
  parseRegister,
  registerPieces,
  type Code,
  type Member,
  type RegisterEntry,
  type RegisterState,
} from './register-state.ts';
import { isErrno } from './state-lock.ts';

export type { Member } from './register-state.ts';

/** Where a register is kept: what it writes as a whole, and behind it what must not be lost and came since. */
export interface RegisterStore {
  /** One line more: on the disk when this returns. @throws when it cannot be written. */
  append(line: string): void;
  /** The whole in place of all before it. @throws when it cannot be written: the old one is then untouched. */
  write(pieces: Iterable<string>): void;
  /** As `write`, without holding anything up. What is appended meanwhile stays. @param done with what went wrong. */
  writeSoon(pieces: Iterable<string>, done: (error?: unknown) => void): void;
}

/**
 * A host that has its certificate shows itself within seconds; later than this its installation counts as failed for whoever
 * comes with the same ticket, which is the same person most often.
 */
const FAILED_AFTER_MS = 60_000;
/**
 * For all others it does after this time: long enough for a reboot in the middle of it, short enough for the next one who wants
 * the name to wait.
 */
export const ABANDONED_AFTER_MS = 600_000;
/** Of one name. More of them are a ticket for a user with many hosts, and no failed installation. */
const MAX_ABANDONED = 4;

export interface CodeOptions {
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** The user name that the newcomer will have; null: its own choice among the free ones. */
  readonly user: string | null;
  /** How many hosts it lets in; absent: one. */
  readonly uses?: number;
  /** The user has lost its key: the newcomer takes the place of all hosts that it has. Needs a user, and one use. */
  readonly replaces?: boolean;
  readonly wallNow: number;
}

/** A host that was seen as a member. */
export interface SeenMember {
  readonly hit: Hit;
  readonly user: string | null;
  /** Its certificate's `notBefore`, milliseconds since the epoch: which of two certificates is the later one. */
  readonly issuedAt: number;
  /** Of its certificate, milliseconds since the epoch. */
  readonly expiresAt: number;
  /** The inviter that made the certificate; null: the authority. */
  readonly issuer: Hit | null;
}

interface GivenCode {
  readonly id: Uint8Array;
  readonly isProvenBy: (key: Uint8Array) => boolean;
}

export interface Redemption {
  readonly hit: Hit;
  /** Null: take the name that the code, the old certificate or an earlier enrollment gives, or none. */
  readonly user: string | null;
  /** Null: the key is a member already and renews its certificate. */
  readonly code: GivenCode | null;
  /** What a certificate of the overlay says that this key has shown, in force or not; null: none. */
  readonly shown: Omit<SeenMember, 'hit'> | null;
  /** Who lets it in here: an inviter, or null, the authority. */
  readonly issuer: Hit | null;
  /** Milliseconds since the epoch. */
  readonly wallNow: number;
}

/** What becomes of a redemption. */
export interface Admission {
  /** The user name that the certificate has. */
  readonly user: string | null;
  /** The user name was chosen by the newcomer: others may have to be asked whether it is free. */
  readonly chosen: boolean;
  /** Hosts whose place this one takes: to be revoked. Other inviters may know more of this user. */
  readonly replaced: readonly Hit[];
  /** Those among them that never showed themselves here: the overlay may know that they are there all the same. */
  readonly failed: readonly Hit[];
  /** A lost key is replaced: every other host of the user is to be revoked. */
  readonly replacesUser: boolean;
}

/** A ticket that still lets hosts in, as its inviter sees it. */
export interface OpenTicket {
  /** What names it without letting anyone in. */
  readonly id: string;
  /** Null: the newcomer chooses. */
  readonly user: string | null;
  readonly uses: number;
  /** Of `uses`. */
  readonly left: number;
  readonly replaces: boolean;
  /** Milliseconds since the epoch. */
  readonly madeAt: number;
  readonly expiresAt: number;
}

/** A host that was revoked. */
export interface RevokedHost {
  readonly hit: Hit;
  /** Null: not known. */
  readonly user: string | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

interface Plan extends Admission {
  readonly code: Code | undefined;
  readonly known: Member | undefined;
}

/**
 * Who is a member under which user name, and which codes were given out, as one inviter knows it. A user name belongs to the
 * hosts that got it: others get it only with a code that was made for that very name. It is free again when no host that
 * has it was ever seen and the certificates that name it have ended. A host whose installation failed, as it seems, loses its
 * place in its ticket to the next host that comes with the same ticket, and its name to the next one that comes with any.
 *
 * An admission of a newcomer is on the disk before it counts, in a line of its own. So is every certificate that is issued, a
 * newcomer's first sign of life and a name given back, but those count all the same when there is no room. What else is seen of
 * members is gathered, until `writeSoon` or `flush` writes the whole: the next link of that member tells it again.
 */
export class EnrollmentRegister {
  readonly overlay: string;
  private codes: readonly Code[] = [];
  private readonly members = new Map<Hit, Member>();
  private readonly hosts = new Map<string, Set<Hit>>();
  private readonly store: RegisterStore | undefined;
  /** Something has changed since the last write of the whole. */
  private changed = false;
  private writing = false;
  private waits: () => void = () => {};

  /**
   * @param options.json what the store was given last as a whole; absent: nothing yet.
   * @param options.journal the lines that it was given since then.
   * @param options.store absent: nothing is kept.
   * @throws {KeyStoreError} when `json` or `journal` is something else.
   */
  constructor(options: {
    readonly overlay: string;
    readonly json?: string | undefined;
    readonly journal?: string;
    readonly store?: RegisterStore;
  }) {
    const { overlay, json, journal = '', store } = options;
    this.overlay = overlay;
    this.store = store;
    if (json !== undefined) this.take(readState(json, overlay));
    for (const entry of readJournal(journal, overlay)) this.apply(entry);
    this.changed = journal !== '';
  }

  /** Called when there is something for `writeSoon` to write, once until it is called. */
  onWaiting(handler: () => void): void {
    this.waits = handler;
    if (this.changed) handler();
  }

  /**
   * Lets newcomers in.
   * @throws {EnrollmentError} when the name is not one of the overlay, too many codes wait, or it cannot be written down.
   */
  addCode(code: Uint8Array, options: CodeOptions): void {
    const { expiresAt, user, uses = 1, replaces = false, wallNow } = options;
    if (user !== null) this.checkName(user, false);
    if (!(Number.isInteger(uses) && uses >= 1 && uses <= MAX_USES))
      throw new RangeError(`a ticket lets in 1 to ${MAX_USES} hosts, not ${uses}`);
    if (replaces && (user === null || uses !== 1))
      throw new EnrollmentError(
        'username_not_available',
        'a ticket that replaces a lost key is for one user and one host: name the user',
      );
    const kept = this.codes.filter((other) => other.expiresAt > wallNow);
    if (kept.length >= MAX_CODES)
      throw new EnrollmentError('failed_authentication', `${MAX_CODES} tickets wait to be used: let some expire`);
    const { id, key } = secretOfCode(code);
    const state = { usedBy: [], madeAt: wallNow, withdrawn: false };
    const entry = { id: toHex(id), key: toHex(key), expiresAt, user, uses, replaces, ...state };
    this.change({ type: 'code', overlay: this.overlay, code: entry });
    this.codes = this.codes.filter((other) => other.expiresAt > wallNow);
  }

  /**
   * What `redeem` would do.
   * @throws {EnrollmentError} as it does.
   */
  consider(redemption: Redemption): Admission {
    return this.plan(redemption);
  }

  /** Tickets that can still be used, the latest first. */
  openTickets(wallNow: number): OpenTicket[] {
    const open = this.codes.filter((code) => isOpen(code, wallNow));
    return open
      .map(({ id, user, uses, usedBy, replaces, madeAt, expiresAt }) => {
        return { id, user, uses, left: uses - usedBy.length, replaces, madeAt, expiresAt };
      })
      .reverse();
  }

  /**
   * This ticket lets nobody in any more. Whom it has let in stays a member.
   * @throws {EnrollmentError} when it cannot be written down.
   */
  withdraw(id: string): void {
    this.change({ type: 'withdrawn', overlay: this.overlay, codes: [id] });
  }

  /**
   * Ends what would let a revoked host in again with a new key: tickets that it has used, whose text it has, and those that
   * were made for its user until then.
   * @returns how many that were open.
   */
  endTickets(revoked: readonly RevokedHost[], wallNow: number): number {
    const hits = new Set(revoked.map(({ hit }) => hit));
    const users = new Map<string, number>();
    for (const { hit, user: named, at } of revoked) {
      const user = named ?? this.members.get(hit)?.user ?? null;
      if (user !== null) users.set(user, Math.max(at, users.get(user) ?? -Infinity));
    }
    const ended = this.codes.filter(
      (code) =>
        isOpen(code, wallNow) &&
        (code.usedBy.some((hit) => hits.has(hit)) ||
          (code.user !== null && code.madeAt < (users.get(code.user) ?? -Infinity))),
    );
    if (ended.length > 0) this.remember({ type: 'withdrawn', overlay: this.overlay, codes: ended.map(({ id }) => id) });
    return ended.length;
  }

  /** The user of a host, as far as is known here. */
  userOf(hit: Hit): string | null {
    return this.members.get(hit)?.user ?? null;
  }

  /**
   * Admits a key, or renews its membership.
   * @param expiresAt the end of the certificate that it gets.
   * @throws {EnrollmentError} when the code is wrong, used or expired, the name is another's, the key was revoked, or
   * a newcomer cannot be written down.
   */
  redeem(redemption: Redemption, expiresAt: number): Admission {
    const { hit, wallNow } = redemption;
    const { code, known, ...admission } = this.plan(redemption);
    const { user, replaced } = admission;
    const before = known ?? {
      hit,
      user,
      formerUsers: [],
      enrolledAt: wallNow,
      knownSince: wallNow,
      issuedAt: 0,
      expiresAt: 0,
      seen: false,
      revoked: false,
      issuer: redemption.shown?.issuer ?? null,
    };
    const member: Member = {
      ...renamed(before, user),
      // A ticket is the word of the inviter that gave it; a renewal is that of whoever let the host in.
      ...(code !== undefined && { issuer: redemption.issuer, knownSince: wallNow }),
      issuedAt: Math.max(issuedAt(wallNow, expiresAt), before.issuedAt),
      expiresAt: Math.max(expiresAt, before.expiresAt),
      // Whoever asks again with its ticket, since the answer was lost, is at it still.
      ...((before.seen || code !== undefined) && { enrolledAt: wallNow }),
      // Whoever shows its certificate has it.
      seen: before.seen || redemption.shown !== null,
    };
    const entry: RegisterEntry = {
      type: 'member',
      overlay: this.overlay,
      member,
      code: code?.id ?? null,
      replaced: [...replaced],
    };
    const newcomer = code !== undefined && !code.usedBy.includes(hit);
    if (newcomer || known === undefined || known.user !== user) this.change(entry);
    else this.remember(entry);
    return admission;
  }

  /** Whether nobody has the name, or is to get it, as far as is known here; `hit` may have it itself. */
  isFree(user: string, wallNow: number, hit?: Hit): boolean {
    return this.takenBy(user, wallNow, [], hit) === 'nobody';
  }

  /** A host that was let in here is in the overlay, as others say: its installation did not fail. */
  noteShown(hit: Hit): void {
    const member = this.members.get(hit);
    if (member === undefined || member.seen) return;
    const entry = { member: { ...member, seen: true }, code: null, replaced: [] };
    this.remember({ type: 'member', overlay: this.overlay, ...entry });
  }

  /**
   * Hosts that showed themselves as members: their names are their own from now on. Those that other inviters let in are
   * remembered too, and may renew here when their inviter may not any more.
   */
  noteMembers(hosts: readonly SeenMember[], wallNow: number): void {
    for (const host of hosts) {
      const member = this.noted(host, wallNow);
      if (member === undefined) continue;
      // Forgotten, the place of a host that was let in here would be the next one's who has its ticket.
      if (this.members.get(host.hit)?.seen === false)
        this.remember({ type: 'member', overlay: this.overlay, member, code: null, replaced: [] });
      else this.gather(member);
    }
  }

  /**
   * Refuses this key from now on, also when it is not known here yet. Its user name stays taken.
   * @param user its name, for a host that is not known here.
   */
  revoke(hit: Hit, wallNow: number, user: string | null = null): void {
    const known = this.members.get(hit);
    if (known?.revoked === true || (known === undefined && this.members.size >= MAX_MEMBERS)) return;
    const unknown = { hit, user, formerUsers: [], enrolledAt: wallNow, issuedAt: 0, expiresAt: wallNow, seen: true };
    const member = { ...(known ?? unknown), revoked: true };
    this.remember({ type: 'member', overlay: this.overlay, member, code: null, replaced: [] });
  }

  /**
   * A host has left by itself: its names are free, unless it got a certificate since then. One that was revoked stays so.
   * @param user the name that it gave back; absent: whichever it has.
   * @returns whether it was known, and is no more.
   */
  release(hit: Hit, leftAt: number, user?: string): boolean {
    const known = this.members.get(hit);
    if (known === undefined || known.revoked || known.enrolledAt > leftAt) return false;
    if (user !== undefined && known.user !== user) return false;
    this.remember({ type: 'left', overlay: this.overlay, hit });
    return true;
  }

  /** Undefined: not known here. */
  member(hit: Hit): Member | undefined {
    return this.members.get(hit);
  }

  memberList(): Member[] {
    return [...this.members.values()];
  }

  /** The hosts of a user that were not revoked. */
  hostsOf(user: string): Hit[] {
    return [...(this.hosts.get(user) ?? [])].filter((hit) => {
      const member = this.members.get(hit);
      return member?.user === user && !member.revoked;
    });
  }

  /**
   * Adds what another register of this overlay knows, as one that comes with the authority's key.
   * @throws {KeyStoreError} when it is none, or cannot be written.
   */
  absorb(json: string): void {
    this.take(readState(json, this.overlay));
    this.changed = true;
    this.flush();
  }

  toJson(): string {
    return [...this.pieces()].join('');
  }

  /**
   * Writes what waits, now: also what a `writeSoon` has not done yet. Idempotent.
   * @throws {KeyStoreError} when it cannot.
   */
  flush(): void {
    if (!this.changed && !this.writing) return;
    this.store?.write(this.pieces());
    this.changed = false;
  }

  /** Writes what waits, and holds nothing up. @param done with what went wrong: it then waits still. */
  writeSoon(done: (error?: unknown) => void): void {
    if (this.store === undefined || !this.changed) {
      done();
      return;
    }
    this.changed = false;
    this.writing = true;
    this.store.writeSoon(this.pieces(), (error) => {
      this.writing = false;
      if (error !== undefined) this.changed = true;
      done(error);
    });
  }

  /** As it is now, whatever changes until the last piece. */
  private pieces(): Iterable<string> {
    return registerPieces({ overlay: this.overlay, codes: this.codes, members: this.memberList() });
  }

  private plan({ hit, user, code: given, shown, wallNow }: Redemption): Plan {
    const known = this.knownAs(hit, shown, wallNow);
    if (known?.revoked === true)
      throw new EnrollmentError(
        'failed_authentication',
        'this key was revoked: make a new one and ask for a new ticket',
      );
    const code = given === null ? undefined : this.findCode(given, hit, wallNow);
    if (code === undefined && known === undefined && shown === null)
      throw new EnrollmentError('failed_authentication', 'this key is no member: a new ticket is needed');
    if (known === undefined && this.members.size >= MAX_MEMBERS)
      throw new EnrollmentError('failed_authentication', 'the overlay is full');
    if (user !== null) this.checkName(user, known?.user === user);
    if (code !== undefined && code.user !== null && user !== null && user !== code.user)
      throw new EnrollmentError('username_not_available', `the ticket is for the user ${code.user}`);
    const has = known?.user ?? shown?.user ?? null;
    const granted = code?.user ?? user ?? has;
    const chosen = granted !== null && granted !== has && granted !== code?.user;
    const displaced = code === undefined ? undefined : this.displacedBy(hit, code, chosen ? granted : null, wallNow);
    const failed = displaced === undefined ? [] : [displaced];
    if (chosen && code !== undefined) failed.push(...this.abandonedBy(granted, hit, wallNow));
    if (chosen) {
      const taken = this.takenBy(granted, wallNow, failed, hit);
      if (taken !== 'nobody')
        throw new NameTakenError(granted, taken === 'awaited' ? awaitedText(granted) : takenText(granted));
    }
    // Once: whoever asks again, since the answer was lost, must not end hosts that the user got meanwhile.
    const replacesUser = code?.replaces === true && !code.usedBy.includes(hit);
    const before = replacesUser && granted !== null ? this.hostsOf(granted).filter((other) => other !== hit) : [];
    const replaced = [...new Set([...before, ...failed])];
    return { user: granted, chosen, replaced, failed, replacesUser, code, known };
  }

  /** A host may show a later certificate than this inviter knows of: another one has renamed it. */
  private knownAs(hit: Hit, shown: Redemption['shown'], wallNow: number): Member | undefined {
    const known = this.members.get(hit);
    if (known === undefined || shown === null) return known;
    return this.noted({ hit, ...shown }, wallNow) ?? known;
  }

  /** Whoever was let in may ask again, since the answer was lost: also when the ticket was withdrawn meanwhile. */
  private findCode({ id, isProvenBy }: GivenCode, hit: Hit, wallNow: number): Code {
    const entry = this.codes.find((code) => equalSecrets(fromHex(code.id), id));
    // One answer for an unknown code and a wrong proof: neither tells a guesser more.
    if (entry === undefined || !isProvenBy(fromHex(entry.key)))
      throw new EnrollmentError('failed_authentication', 'the ticket is not known here: ask for a new one');
    if (entry.withdrawn && !entry.usedBy.includes(hit))
      throw new EnrollmentError('failed_authentication', 'the ticket was withdrawn: ask for a new one');
    if (entry.expiresAt <= wallNow)
      throw new EnrollmentError('failed_authentication', 'the ticket has expired: ask for a new one');
    return entry;
  }

  /**
   * The host of which this one takes the place, since it came with the same ticket and never showed itself as a member: one
   * that has the name which this one chooses, or any when the ticket is used up.
   * @throws {EnrollmentError} when it is used up and there is none.
   */
  private displacedBy(hit: Hit, code: Code, chosen: string | null, wallNow: number): Hit | undefined {
    if (code.usedBy.includes(hit)) return undefined;
    const failed = code.usedBy.filter((other) => {
      const member = this.members.get(other);
      return member === undefined || (!member.seen && Math.abs(wallNow - member.enrolledAt) >= FAILED_AFTER_MS);
    });
    const namesake = chosen === null ? undefined : failed.find((other) => this.members.get(other)?.user === chosen);
    if (namesake !== undefined || code.usedBy.length < code.uses) return namesake;
    const [first] = failed;
    if (first !== undefined) return first;
    const text = code.uses === 1 ? 'the ticket was used by another host' : `the ticket was used by ${code.uses} hosts`;
    throw new EnrollmentError('failed_authentication', `${text}: ask for a new one`);
  }

  /** Hosts that got the name and never came, as far as is known here: not one of them is to come any more. */
  private abandonedBy(user: string, hit: Hit, wallNow: number): Hit[] {
    const abandoned = [...(this.hosts.get(user) ?? [])].filter((other) => {
      const member = other === hit ? undefined : this.members.get(other);
      if (member?.user !== user || member.seen || member.revoked || member.expiresAt <= wallNow) return false;
      return Math.abs(wallNow - member.enrolledAt) >= ABANDONED_AFTER_MS;
    });
    return abandoned.length > MAX_ABANDONED ? [] : abandoned;
  }

  /**
   * `awaited`: by a host that was let in and may still come. A name that a code was made for is kept for whoever has that code.
   * @param failed hosts that do not count.
   */
  private takenBy(user: string, wallNow: number, failed: readonly Hit[], hit?: Hit): 'nobody' | 'awaited' | 'others' {
    if (this.codes.some((code) => code.user === user && isOpen(code, wallNow))) return 'others';
    let isAwaited = false;
    for (const other of this.hosts.get(user) ?? []) {
      const member = other === hit || failed.includes(other) ? undefined : this.members.get(other);
      if (member === undefined) continue;
      if (member.seen) return 'others';
      if (member.expiresAt <= wallNow) continue;
      if (member.revoked) return 'others';
      isAwaited = true;
    }
    return isAwaited ? 'awaited' : 'nobody';
  }

  /** @param isHeld it is its own: it was given before that name had a meaning */
  private checkName(user: string, isHeld: boolean): void {
    if (!isHeld && user === `${MAILBOX_LABEL}@${this.overlay}`)
      throw new EnrollmentError('username_not_available', `${user} is what phones call for their messages`);
    if (!isUserOf(user, this.overlay))
      throw new EnrollmentError(
        'username_not_available',
        `${user.slice(0, 80)} is no user of ${this.overlay}: use a-z, 0-9 and - before @${this.overlay}`,
      );
  }

  /** Undefined: nothing new. */
  private noted(shown: SeenMember, wallNow: number): Member | undefined {
    const { hit, user, issuedAt, expiresAt, issuer } = shown;
    const known = this.members.get(hit);
    if (known === undefined) {
      if (this.members.size >= MAX_MEMBERS) return undefined;
      const since = { enrolledAt: wallNow, knownSince: wallNow };
      return { hit, user, formerUsers: [], ...since, issuedAt, expiresAt, seen: true, revoked: false, issuer };
    }
    if (!isLater(shown, known)) return known.seen ? undefined : { ...known, seen: true };
    // Of two certificates the later one has the name of today. A name of others it brings to nobody who has one: it
    // may be the work of a thief of an inviter's key, and would be renewed when that key is worth nothing any more.
    const isOthers = user !== null && known.user !== null && !this.isFree(user, wallNow, hit);
    return {
      ...(isOthers ? known : renamed(known, user)),
      enrolledAt: wallNow,
      issuedAt,
      expiresAt: Math.max(expiresAt, known.expiresAt),
      seen: true,
    };
  }

  /** A host that never showed itself leaves no trace; one that did stays known as revoked. */
  private replace(hit: Hit): void {
    const member = this.members.get(hit);
    if (member === undefined) return;
    if (member.seen) this.setMember({ ...member, revoked: true });
    else this.dropMember(member);
  }

  private setMember(member: Member): void {
    this.members.set(member.hit, member);
    for (const user of [member.user, ...member.formerUsers]) {
      if (user === null) continue;
      const hosts = this.hosts.get(user);
      if (hosts === undefined) this.hosts.set(user, new Set([member.hit]));
      else hosts.add(member.hit);
    }
  }

  private dropMember(member: Member): void {
    this.members.delete(member.hit);
    for (const user of [member.user, ...member.formerUsers])
      if (user !== null) this.hosts.get(user)?.delete(member.hit);
  }

  private take({ codes, members }: RegisterState): void {
    const ids = new Set(this.codes.map(({ id }) => id));
    this.codes = [...this.codes, ...codes.filter(({ id }) => !ids.has(id))].slice(-MAX_CODES);
    for (const member of members) {
      const known = this.members.get(member.hit);
      if (known !== undefined && !isLater(member, known)) {
        if (member.revoked) this.setMember({ ...known, revoked: true });
      } else if (known !== undefined || this.members.size < MAX_MEMBERS)
        this.setMember({ ...member, revoked: member.revoked || known?.revoked === true });
    }
  }

  /** All or nothing. */
  private change(entry: RegisterEntry): void {
    try {
      this.store?.append(formatEntry(entry));
    } catch (cause) {
      throw new EnrollmentError('cannot_write', `cannot write: ${diskReason(cause)}: try again later`, { cause });
    }
    this.apply(entry);
    this.wait();
  }

  private remember(entry: RegisterEntry): void {
    this.apply(entry);
    try {
      this.store?.append(formatEntry(entry));
    } catch {
      // It is in the next whole.
    }
    this.wait();
  }

  private gather(member: Member): void {
    this.setMember(member);
    this.wait();
  }

  private wait(): void {
    if (this.changed) return;
    this.changed = true;
    this.waits();
  }

  /** Again, of what has happened, it changes nothing. */
  private apply(entry: RegisterEntry): void {
    switch (entry.type) {
      case 'code':
        this.codes = [...this.codes.filter(({ id }) => id !== entry.code.id), entry.code].slice(-MAX_CODES);
        return;
      case 'member':
        this.admit(entry.member, entry.code, entry.replaced);
        return;
      case 'withdrawn':
        this.codes = this.codes.map((code) => (entry.codes.includes(code.id) ? { ...code, withdrawn: true } : code));
        return;
      case 'left': {
        const member = this.members.get(entry.hit);
        if (member !== undefined) this.dropMember(member);
      }
    }
  }

  private admit(member: Member, codeId: string | null, replaced: readonly Hit[]): void {
    const { hit } = member;
    this.setMember(member);
    const failed = replaced.filter((other) => this.members.get(other)?.seen !== true);
    for (const other of replaced) this.replace(other);
    this.codes = this.codes.map((code) => {
      if (code.id === codeId)
        return { ...code, usedBy: [...code.usedBy.filter((other) => other !== hit && !replaced.includes(other)), hit] };
      // Whoever has that ticket is to come with another key.
      if (!code.usedBy.some((other) => failed.includes(other))) return code;
      return { ...code, usedBy: code.usedBy.filter((other) => !failed.includes(other)) };
    });
  }
}

function isOpen({ withdrawn, usedBy, uses, expiresAt }: Code, wallNow: number): boolean {
  return !withdrawn && usedBy.length < uses && expiresAt > wallNow;
}

/** `notBefore` of a certificate that is issued now: certificates count whole seconds. */
function issuedAt(wallNow: number, expiresAt: number): number {
  return Math.floor((wallNow - backdate(expiresAt - wallNow)) / 1000) * 1000;
}

type Dated = Pick<SeenMember, 'issuedAt' | 'expiresAt'>;

function isLater(a: Dated, b: Dated): boolean {
  return a.issuedAt > b.issuedAt || (a.issuedAt === b.issuedAt && a.expiresAt > b.expiresAt);
}

function renamed(member: Member, user: string | null): Member {
  const { user: before, formerUsers } = member;
  if (before === user || before === null) return { ...member, user };
  return { ...member, user, formerUsers: [...formerUsers, before].slice(-MAX_FORMER_NAMES) };
}

/** What a person is told of a name that somebody has. */
export function takenText(user: string): string {
  return `the user name ${user} is taken: ask for a ticket that names it, or choose another`;
}

function awaitedText(user: string): string {
  const minutes = ABANDONED_AFTER_MS / 60_000;
  return (
    `the user name ${user} is taken by a host that was let in and has not come yet: start that one again with its own ticket, ` +
    `choose another name, or try again in ${minutes} minutes`
  );
}

/** What a person is told of a name that another inviter keeps. */
export function keptText(user: string): string {
  const minutes = ABANDONED_AFTER_MS / 60_000;
  return (
    `the user name ${user} is taken, since another inviter keeps it for a ticket or for a host that it has just let in: ` +
    `choose another, or try again in ${minutes} minutes`
  );
}

function readState(json: string, overlay: string): RegisterState {
  let state: RegisterState;
  try {
    state = parseRegister(json);
  } catch (cause) {
    throw new KeyStoreError('the register of members cannot be read', { cause });
  }
  if (state.overlay !== overlay)
    throw new KeyStoreError(`the register of members is of the overlay ${state.overlay}, not of ${overlay}`);
  return state;
}

function readJournal(journal: string, overlay: string): RegisterEntry[] {
  let entries: RegisterEntry[];
  try {
    entries = parseEntries(journal);
  } catch (cause) {
    throw new KeyStoreError('the journal of the register of members cannot be read', { cause });
  }
  const other = entries.find((entry) => entry.overlay !== overlay);
  if (other !== undefined)
    throw new KeyStoreError(`the journal of members is of the overlay ${other.overlay}, not of ${overlay}`);
  return entries;
}

/** For a stranger: the reason without the path. */
function diskReason(error: unknown): string {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (isErrno(cause, 'ENOSPC') || isErrno(cause, 'EDQUOT')) return 'no space';
    if (isErrno(cause, 'EROFS')) return 'the disk is read-only';
  }
  return 'the disk of the inviter has failed';
}
