import { hash } from 'node:crypto';
import { fromHex, toHex } from '../../base/bytes.ts';
import { IdlocError, messageOf } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { MAX_RECIPIENTS, sealDocument } from '../../identity/sealed-document.ts';
import { OverlayError } from '../../overlay/errors.ts';
import { isRefusedAs } from '../../overlay/storage/admission.ts';
import { IDLOC_MAIL } from '../../overlay/storage/kinds.ts';
import {
  GREETING_SLOTS,
  MAILBOX_PLACES,
  MAIL_CONTENT_BYTES,
  MAIL_LIFETIME_S,
  MAIL_SLOTS,
  encodeMail,
  encodeMailHead,
  mailOf,
  mailboxPlaceName,
} from '../../overlay/storage/mail-value.ts';
import type { Sent, VoiceMailJournal } from './journal.ts';
import type { FetchedMail, MailOverlay } from './mail-overlay.ts';
import type { PartStore } from './part-store.ts';
import type { Recording } from './recording.ts';
import { headContext, recordingContext } from './sealed-mail.ts';

/** Recordings of this host that the overlay keeps at a time. */
const SLOTS = MAIL_SLOTS - GREETING_SLOTS;

/** A recording on its way. */
export interface Letter extends Recording {
  /** Of the message: the same however often it is tried. */
  readonly id: string;
  /** `bob@home.example` */
  readonly user: string;
}

export interface MailSenderComponents {
  readonly overlay: MailOverlay;
  readonly parts: PartStore;
  readonly journal: VoiceMailJournal;
  readonly clock: { wall(): number };
  readonly random: Random;
  /** Others have taken away what was in the way. */
  readonly onRoom: () => void;
}

/**
 * Leaves recordings in mailboxes of others, and frees what it has stored there when they have been taken away:
 *
 *   noted ──> parts stored ──> head in the mailbox ──> taken away by its owner, or 14 days over ──> parts taken away ──> forgotten
 *
 * Who reads the mailbox finds the parts; so the head comes last. One thing at a time: what frees a slot is not to meet what fills it.
 */
export class MailSender {
  private readonly components: MailSenderComponents;
  private last: Promise<unknown> = Promise.resolve();

  constructor(components: MailSenderComponents) {
    this.components = components;
  }

  /**
   * @throws {IdlocError} `bad_recording`: nobody ever takes it. `mailbox_full`, `mail_quota`: not before others are removed, and nothing of
   *   it stays in the overlay. Any other error may pass.
   */
  send(letter: Letter): Promise<void> {
    return this.inTurn(async () => {
      try {
        await this.trySend(letter);
      } catch (error) {
        // What was heard meanwhile makes room.
        if (!isFull(error) || (await this.sweepNow()) === 0) throw error;
        await this.trySend(letter);
      }
    });
  }

  /**
   * Whether a message for somebody has room in the overlay, before anything is said: what was taken away meanwhile counts as room. Rejects
   * when the overlay does not say.
   */
  async hasRoomFor(user: string): Promise<boolean> {
    const { journal, clock } = this.components;
    let sent = journal.sent.filter(({ until }) => until > clock.wall());
    const isFull = (): boolean =>
      sent.length >= SLOTS || sent.filter((entry) => entry.user === user).length >= MAILBOX_PLACES;
    if (isFull()) {
      const gone = await Promise.all(sent.map((entry) => this.isTakenAway(entry)));
      sent = sent.filter((_, i) => gone[i] !== true);
      if (isFull()) return false;
    }
    const used = new Set(sent.filter((entry) => entry.user === user).map(({ place }) => place));
    return this.isOneFree(
      user,
      this.placesOf(user).filter((place) => !used.has(place)),
    );
  }

  /** Frees what others have taken away, and forgets what is over. Rejects when the overlay does not say. @returns how many */
  sweep(): Promise<number> {
    return this.inTurn(() => this.sweepNow());
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const done = this.last.then(act);
    this.last = done.catch(() => undefined);
    return done;
  }

