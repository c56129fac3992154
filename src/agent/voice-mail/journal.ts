import { z } from 'zod';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { StateDirectory } from '../../identity/state-directory.ts';
import { MAILBOX_PLACES, MAIL_SLOTS, MAX_MAIL_PARTS } from '../../overlay/storage/mail-value.ts';

/** Who has called is nobody else's business. */
const FILE = 'voice-mail.json';
/** More than a mailbox holds. */
const MAX_MARKS = 512;

const id = z.string().regex(/^[0-9a-f]{16}$/);
const time = z.number().min(0);
const partsSchema = z.object({
  slot: z
    .int()
    .min(0)
    .max(MAIL_SLOTS - 1),
  savedAt: z.int().min(0),
  count: z.int().min(1).max(MAX_MAIL_PARTS),
});
const sentSchema = z.object({
  id,
  user: z.string(),
  place: z
    .int()
    .min(0)
    .max(MAILBOX_PLACES - 1)
    .nullable(),
  parts: partsSchema,
  until: time,
});
const announcedSchema = z.object({
  user: z.string(),
  /** Of all that is said. */
  digest: z.string(),
  greeting: partsSchema.extend({ digest: z.string() }).nullable(),
  storedAt: time,
});
const markSchema = z.object({ id, until: time });
const journalSchema = z.object({
  announced: announcedSchema.nullable(),
  sent: z.array(sentSchema).max(MAIL_SLOTS),
  heard: z.array(markSchema).max(MAX_MARKS),
});

/** A message of this host that is in the overlay, or on its way there. */
export type Sent = z.infer<typeof sentSchema>;
export type Announced = z.infer<typeof announcedSchema>;
type Journal = z.infer<typeof journalSchema>;

/** What voice mail knows from life to life, beside the recordings that wait. */
export class VoiceMailJournal {
  private readonly state: Pick<StateDirectory, 'read' | 'writeSoon'>;
  private readonly logger: Logger;
  private readonly content: Journal;

  constructor(components: { readonly state: Pick<StateDirectory, 'read' | 'writeSoon'>; readonly logger: Logger }) {
    this.state = components.state;
    this.logger = components.logger;
    this.content = this.load() ?? { announced: null, sent: [], heard: [] };
  }

  get announced(): Announced | null {
    return this.content.announced;
  }

  /** What is in the overlay, or may be. */
  get sent(): readonly Sent[] {
    return this.content.sent;
  }

  isHeard(message: string): boolean {
    return this.content.heard.some((mark) => mark.id === message);
  }

  async setAnnounced(announced: Announced | null): Promise<void> {
    this.content.announced = announced;
    await this.write();
  }

  /** In place of the one with the same id. */
  async putSent(sent: Sent): Promise<void> {
    this.content.sent = [...this.content.sent.filter((other) => other.id !== sent.id), sent];
    await this.write();
  }

  async dropSent(message: string): Promise<void> {
    this.content.sent = this.content.sent.filter((other) => other.id !== message);
    await this.write();
  }

  /** @param marks with the time when the message is gone, and the mark is needed no more. */
  async markHeard(marks: readonly { readonly id: string; readonly until: number }[], wallNow: number): Promise<void> {
    const fresh = new Set(marks.map((mark) => mark.id));
    const kept = this.content.heard.filter((mark) => mark.until > wallNow && !fresh.has(mark.id));
    this.content.heard = [...kept, ...marks].slice(-MAX_MARKS);
    await this.write();
  }

  private load(): Journal | undefined {
    try {
      const bytes = this.state.read(FILE, { secret: true });
      return bytes && journalSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
    } catch (error) {
      this.logger.warn('what voice mail knew is lost', { file: FILE, err: messageOf(error) });
      return undefined;
    }
  }

  /** What cannot be written holds for this life. */
  private async write(): Promise<void> {
    try {
      await this.state.writeSoon(FILE, `${JSON.stringify(this.content)}\n`, { secret: true });
    } catch (error) {
      this.logger.warn('not remembered over a restart', { file: FILE, err: messageOf(error) });
    }
  }
}
