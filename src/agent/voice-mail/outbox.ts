import { z } from 'zod';
import { IdlocError, messageOf } from '../../base/errors.ts';
import { isOggOpus } from '../../base/ogg-opus.ts';
import { toHex } from '../../base/bytes.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { StateDirectory } from '../../identity/state-directory.ts';
import { MAIL_LIFETIME_S } from '../../overlay/storage/mail-value.ts';
import { MAX_RECORDING_BYTES } from './constants.ts';
import type { Letter } from './mail-sender.ts';
import type { Recording } from './recording.ts';

/** Files of the state directory: each holds one recording, so that there are never more. */
const FILES = 16;
const MAX_SECONDS = 3_600;
const MAX_FROM = 255;
/** Nobody listens to what is older. */
const MAX_AGE_MS = MAIL_LIFETIME_S * 1_000;
const RETRY_MS = { least: 5_000, most: 600_000 } as const;
/** Where a mailbox is full others have to make room first. */
const FULL_RETRY_MS = 3_600_000;
const NEW_LINE = 0x0a;

const headSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  user: z.string().min(1).max(255),
  at: z.number().min(0),
  seconds: z.number().min(0).max(MAX_SECONDS),
  from: z.string().max(MAX_FROM),
});

interface Waiting {
  readonly file: number;
  readonly letter: Letter;
  readonly stored: PromiseWithResolvers<undefined>;
  /** By the wall clock: it is no use before. */
  notBefore: number;
}

export interface OutboxComponents {
  /** @throws {IdlocError} when it is no use to try again. */
  readonly send: (letter: Letter) => Promise<void>;
  readonly state: Pick<StateDirectory, 'read' | 'writeSoon' | 'removeSoon'>;
  readonly clock: { wall(): number };
  readonly random: Random;
  readonly logger: Logger;
  readonly after: (ms: number, then: () => void) => () => void;
}

/**
 * Recordings that are to be left for others, each in a file of its own until the overlay has it:
 *
 *   taken ──> on the disk ──> sending ──> stored: the file is gone
 *                               ^ │ └──> refused for good: the file is gone, and the log says so
 *                               └─┘ later, and in the next life; where there is no room, much later, or when some is made
 */
export class Outbox {
  private readonly components: OutboxComponents;
  private waiting: Waiting[] = [];
  /** Files that are being written. */
  private readonly writing = new Map<number, Promise<void>>();
  private running: Promise<void> | undefined;
  private isAskedAgain = false;
  private cancel: (() => void) | undefined;
  private retryMs: number = RETRY_MS.least;
  private stopped = false;

  constructor(components: OutboxComponents) {
    this.components = components;
    for (let file = 0; file < FILES; file++) {
      const letter = this.load(file);
      if (letter !== undefined) this.waiting.push({ file, letter, stored: unwatched(), notBefore: 0 });
    }
  }

  get size(): number {
    return this.waiting.length;
  }

  /** @param underWay recordings that will come. @returns whether there is a file for one more. */
  hasRoom(underWay: number): boolean {
    return !this.stopped && this.waiting.length + this.writing.size + underWay < FILES;
  }

  /** What waited for room is tried again. */
  roomMade(): void {
    for (const entry of this.waiting) entry.notBefore = 0;
    void this.sendAll();
  }

  /** Resolves when the overlay has it. @throws {IdlocError} when nobody takes it. */
  async leave(user: string, recording: Recording): Promise<void> {
    const { state, random, logger } = this.components;
    check(recording);
    const used = new Set([...this.waiting.map((entry) => entry.file), ...this.writing.keys()]);
    const file = Array.from({ length: FILES }, (_, i) => i).find((i) => !used.has(i));
    if (file === undefined || this.stopped)
      throw new IdlocError(
        'outbox_full',
        `${FILES} messages wait to be stored in the overlay, and no more can: try again later`,
      );
    const { ogg, at, seconds, from } = recording;
    const letter: Letter = { id: toHex(random.bytes(8)), user: user.toLowerCase(), ogg, at, seconds, from };
    const entry = { file, letter, stored: unwatched(), notBefore: 0 };
    const written = state.writeSoon(nameOf(file), bytesOf(letter), { secret: true });
    this.writing.set(file, written);
    try {
      await written;
    } catch (error) {
      logger.warn('a message does not outlive a restart until it is stored', { err: messageOf(error) });
    }
    this.writing.delete(file);
    this.add(entry);
    this.retryMs = RETRY_MS.least;
    void this.sendAll();
    await entry.stored.promise;
  }

  /** Tries all that wait. Never rejects. Calls at once share one, and what came meanwhile follows. */
  sendAll(): Promise<void> {
    if (this.running !== undefined) {
      this.isAskedAgain = true;
      return this.running;
    }
    this.running = this.sendEach().finally(() => {
      this.running = undefined;
      if (this.isAskedAgain && !this.stopped) this.sendIn(0);
      this.isAskedAgain = false;
    });
    return this.running;
  }

