import { hash } from 'node:crypto';
import { fromHex, toHex } from '../../base/bytes.ts';
import { IdlocError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { type Hit, hitToAddress, isNodeId, type NodeId } from '../../base/node-id.ts';
import { isOggOpus } from '../../base/ogg-opus.ts';
import type { HostIdentity } from '../../identity/host-identity.ts';
import { openDocument, recipientsOf } from '../../identity/sealed-document.ts';
import { IDLOC_MAIL } from '../../overlay/storage/kinds.ts';
import {
  MAILBOX_PLACES,
  MAIL_LIFETIME_S,
  type MailHead,
  encodeMail,
  mailHeadOf,
  mailOf,
  mailboxPlaceName,
} from '../../overlay/storage/mail-value.ts';
import type { FetchedValue } from '../../overlay/storage/storage-client.ts';
import { shownCaller } from './shown-caller.ts';
import type { VoiceMailJournal } from './journal.ts';
import type { MailOverlay } from './mail-overlay.ts';
import type { PartStore } from './part-store.ts';
import type { Message } from './recording.ts';
import { headContext, recordingContext } from './sealed-mail.ts';
import type { MessageCounts } from '../../sip/voice-mail/message-lamp.ts';

const LIFETIME_MS = MAIL_LIFETIME_S * 1_000;
/** Clocks of callers may be ahead by so much. */
const MAX_AHEAD_MS = 600_000;
/** At a time: the rest is for the next look. */
const WASTE_AT_ONCE = 16;
/** Of what is not whole for so long the rest comes no more: it counts as heard. Peers that come and go have it back before. */
const BROKEN_AFTER_MS = 3_600_000;
/** A peer may not tell of a host of the user that has just joined, or does not want to: what none can open is looked at again so long. */
const UNOPENED_AFTER_MS = 3_600_000;
/** Messages that were read a moment ago, and are played again. */
const MAX_READ = 4;
const ID_DIGITS = 16;
/** Of an id, what names it where no other begins so. */
const LEAST_DIGITS = 4;

/** What stands at a place of the mailbox, as it was seen last. */
interface Entry {
  readonly place: number;
  readonly writer: NodeId;
  /** By the writer's clock. */
  readonly storageTime: number;
  /** Undefined: it is not for this host, or nothing that is shown. */
  readonly letter:
    | { readonly mailId: string; readonly head: MailHead; readonly message: Omit<Message, 'isNew' | 'isWhole'> }
    | undefined;
  /** That this host does not show; undefined: it does, or it is taken away. */
  readonly waste: Waste | undefined;
}

interface Waste {
  readonly mailId: string;
  /** Hosts that can show it, if they are the user's. */
  readonly readers: readonly Hit[];
  readonly isBlocked: boolean;
}

export interface InboxComponents {
  readonly overlay: MailOverlay;
  readonly parts: PartStore;
  readonly journal: VoiceMailJournal;
  readonly identity: Pick<HostIdentity, 'hit' | 'pkcs8'>;
  readonly clock: { wall(): number };
  readonly logger: Logger;
  /** Users whose gateways this host believes about who calls. */
  readonly gateways: readonly string[];
  /** Whether messages of a member are shown at all. */
  readonly isWelcome: (names: readonly string[]) => boolean;
}

/** The mailbox of this host's user: what others have left there (IDLOC-MAIL), opened, and taken away when asked. */
export class Inbox {
  private readonly components: InboxComponents;
  private readonly entries = new Map<string, Entry>();
  private readonly recordings = new Map<string, Uint8Array>();
  /** Messages that were not whole when they were read last, with the time when that was seen first. */
  private readonly broken = new Map<string, number>();
  /** Messages that no host of the user could open, by the time when that was seen first. */
  private readonly unopened = new Map<string, number>();
  private user: string | undefined;
  private hasLooked = false;
  private listeners: ((counts: MessageCounts) => void)[] = [];
  private told: MessageCounts | undefined;

  constructor(components: InboxComponents) {
    this.components = components;
  }

  /** The oldest first. */
  get messages(): Message[] {
    const { journal, clock } = this.components;
    const oldest = clock.wall() - LIFETIME_MS;
    return [...this.entries.values()]
      .flatMap(({ letter, storageTime }) => (letter === undefined || storageTime < oldest ? [] : [letter.message]))
      .sort((a, b) => a.at - b.at)
      .map((message) => ({
        ...message,
        isNew: !journal.isHeard(message.id),
        isWhole: !this.broken.has(message.id),
      }));
  }

  /** Whether all of the mailbox has been seen, at some time. */
  get isKnown(): boolean {
    return this.hasLooked;
  }

  onChange(listener: (counts: MessageCounts) => void): void {
    this.listeners.push(listener);
    if (this.told !== undefined) listener(this.told);
  }

  /** Looks at all places. Rejects when one of them could not be; the others are up to date then. */
  async look(user: string): Promise<void> {
    if (this.user !== user) {
      this.user = user;
      this.hasLooked = false;
      this.entries.clear();
      this.recordings.clear();
      this.broken.clear();
      this.unopened.clear();
    }
    const places = Array.from({ length: MAILBOX_PLACES }, (_, place) => place);
    const looks = await Promise.allSettled(places.map((place) => this.lookAt(user, place)));
    const failed = looks.find((look) => look.status === 'rejected');
    const ids = new Set([...this.entries.values()].map(({ letter }) => letter?.message.id));
    for (const id of this.broken.keys()) if (!ids.has(id)) this.broken.delete(id);
    this.hasLooked ||= failed === undefined;
    if (this.hasLooked) this.tell();
    if (failed !== undefined) throw failed.reason;
  }

  /** @param text an id, or what it begins with. @throws {IdlocError} */
  idOf(text: string): string {
    return this.find(text).letter.message.id;
  }

  /** What is not whole after a while counts as heard. @throws {IdlocError} */
  async read(id: string): Promise<Uint8Array> {
    const { overlay, parts, identity } = this.components;
    const { writer, letter } = this.find(id);
    const { message, mailId, head } = letter;
    const known = this.recordings.get(message.id);
    if (known !== undefined) return known;
    const { user = '' } = this;
    let sealed: Uint8Array | undefined;
    try {
      sealed = await parts.load(writer, head.parts);
    } catch (cause) {
      throw unavailable(`message ${message.id} cannot be read now: ${messageOf(cause)}`, cause);
    }
    if (sealed === undefined)
      return this.refuseBroken(message.id, 'parts of it are missing in the overlay: try again later, or remove it');
    const context = recordingContext(user, writer, mailId, head.parts.savedAt);
    const ogg = await openDocument(sealed, identity, context);
    if (ogg === undefined || !isOggOpus(ogg))
      return this.refuseBroken(message.id, 'it is no recording, or not for this host: remove it');
    this.broken.delete(message.id);
    if (overlay.user === user) {
      this.recordings.set(message.id, ogg);
      for (const first of this.recordings.keys()) if (this.recordings.size > MAX_READ) this.recordings.delete(first);
    }
    return ogg;
  }

  async markHeard(ids: readonly string[]): Promise<void> {
    const { journal, clock } = this.components;
    const found = this.messages.filter(({ id, isNew }) => isNew && ids.includes(id));
    if (found.length === 0) return;
    const until = clock.wall() + LIFETIME_MS + MAX_AHEAD_MS;
    await journal.markHeard(
      found.map(({ id }) => ({ id, until })),
      clock.wall(),
    );
    this.tell();
  }

  /** None when one of them is not known. @returns their ids in full. @throws {IdlocError} */
  async remove(ids: readonly string[]): Promise<string[]> {
    const { user } = this;
    const found = ids.map((id) => this.find(id));
    if (user === undefined) return [];
    for (const entry of found) {
      const { place, writer, letter } = entry;
      try {
        await this.takeAway(user, entry, letter.mailId);
      } catch (cause) {
        throw unavailable(`message ${letter.message.id} cannot be removed now: ${messageOf(cause)}`, cause);
      }
      const current = this.entries.get(nameOf(place, writer));
      if (current?.letter === letter) this.entries.set(nameOf(place, writer), { ...current, letter: undefined });
      this.recordings.delete(letter.message.id);
      this.tell();
    }
    return found.map(({ letter }) => letter.message.id);
  }

  /** @throws {IdlocError} always */
  private async refuseBroken(id: string, why: string): Promise<never> {
    const now = this.components.clock.wall();
    const since = this.broken.get(id) ?? now;
    this.broken.set(id, since);
    if (now - since >= BROKEN_AFTER_MS) await this.markHeard([id]);
    throw new IdlocError('mail_broken', `message ${id} is not whole: ${why}`);
  }

  /** Messages of blocked members, and what no host of the user can open, make room for others. Rejects when the overlay does not say. */
  async clear(): Promise<void> {
    const { overlay, clock } = this.components;
    const { user } = this;
    const wasted = [...this.entries.values()].flatMap((entry) =>
      entry.waste === undefined ? [] : [{ entry, waste: entry.waste }],
    );
    if (user === undefined || wasted.length === 0) return;
    const hosts = new Set((await overlay.hosts(user)).map(({ hit }) => hit));
    // Where this host does not see itself it does not see all others either.
    if (!hosts.delete(overlay.nodeId)) return;
    const unread = wasted.filter(({ waste }) => !waste.readers.some((hit) => hosts.has(hit)));
    const ids = new Set(unread.map(({ waste }) => waste.mailId));
    for (const id of this.unopened.keys()) if (!ids.has(id)) this.unopened.delete(id);
    const now = clock.wall();
    for (const id of ids) if (!this.unopened.has(id)) this.unopened.set(id, now);
    const due = unread.filter(
      ({ waste }) => waste.isBlocked || now - (this.unopened.get(waste.mailId) ?? now) >= UNOPENED_AFTER_MS,
    );
    for (const { entry, waste } of due.slice(0, WASTE_AT_ONCE)) {
      await this.takeAway(user, entry, waste.mailId);
      const name = nameOf(entry.place, entry.writer);
      if (this.entries.get(name) === entry) this.entries.set(name, { ...entry, waste: undefined });
    }
  }

  private takeAway(
    user: string,
    { place, writer, storageTime }: Pick<Entry, 'place' | 'writer' | 'storageTime'>,
    mailId: string,
  ): Promise<void> {
    const value = encodeMail({ place, user, id: mailId, sealed: new Uint8Array() });
    return this.components.overlay.store({
      name: mailboxPlaceName(place, user),
      kind: IDLOC_MAIL.id,
      value: { model: 'dictionary', key: fromHex(writer), exists: false, value },
      lifetimeS: MAIL_LIFETIME_S,
      laterThan: storageTime,
    });
  }

  /** @param text an id, or what it begins with. @throws {IdlocError} */
  private find(text: string): Entry & { readonly letter: NonNullable<Entry['letter']> } {
    const found: (Entry & { readonly letter: NonNullable<Entry['letter']> })[] = [];
    for (const entry of this.entries.values()) {
      const { letter } = entry;
      if (letter !== undefined && text.length >= LEAST_DIGITS && letter.message.id.startsWith(text))
        found.push({ ...entry, letter });
    }
    const [first, second] = found;
    if (first !== undefined && second === undefined) return first;
    throw first === undefined
      ? new IdlocError('no_such_message', `${text}: no message of that id: \`idloc voicemail\` shows all`)
      : new IdlocError('no_such_message', `${text}: several messages begin so: write more of the id`);
  }

  private async lookAt(user: string, place: number): Promise<void> {
    const { overlay, clock } = this.components;
    const name = mailboxPlaceName(place, user);
    // Nothing of it is proven: a peer that makes up more costs no more than a full place.
    const told = (await overlay.stat(name, IDLOC_MAIL.id)).slice(0, IDLOC_MAIL.maxCount);
    for (const { storageTime, metadata } of told) {
      const writer = metadata.model === 'dictionary' ? toHex(metadata.key) : '';
      if (!isNodeId(writer)) continue;
      const known = this.entries.get(nameOf(place, writer));
      const at = Number(storageTime);
      if (known !== undefined && at <= known.storageTime) continue;
      if (metadata.exists) await this.fetch(user, place, writer);
      else if (known !== undefined) this.entries.delete(nameOf(place, writer));
    }
    // What a peer does not tell of may be at the next one: it ends with its time.
    for (const [key, entry] of this.entries)
      if (entry.place === place && entry.storageTime + LIFETIME_MS < clock.wall()) this.entries.delete(key);
  }

  private async fetch(user: string, place: number, writer: NodeId): Promise<void> {
    const spec = { name: mailboxPlaceName(place, user), kind: IDLOC_MAIL.id, keys: [fromHex(writer)] };
    const { values } = await this.components.overlay.fetch(spec);
    const found = values.find(({ signer }) => signer.nodeId === writer);
    if (found === undefined || this.user !== user) return;
    const opened = await this.open(user, place, found);
    this.entries.set(nameOf(place, writer), {
      ...{ place, writer, storageTime: found.storageTime },
      letter: opened !== undefined && 'head' in opened ? opened : undefined,
      waste: opened !== undefined && 'readers' in opened ? opened : undefined,
    });
  }

  /** What was sealed before this host was the user's is for the others. */
  private async open(user: string, place: number, found: FetchedValue): Promise<Entry['letter'] | Entry['waste']> {
    const { identity, overlay, gateways, isWelcome, logger } = this.components;
    const { nodeId: writer, user: writtenBy } = found.signer;
    const mail = mailOf(found.value.value);
    if (mail === undefined || mail.user !== user || mail.place !== place) return undefined;
    const opened = await openDocument(mail.sealed, identity, headContext(user, writer, mail.id));
    if (opened === undefined) {
      logger.debug('message not for this host', { nodeId: writer });
      const readers = recipientsOf(mail.sealed)?.filter((hit) => hit !== identity.hit);
      return readers && { mailId: mail.id, readers, isBlocked: false };
    }
    const head = mailHeadOf(opened);
    if (head === undefined) return undefined;
    const member = writtenBy ?? hitToAddress(writer);
    const from = shownCaller(head.from, member, { overlay: overlay.overlay, gateways });
    // Whoever is blocked by one host of the user is so by its mailbox.
    if (!isWelcome([member, from])) return { mailId: mail.id, readers: [], isBlocked: true };
    const { storageTime } = found;
    const isPlausible = head.at > storageTime - LIFETIME_MS && head.at <= storageTime + MAX_AHEAD_MS;
    const message = {
      // Nobody can have the id of another's message.
      id: hash('sha256', `${writer} ${mail.id}`).slice(0, ID_DIGITS),
      ...{ from, at: isPlausible ? head.at : storageTime, seconds: head.seconds },
    };
    return { mailId: mail.id, head, message };
  }

  private tell(): void {
    const { messages } = this;
    const fresh = messages.filter(({ isNew }) => isNew).length;
    const counts = { new: fresh, old: messages.length - fresh };
    if (this.told?.new === counts.new && this.told.old === counts.old) return;
    this.told = counts;
    for (const listener of this.listeners) listener(counts);
  }
}

function nameOf(place: number, writer: NodeId): string {
  return `${place} ${writer}`;
}

function unavailable(what: string, cause?: unknown): IdlocError {
  return new IdlocError('mail_unavailable', what, { cause });
}