  /** What one entry is in the way of is done for the others. */
  private async sweepNow(): Promise<number> {
    const { journal, clock, onRoom } = this.components;
    let freed = 0;
    const failures: unknown[] = [];
    for (const sent of journal.sent)
      try {
        if (sent.until <= clock.wall()) await journal.dropSent(sent.id);
        else if (await this.isTakenAway(sent)) await this.free(sent);
        else continue;
        freed += 1;
      } catch (error) {
        failures.push(error);
      }
    if (freed === 0 && failures.length > 0) throw failures[0];
    if (freed > 0) onRoom();
    return freed;
  }

  private async trySend(letter: Letter): Promise<void> {
    const { overlay, journal, parts, random } = this.components;
    const { id, user } = letter;
    const known = journal.sent.find((sent) => sent.id === id);
    // Stored, heard and removed before we were told that it was stored.
    if (known !== undefined && (await this.isTakenAway(known))) {
      await this.free(known);
      return;
    }
    const recipients = (await overlay.hosts(user)).slice(0, MAX_RECIPIENTS).map(({ spki }) => spki);
    if (recipients.length === 0) throw new Error(`no host of ${user} is known in the overlay`);
    // Before all of it is carried there in vain; what was on its way before may have its place.
    const places = this.placesFor(letter);
    if (places.length === 0 || (known === undefined && !(await this.isOneFree(user, places)))) throw mailboxFull(user);
    const sent = await this.placed(letter, known);
    const { slot, savedAt } = sent.parts;
    const context = recordingContext(user, overlay.nodeId, id, savedAt);
    const content = await sealDocument(letter.ogg, recipients, context, random);
    const noted = { ...sent, parts: { slot, savedAt, count: Math.ceil(content.length / MAIL_CONTENT_BYTES) } };
    // Before the first of them is stored: a later life finds them in any case.
    await journal.putSent(noted);
    try {
      await parts.save(content, slot, savedAt);
      await this.storeHead(letter, noted, recipients);
    } catch (error) {
      const final = reasonOf(error, user);
      if (final === undefined) throw error;
      await parts.remove(noted.parts).catch(() => {});
      await journal.dropSent(id);
      throw final;
    }
  }

  private async free({ id, parts }: Sent): Promise<void> {
    await this.components.parts.remove(parts).catch((error: unknown) => {
      // Where there is no room to say that it is gone, it goes with its time.
      if (!isRefusal(error, 'full') && !isRefusal(error, 'quota')) throw error;
    });
    await this.components.journal.dropSent(id);
  }

  /** Where its parts are to be: where they were when it was tried before. */
  private async placed({ id, user }: Letter, known: Sent | undefined): Promise<Sent> {
    const { clock } = this.components;
    const slot = known?.parts.slot ?? (await this.freeSlot());
    const wall = Math.floor(clock.wall());
    const savedAt = Math.max(wall, (known?.parts.savedAt ?? 0) + 1);
    const until = wall + MAIL_LIFETIME_S * 1_000;
    return { id, user, place: known?.place ?? null, parts: { slot, savedAt, count: 1 }, until };
  }

  private async freeSlot(): Promise<number> {
    const { journal, parts } = this.components;
    const used = new Set(journal.sent.map((sent) => sent.parts.slot));
    for (let slot = GREETING_SLOTS; slot < MAIL_SLOTS; slot++) {
      if (used.has(slot)) continue;
      // What a former life has stored may still be there, though its journal is lost.
      if (await parts.isFree(slot)) return slot;
    }
    throw new IdlocError(
      'mail_quota',
      `${SLOTS} messages of this host wait to be heard, and the overlay keeps no more of yours: wait until some are`,
    );
  }

  private async storeHead(letter: Letter, sent: Sent, recipients: readonly Uint8Array[]): Promise<void> {
    const { overlay, journal, random } = this.components;
    const { id, user, at, seconds, from } = letter;
    const { parts } = sent;
    const head = encodeMailHead({ at: Math.max(0, Math.floor(at)), seconds: Math.ceil(seconds), parts, from });
    const sealed = await sealDocument(head, recipients, headContext(user, overlay.nodeId, id), random);
    const value = (place: number): Uint8Array => encodeMail({ place, user, id, sealed });
    for (const place of this.placesFor(letter)) {
      if (!(await this.isMine(user, place, id))) continue;
      // It may be stored though nobody tells us.
      await journal.putSent({ ...sent, place });
      try {
        await overlay.store({
          name: mailboxPlaceName(place, user),
          kind: IDLOC_MAIL.id,
          value: { model: 'dictionary', key: fromHex(overlay.nodeId), exists: true, value: value(place) },
          lifetimeS: MAIL_LIFETIME_S,
        });
      } catch (error) {
        // Others have filled that place, or it was emptied by a clock that is ahead of ours.
        if (isRefusal(error, 'full') || isRefusal(error, 'older')) continue;
        throw error;
      }
      return;
    }
    throw mailboxFull(user);
  }