  /** Resolves when what waits is on the disk: it is there in the next life. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel?.();
    for (const { stored } of this.waiting) stored.reject(stoppedError());
    await Promise.allSettled(this.writing.values());
  }

  /** @throws {IdlocError} in the next life it is sent. */
  private add(entry: Waiting): void {
    if (this.stopped) throw stoppedError();
    this.waiting.push(entry);
  }

  private async sendEach(): Promise<void> {
    for (const entry of [...this.waiting]) if (!this.stopped && this.isDue(entry)) await this.sendOne(entry);
    if (this.waiting.length === 0 || this.stopped) return;
    this.sendIn(this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MS.most);
  }

  /** A clock that was set back holds it up no longer. */
  private isDue({ notBefore }: Waiting): boolean {
    const ms = notBefore - this.components.clock.wall();
    return ms <= 0 || ms > FULL_RETRY_MS;
  }

  private sendIn(ms: number): void {
    this.cancel?.();
    this.cancel = this.components.after(ms, () => void this.sendAll());
  }

  private async sendOne(entry: Waiting): Promise<void> {
    const { send, clock, logger } = this.components;
    const { letter, stored } = entry;
    try {
      if (clock.wall() - letter.at > MAX_AGE_MS)
        throw new IdlocError(
          'recording_expired',
          `the message for ${letter.user} could not be stored for two weeks: it is over`,
        );
      await send(letter);
      await this.drop(entry);
      stored.resolve(undefined);
    } catch (error) {
      if (isFull(error)) {
        if (entry.notBefore === 0) logger.warn('a message waits for room', { err: messageOf(error) });
        entry.notBefore = clock.wall() + FULL_RETRY_MS;
        return;
      }
      if (!isFinal(error)) {
        logger.debug('message not stored yet', { err: messageOf(error) });
        return;
      }
      await this.drop(entry);
      logger.warn('a message is lost', { err: messageOf(error) });
      stored.reject(error);
    }
  }

  private async drop(entry: Waiting): Promise<void> {
    const { state, logger } = this.components;
    this.waiting = this.waiting.filter((other) => other !== entry);
    try {
      await state.removeSoon(nameOf(entry.file));
    } catch (error) {
      logger.warn('a message that was stored is still on the disk', { err: messageOf(error) });
    }
  }

  private load(file: number): Letter | undefined {
    const { state, logger } = this.components;
    try {
      const bytes = state.read(nameOf(file), { secret: true });
      return bytes && letterOf(bytes);
    } catch (error) {
      logger.warn('a message of a former life cannot be read', { file: nameOf(file), err: messageOf(error) });
      return undefined;
    }
  }
}

/** @throws {IdlocError} */
function check({ ogg, at, seconds, from }: Recording): void {
  if (!isOggOpus(ogg)) throw new IdlocError('bad_recording', 'the recording is not Opus in Ogg');
  if (ogg.length > MAX_RECORDING_BYTES)
    throw new IdlocError(
      'bad_recording',
      `the recording has ${ogg.length} bytes, and ${MAX_RECORDING_BYTES} are the most`,
    );
  const isTimed = at >= 0 && at <= Number.MAX_SAFE_INTEGER && seconds >= 0 && seconds <= MAX_SECONDS;
  if (!isTimed || Buffer.byteLength(from) > MAX_FROM)
    throw new IdlocError('bad_recording', 'the recording says of itself what cannot be');
}

/** Of those that `send` and the outbox throw on purpose. */
function isFinal(error: unknown): boolean {
  return error instanceof IdlocError && ['bad_recording', 'recording_expired'].includes(error.code);
}

function isFull(error: unknown): boolean {
  return error instanceof IdlocError && ['mailbox_full', 'mail_quota'].includes(error.code);
}

function stoppedError(): IdlocError {
  return new IdlocError('stopped', 'the agent ends: the message is kept, and left when it runs again');
}

function nameOf(file: number): string {
  return `voice-mail.out.${file}`;
}

/** A line of JSON, then the recording as it is. */
function bytesOf({ ogg, ...head }: Letter): Uint8Array {
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ogg]);
}

function letterOf(bytes: Uint8Array): Letter {
  const end = bytes.indexOf(NEW_LINE);
  const head = headSchema.parse(JSON.parse(Buffer.from(bytes.subarray(0, Math.max(0, end))).toString()));
  const letter = { ...head, ogg: bytes.slice(end + 1) };
  check(letter);
  return letter;
}

/** Nobody has to wait for it. */
function unwatched(): PromiseWithResolvers<undefined> {
  const made = Promise.withResolvers<undefined>();
  made.promise.catch(() => {});
  return made;
}
