import { IdlocError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { VoiceMailSettings } from '../../config/voice-mail-settings.ts';
import type { HostIdentity } from '../../identity/host-identity.ts';
import type { StateDirectory } from '../../identity/state-directory.ts';
import { Announcement } from './announcement.ts';
import { Inbox } from './inbox.ts';
import { VoiceMailJournal } from './journal.ts';
import type { MailOverlay } from './mail-overlay.ts';
import { MailSender } from './mail-sender.ts';
import { Offers } from './offers.ts';
import { Outbox } from './outbox.ts';
import { PartStore } from './part-store.ts';
import type { Message, Recording } from './recording.ts';
import type { MessageCounts } from '../../sip/voice-mail/message-lamp.ts';
import type { MailboxOffer, VoiceMailPort } from './voice-mail-port.ts';

/** Names have to be stored first. */
const JOIN_DELAY_MS = 5_000;
/** How often the mailbox is looked at, less a random part. */
const LOOK_MS = 180_000;
const SWEEP_MS = 1_800_000;
/** Who lists the messages waits for the overlay so long at most, where it was not asked lately. */
const LIST_PATIENCE_MS = 2_000;
const FRESH_MS = 5_000;

export interface VoiceMailComponents {
  readonly overlay: MailOverlay;
  readonly identity: Pick<HostIdentity, 'hit' | 'pkcs8'>;
  readonly state: Pick<StateDirectory, 'read' | 'writeSoon' | 'removeSoon'>;
  readonly clock: { wall(): number; monotonic(): number };
  readonly random: Random;
  readonly logger: Logger;
  /** @returns what calls it off. */
  readonly after: (ms: number, then: () => void) => () => void;
  /** Whether messages of somebody are shown; absent: everybody's. */
  readonly isWelcome?: (names: readonly string[]) => boolean;
}

export interface VoiceMailOptions {
  /** Undefined: this host says of its user nothing, and does not look by itself. */
  readonly settings: VoiceMailSettings | undefined;
  /** Users whose gateways this host believes about who calls. */
  readonly gateways: readonly string[];
}

/**
 * Voice mail over the overlay's storage. Each host of a user that is set so says that the user takes it; whoever calls in vain leaves a
 * recording, sealed for the user's hosts, which any of these picks up:
 *
 *   Announcement ──IDLOC-MAILBOX──> Offers       (who is called, who calls)
 *   Outbox ──> MailSender ──IDLOC-MAIL, IDLOC-MAIL-PART──> Inbox      (who calls, who is called)
 */
export class VoiceMail implements VoiceMailPort {
  private readonly components: VoiceMailComponents;
  private readonly isEnabled: boolean;
  private readonly announcement: Announcement;
  private readonly offers: Offers;
  private readonly sender: MailSender;
  private readonly outbox: Outbox;
  private readonly inbox: Inbox;
  private running: Promise<void> | undefined;
  private looking: Promise<void> | undefined;
  private cancel: (() => void) | undefined;
  private lookedAt = -Infinity;
  private sweptAt = -Infinity;
  private failure: string | undefined;
  private stopped = false;

  constructor(components: VoiceMailComponents, { settings, gateways }: VoiceMailOptions) {
    const { overlay, identity, state, clock, random, logger, after } = components;
    this.components = components;
    this.isEnabled = settings !== undefined;
    const parts = new PartStore({ overlay });
    const journal = new VoiceMailJournal({ state, logger });
    this.announcement = new Announcement({ overlay, parts, journal, clock }, settings);
    this.offers = new Offers({ overlay, parts, clock, logger, after });
    const onRoom = (): void => this.outbox.roomMade();
    this.sender = new MailSender({ overlay, parts, journal, clock, random, onRoom });
    this.outbox = new Outbox({ send: (letter) => this.sender.send(letter), state, clock, random, logger, after });
    const isWelcome = components.isWelcome ?? ((): boolean => true);
    this.inbox = new Inbox({ overlay, parts, journal, identity, clock, logger, gateways, isWelcome });
  }

  /** Why what `list` gives may not be all; null: it is. */
  get problem(): string | null {
    return this.failure ?? null;
  }

  /** We are in the overlay. */
  joined(): void {
    this.announcement.doubt();
    this.syncIn(JOIN_DELAY_MS);
  }

  /** Never rejects. Calls at once share one. */
  sync(): Promise<void> {
    this.running ??= this.syncOnce().finally(() => {
      this.running = undefined;
      this.syncIn(LOOK_MS * (1 - this.components.random.float() / 4));
    });
    return this.running;
  }

  /** Stops, before this host leaves for good: callers are not told to speak to nobody. @returns whether that is said. */
  async resign(): Promise<boolean> {
    await this.stop();
    return this.tried('voice mail not taken back', () => this.announcement.resign());
  }

  /** Resolves when what waits is on the disk. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel?.();
    await this.outbox.stop();
  }

  offerOf(user: string): Promise<MailboxOffer | undefined> {
    return this.offers.of(user.toLowerCase());
  }

  async hasRoomFor(user: string, underWay: number): Promise<boolean> {
    return this.outbox.hasRoom(underWay) && (await this.sender.hasRoomFor(user.toLowerCase()));
  }

  leave(user: string, recording: Recording): Promise<void> {
    return this.outbox.leave(user, recording);
  }

  async list(): Promise<readonly Message[]> {
    await this.upToDate();
    return this.inbox.messages;
  }

  async read(id: string): Promise<Uint8Array> {
    await this.upToDate();
    return this.inbox.read(id);
  }

  /** @param text an id, or what it begins with. @throws {IdlocError} */
  async idOf(text: string): Promise<string> {
    await this.upToDate();
    return this.inbox.idOf(text);
  }

  markHeard(ids: readonly string[]): Promise<void> {
    return this.inbox.markHeard(ids);
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.removed(ids);
  }

  /** As `remove`. @returns the ids in full. */
  async removed(ids: readonly string[]): Promise<string[]> {
    await this.upToDate();
    return this.inbox.remove(ids);
  }

  onChange(listener: (counts: MessageCounts) => void): void {
    this.inbox.onChange(listener);
  }

  private syncIn(ms: number): void {
    this.cancel?.();
    if (!this.stopped) this.cancel = this.components.after(ms, () => void this.sync());
  }

  private async syncOnce(): Promise<void> {
    const { overlay, clock } = this.components;
    // `joined` comes back to it.
    if (this.stopped || overlay.user === undefined) return;
    await this.tried('voice mail not announced', () => this.announcement.bringUp());
    void this.outbox.sendAll();
    if (clock.monotonic() - this.sweptAt >= SWEEP_MS)
      if (await this.tried('voice mail not swept', () => this.sender.sweep())) this.sweptAt = clock.monotonic();
    if (!this.isEnabled) return;
    await this.look();
    await this.tried('mailbox not cleared', () => this.inbox.clear());
  }

  /** Never rejects. Calls at once share one. */
  private look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  private async lookOnce(): Promise<void> {
    const { overlay, clock, logger } = this.components;
    const { user } = overlay;
    if (user === undefined || user === null) return;
    try {
      await this.inbox.look(user);
      this.failure = undefined;
      this.lookedAt = clock.monotonic();
    } catch (error) {
      this.failure = `not all of the mailbox can be seen now: ${messageOf(error)}`;
      logger.debug('mailbox not seen', { err: messageOf(error) });
    }
  }

  /** What is in the mailbox is known, unless the overlay cannot be asked in a moment. @throws {IdlocError} when nothing is. */
  private async upToDate(): Promise<void> {
    const { overlay, clock, after } = this.components;
    const { user } = overlay;
    if (user === null)
      throw new IdlocError('no_mailbox', 'this host has no user, and so no mailbox: `idloc status` shows its name');
    if (user !== undefined && clock.monotonic() - this.lookedAt > FRESH_MS) {
      const limit = Promise.withResolvers<undefined>();
      const callOff = after(LIST_PATIENCE_MS, () => limit.resolve(undefined));
      await Promise.race([this.look(), limit.promise]);
      callOff();
    }
    if (this.inbox.isKnown || this.inbox.messages.length > 0) return;
    throw new IdlocError(
      'mail_unavailable',
      user === undefined
        ? 'this host is not in the overlay now: try again when it is'
        : `the mailbox cannot be seen now${this.failure === undefined ? '' : `: ${this.failure}`}; try again`,
    );
  }

  /** @returns whether it was done. */
  private async tried(what: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.components.logger.debug(what, { err: messageOf(error) });
      return false;
    }
  }
}