  /** Another order for each host, so that none of the places is filled before the others. */
  private placesOf(user: string): number[] {
    const first = Number.parseInt(hash('sha256', `${this.components.overlay.nodeId} ${user}`).slice(0, 2), 16);
    return Array.from({ length: MAILBOX_PLACES }, (_, i) => (first + i) % MAILBOX_PLACES);
  }

  /** Where the mailbox has room for this host. */
  private placesFor({ id, user }: Letter): number[] {
    const { journal, clock } = this.components;
    const others = journal.sent.filter((sent) => sent.id !== id && sent.user === user && sent.until > clock.wall());
    const used = new Set(others.map(({ place }) => place));
    const places = this.placesOf(user);
    const known = journal.sent.find((sent) => sent.id === id)?.place ?? null;
    return [...(known === null ? [] : [known]), ...places.filter((place) => place !== known && !used.has(place))];
  }

  private async isOneFree(user: string, places: readonly number[]): Promise<boolean> {
    const { overlay } = this.components;
    for (const place of places) {
      const told = await overlay.stat(mailboxPlaceName(place, user), IDLOC_MAIL.id);
      const there = told.filter(({ metadata }) => metadata.exists);
      const keys = there.map(({ metadata }) => (metadata.model === 'dictionary' ? toHex(metadata.key) : ''));
      if (keys.includes(overlay.nodeId) || keys.length < IDLOC_MAIL.maxCount) return true;
    }
    return false;
  }

  /** Whether this host has nothing there, or this very message. */
  private async isMine(user: string, place: number, id: string): Promise<boolean> {
    const { values } = await this.at(user, place);
    return values.every(({ value, signer }) => {
      const isOwn = signer.nodeId === this.components.overlay.nodeId;
      return !isOwn || mailOf(value.value)?.id === id;
    });
  }

  private async isTakenAway({ user, place, id }: Sent): Promise<boolean> {
    if (place === null) return false;
    const { removed } = await this.at(user, place);
    return removed.some((entry) => {
      const mail = mailOf(entry.value.value);
      return mail?.id === id && mail.place === place && mail.user === user;
    });
  }

  private at(user: string, place: number): Promise<FetchedMail> {
    const keys = [fromHex(this.components.overlay.nodeId)];
    return this.components.overlay.fetch({ name: mailboxPlaceName(place, user), kind: IDLOC_MAIL.id, keys });
  }
}

function mailboxFull(user: string): IdlocError {
  return new IdlocError('mailbox_full', `the mailbox of ${user} is full: messages have to be removed from it first`);
}

function isFull(error: unknown): error is IdlocError {
  return error instanceof IdlocError && (error.code === 'mailbox_full' || error.code === 'mail_quota');
}

function isRefusal(error: unknown, why: 'quota' | 'full' | 'older'): boolean {
  return error instanceof OverlayError && isRefusedAs(error, why);
}

/** Undefined: another attempt may do better. */
function reasonOf(error: unknown, user: string): IdlocError | undefined {
  if (error instanceof OverlayError) {
    if (isRefusal(error, 'quota'))
      return new IdlocError(
        'mail_quota',
        `the overlay keeps no more of yours: messages that this host has left have to be heard first, this one for ${user} is not kept`,
        { cause: error },
      );
    if (isRefusal(error, 'full'))
      return new IdlocError(
        'mail_quota',
        `the overlay has no more room for voice mail: the message for ${user} is not kept`,
        {
          cause: error,
        },
      );
    return undefined;
  }
  if (error instanceof RangeError)
    return new IdlocError('bad_recording', `the recording cannot be stored: ${messageOf(error)}`, { cause: error });
  return isFull(error) ? error : undefined;
}
