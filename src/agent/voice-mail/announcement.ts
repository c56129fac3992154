import { fromHex, toHex } from '../../base/bytes.ts';
import type { VoiceMailSettings } from '../../config/voice-mail-settings.ts';
import { sha256 } from '../../identity/signature.ts';
import { IDLOC_MAILBOX } from '../../overlay/storage/kinds.ts';
import { GREETING_SLOTS, MAIL_LIFETIME_S, encodeMailbox } from '../../overlay/storage/mail-value.ts';
import type { Announced, VoiceMailJournal } from './journal.ts';
import type { MailOverlay } from './mail-overlay.ts';
import type { PartStore } from './part-store.ts';

/** Long before it expires: peers may have lost it meanwhile. */
const RENEW_AFTER_MS = 86_400_000;

/** Says in the overlay that this host's user takes voice mail (IDLOC-MAILBOX), or not any more. */
export class Announcement {
  private readonly overlay: MailOverlay;
  private readonly parts: PartStore;
  private readonly journal: VoiceMailJournal;
  private readonly clock: { wall(): number };
  private readonly settings: VoiceMailSettings | undefined;
  private isDoubtful = true;
  private bringing: Promise<void> = Promise.resolve();
  /** Nothing is said any more but that nothing is. */
  private isOver = false;
  /** In this life: it may have arrived where nobody has told us. */
  private mayBeSaid = false;

  /** @param settings undefined: it takes none. */
  constructor(
    components: {
      readonly overlay: MailOverlay;
      readonly parts: PartStore;
      readonly journal: VoiceMailJournal;
      readonly clock: { wall(): number };
    },
    settings: VoiceMailSettings | undefined,
  ) {
    this.overlay = components.overlay;
    this.parts = components.parts;
    this.journal = components.journal;
    this.clock = components.clock;
    this.settings = settings;
  }

  /** What was stored may be gone with the peers that had it. */
  doubt(): void {
    this.isDoubtful = true;
  }

  /** Brings the overlay to what is to be said. Rejects when it cannot be. */
  bringUp(): Promise<void> {
    const brought = this.bringing.then(() => this.bringUpNow());
    this.bringing = brought.catch(() => undefined);
    return brought;
  }

  /** For good: what is under way is waited for. Callers hear nothing of this host then. Rejects when it cannot be said. */
  async resign(): Promise<void> {
    this.isOver = true;
    await this.bringing;
    await this.withdraw();
  }

  private async bringUpNow(): Promise<void> {
    const { user } = this.overlay;
    if (user === undefined || user === null || this.isOver) return;
    const { announced } = this.journal;
    if (this.settings === undefined) {
      if (announced?.user === user) await this.withdraw();
      return;
    }
    const said = announced?.user === user ? announced : null;
    const { ringSeconds, maxSeconds, greeting } = this.settings;
    const greetingDigest = greeting === undefined ? '' : toHex(sha256(greeting));
    const digest = `${ringSeconds} ${maxSeconds} ${greetingDigest}`;
    const age = this.clock.wall() - (said?.storedAt ?? 0);
    const isFresh = said?.digest === digest && age >= 0 && age < RENEW_AFTER_MS;
    if (isFresh && !this.isDoubtful) return;
    // A join meanwhile is one more doubt.
    this.isDoubtful = false;
    try {
      // What peers may have lost is the greeting as well as where it is.
      const placed = await this.storeGreeting(greeting, greetingDigest, announced);
      if (this.wasEnded()) return;
      this.mayBeSaid = true;
      await this.store(encodeMailbox({ ringSeconds, maxSeconds, greeting: placed }), true);
      await this.journal.setAnnounced({ user, digest, greeting: placed, storedAt: this.clock.wall() });
    } catch (error) {
      this.isDoubtful = true;
      throw error;
    }
  }

  private async withdraw(): Promise<void> {
    const { announced } = this.journal;
    const wasSaid = announced !== null && announced.user === this.overlay.user;
    if (this.overlay.user === null || (!wasSaid && !this.mayBeSaid)) return;
    await this.store(new Uint8Array(), false);
    this.mayBeSaid = false;
    if (!wasSaid) return;
    await this.journal.setAnnounced(null);
    if (announced.greeting !== null) await this.parts.remove(announced.greeting);
  }

  /** Meanwhile. */
  private wasEnded(): boolean {
    return this.isOver;
  }

  /** Beside the one before, which is there until this one is whole. The same again is written where it is. */
  private async storeGreeting(
    greeting: Uint8Array | undefined,
    digest: string,
    announced: Announced | null,
  ): Promise<Announced['greeting']> {
    if (greeting === undefined) return null;
    const before = announced?.greeting ?? null;
    const isSame = before?.digest === digest;
    const slot = before === null ? 0 : isSame ? before.slot : (before.slot + 1) % GREETING_SLOTS;
    const savedAt = isSame ? before.savedAt : Math.max(Math.floor(this.clock.wall()), (before?.savedAt ?? 0) + 1);
    return { ...(await this.parts.save(greeting, slot, savedAt)), digest };
  }

  private store(value: Uint8Array, exists: boolean): Promise<void> {
    const { nodeId, user } = this.overlay;
    return this.overlay.store({
      name: user ?? '',
      kind: IDLOC_MAILBOX.id,
      value: { model: 'dictionary', key: fromHex(nodeId), exists, value },
      lifetimeS: MAIL_LIFETIME_S,
    });
  }
}
