import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import { z } from 'zod';
import { type IdlocError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Hit } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import { toHex } from '../../base/bytes.ts';
import type { Contact } from '../../identity/contacts.ts';
import type { HostIdentity } from '../../identity/host-identity.ts';
import { MAX_RECIPIENTS, openDocument, sealDocument } from '../../identity/sealed-document.ts';
import { sha256 } from '../../identity/signature.ts';
import type { StateDirectory } from '../../identity/state-directory.ts';
import type { OwnDocument } from '../../overlay/own-documents.ts';
import { OWN_SLOTS } from '../../overlay/storage/own-part.ts';
import type { DocumentPort, UserHost } from './document-port.ts';
import type { EntriesData, KeptEntries } from './kept-entries.ts';

/** Of what other hosts of the user may have written, unpacked. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** What the keys of MAX_RECIPIENTS take, and the rest around the entries. */
const SEAL_BYTES = 64 + MAX_RECIPIENTS * 132;
/** Changes that follow each other are stored together; in the overlay names have to be stored too. */
const CHANGE_DELAY_MS = 500;
const JOIN_DELAY_MS = 5_000;
/** A host that was met a moment ago stores its name first. */
const MET_DELAY_MS = 15_000;
/** How often other hosts are read, and looked for: one that the user has got since is to open ours. */
const SYNC_INTERVAL_MS = 1_800_000;
/** Long before it expires. */
const RENEW_AFTER_MS = 8 * 86_400_000;
/** After a failure; and while another host's is sealed for others alone, or a host that was met has no name yet. */
const RETRY_MS = { least: 30_000, most: 3_600_000 } as const;
/** Who asks for the entries waits for the overlay so long at most, where it was not asked lately. */
const LIST_PATIENCE_MS = 2_000;
const FRESH_MS = 5_000;

const compress = promisify(brotliCompress);
const decompress = promisify(brotliDecompress);

/** What of ours is in the overlay. */
const savedSchema = z.strictObject({
  user: z.string(),
  savedAt: z.number(),
  slot: z
    .int()
    .min(0)
    .max(OWN_SLOTS - 1),
  /** Of what is in it, and for whom. */
  digest: z.string(),
});
const fileSchema = z.looseObject({ saved: savedSchema.nullable() });

export interface UserDocumentComponents {
  readonly overlay: DocumentPort;
  readonly identity: HostIdentity;
  readonly state: Pick<StateDirectory, 'read' | 'writeSoon'>;
  readonly clock: { wall(): number };
  readonly random: Random;
  readonly logger: Logger;
  /** @returns what calls it off. */
  readonly after: (ms: number, then: () => void) => () => void;
}

export interface UserDocumentOptions<E> {
  readonly entries: KeptEntries<E>;
  readonly schema: z.ZodType<EntriesData<E>>;
  /** Of the state directory. */
  readonly file: string;
  /** What the encryption is bound to: no document passes for one of another sort. */
  readonly purpose: string;
  /** The entries, in sentences for a person. */
  readonly what: string;
  readonly maxEntries: number;
  /** Of a document in the overlay. */
  readonly maxBytes: number;
  readonly tooMany: (why: string) => IdlocError;
}

/**
 * What a user has of one sort. It is here, in a file, and in the overlay, encrypted for the hosts of the user: each of those has all
 * of it in a document of its own, reads those of the others, and keeps of each entry what was written last. So hosts that are never
 * up at the same time have the same.
 *
 *   change ──> file ──> sync: hosts of the user ──> their documents, merged ──> ours, where it says something else
 */
export class UserDocument<E> {
  private readonly components: UserDocumentComponents;
  private readonly options: UserDocumentOptions<E>;
  private saved: z.infer<typeof savedSchema> | null = null;
  private running: Promise<void> | undefined;
  private isAskedAgain = false;
  private cancel: (() => void) | undefined;
  private retryMs: number = RETRY_MS.least;
  private syncedAt = -Infinity;
  private failure: string | undefined;
  /** The overlay does not have all of it. */
  private isAhead = false;
  private stopped = false;
  /** Hosts of the user that were linked with, and were not among those of the last look yet. */
  private readonly met = new Set<Hit>();
  private recipients: ReadonlySet<Hit> = new Set();
  /** A document of another host could not be opened. */
  private hasUnread = false;

  constructor(components: UserDocumentComponents, options: UserDocumentOptions<E>) {
    this.components = components;
    this.options = options;
    this.load();
  }

  get all(): readonly E[] {
    return this.options.entries.all;
  }

  /** As `all`, with the time when each was written. */
  get written(): readonly { readonly entry: E; readonly modifiedAt: number }[] {
    return this.options.entries.written;
  }

  /** Why the overlay does not have the latest; null: it has. */
  get problem(): string | null {
    const { user } = this.components.overlay;
    const { what } = this.options;
    if (user === null) return `this host has no user: the ${what} are on this host alone`;
    if (user === undefined) return 'not in the overlay now: what other hosts of the user have changed is not here';
    return this.failure ?? (this.isAhead ? 'not stored in the overlay yet' : null);
  }

  /** We are in the overlay. */
  joined(): void {
    this.syncIn(JOIN_DELAY_MS);
  }

  /** Somebody is linked with this host: one of our user is to open what we have, and perhaps nobody has looked since it came. */
  seen({ hit, user }: Pick<Contact, 'hit' | 'user'>): void {
    if (user === null || user !== this.components.overlay.user) return;
    if (this.recipients.has(hit) || this.met.has(hit)) return;
    this.met.add(hit);
    // Until the first look, which is to come, nobody is known.
    if (this.recipients.size === 0) return;
    this.retryMs = RETRY_MS.least;
    this.syncIn(MET_DELAY_MS);
  }

  /** What other hosts of the user have written is in it, unless they cannot be asked in a moment. */
  async upToDate(patienceMs = LIST_PATIENCE_MS): Promise<readonly E[]> {
    const { clock } = this.components;
    if (clock.wall() - this.syncedAt > FRESH_MS) await this.waitFor(this.sync(), patienceMs);
    return this.all;
  }

  /**
   * Of the entries with the same key these take the place; removals come first.
   * @returns how many were removed; what was changed is in the file.
   * @throws {IdlocError} `tooMany`, of which none is taken.
   * @throws {KeyStoreError} when the file cannot be written.
   */
  async change(change: { readonly put: readonly E[]; readonly remove: readonly string[] }): Promise<number> {
    const { entries, maxEntries, what, tooMany } = this.options;
    const wallNow = this.components.clock.wall();
    const room = maxEntries - this.all.length + change.remove.length;
    if (change.put.filter((entry) => !entries.has(entries.keyOf(entry))).length > room)
      throw tooMany(`${maxEntries} ${what} are the most: remove some first`);
    const removed = change.remove.filter((key) => entries.remove(key, wallNow)).length;
    for (const entry of change.put) entries.put(entry, wallNow);
    await this.write();
    this.isAhead = true;
    this.syncIn(CHANGE_DELAY_MS);
    return removed;
  }

  /** Idempotent. */
  stop(): void {
    this.stopped = true;
    this.cancel?.();
  }

  /** Never rejects. Calls at once share one, and what changed meanwhile follows. */
  sync(): Promise<void> {
    if (this.running !== undefined) {
      this.isAskedAgain = true;
      return this.running;
    }
    this.running = this.syncOnce().finally(() => {
      this.running = undefined;
      if (this.isAskedAgain) this.syncIn(CHANGE_DELAY_MS);
      this.isAskedAgain = false;
    });
    return this.running;
  }

  /** What was changed is in the overlay, or that takes longer: `problem` says so. */
  protected async stored(patienceMs: number): Promise<void> {
    // One that is under way may have begun before the change.
    const next = (this.running ?? Promise.resolve()).then(() => this.sync());
    await this.waitFor(next, patienceMs);
  }

  private async waitFor(promise: Promise<void>, patienceMs: number): Promise<void> {
    const { after } = this.components;
    let callOff = (): void => {};
    const enough = new Promise<void>((resolve) => {
      callOff = after(patienceMs, resolve);
    });
    await Promise.race([promise, enough]);
    callOff();
  }

  /** Bytes that all would have in the overlay, packed, with this one. */
  protected async bytesWith(entry: E): Promise<number> {
    const data = this.options.entries.toData(this.components.clock.wall(), entry);
    return (await pack(JSON.stringify(data))).length;
  }

  /** Of all entries, packed. */
  protected get room(): number {
    return this.options.maxBytes - SEAL_BYTES;
  }

  private syncIn(ms: number): void {
    this.cancel?.();
    if (!this.stopped) this.cancel = this.components.after(ms, () => void this.sync());
  }

  private async syncOnce(): Promise<void> {
    const { overlay, clock, logger } = this.components;
    const { user } = overlay;
    // `joined` comes back to it.
    if (this.stopped || user === undefined || user === null) return;
    try {
      await this.exchange(user);
      this.failure = undefined;
      this.syncedAt = clock.wall();
      if (this.hasUnread || this.met.size > 0) this.tryAgain(SYNC_INTERVAL_MS);
      else {
        this.retryMs = RETRY_MS.least;
        this.syncIn(SYNC_INTERVAL_MS);
      }
    } catch (error) {
      this.failure = messageOf(error);
      logger.debug('not stored in the overlay', { document: this.options.what, err: this.failure });
      this.tryAgain(RETRY_MS.most);
    }
  }

  private tryAgain(mostMs: number): void {
    this.syncIn(Math.min(this.retryMs, mostMs));
    this.retryMs = Math.min(this.retryMs * 2, mostMs);
  }

  private async exchange(user: string): Promise<void> {
    const { overlay, identity, clock } = this.components;
    const { entries } = this.options;
    const self: UserHost = { hit: identity.hit, spki: identity.spki };
    const others = (await overlay.hosts(user)).filter(({ hit }) => hit !== identity.hit);
    const hosts = [self, ...others].slice(0, MAX_RECIPIENTS);
    const before = JSON.stringify(entries.toData(clock.wall()));
    let ours: OwnDocument | undefined;
    let hasUnread = false;
    for (const { hit } of hosts) {
      const document = await overlay.load(user, hit);
      if (hit === identity.hit) ours = document;
      if (document !== undefined && !(await this.merge(user, hit, document))) hasUnread ||= hit !== identity.hit;
    }
    this.hasUnread = hasUnread;
    const wasAhead = this.isAhead;
    this.isAhead = false;
    try {
      await this.bringUp(user, hosts, before, ours);
    } catch (error) {
      this.isAhead = wasAhead || this.isAhead;
      throw error;
    }
    this.recipients = new Set(hosts.map(({ hit }) => hit));
    for (const hit of this.recipients) this.met.delete(hit);
  }

  /** @param before the entries as they were before others were read. */
  private async bringUp(
    user: string,
    hosts: readonly UserHost[],
    before: string,
    ours: OwnDocument | undefined,
  ): Promise<void> {
    const { clock } = this.components;
    const data = this.options.entries.toData(clock.wall());
    const text = JSON.stringify(data);
    if (text !== before) await this.write();
    if (data.entries.length === 0 && ours === undefined) return;
    const digest = toHex(
      sha256(
        Buffer.from(
          `${text} ${hosts
            .map(({ hit }) => hit)
            .sort()
            .join(' ')}`,
        ),
      ),
    );
    const isThere = ours !== undefined && ours.savedAt === this.saved?.savedAt && this.saved.user === user;
    const isFresh = isThere && this.saved?.digest === digest && clock.wall() - this.saved.savedAt < RENEW_AFTER_MS;
    if (isFresh) return;
    await this.store(user, hosts, text, digest, ours);
  }

  private async store(
    user: string,
    hosts: readonly UserHost[],
    text: string,
    digest: string,
    before: OwnDocument | undefined,
  ): Promise<void> {
    const { overlay, identity, clock, random } = this.components;
    const { what, tooMany } = this.options;
    const packed = await pack(text);
    if (packed.length > this.room)
      throw tooMany(
        `the ${what} take ${packed.length} bytes, packed, and the overlay keeps ${this.room}: they are on this host alone until some are removed`,
      );
    // Behind the one that is there, which another clock may have dated.
    const savedAt = Math.max(Math.floor(clock.wall()), (before?.savedAt ?? 0) + 1);
    const slot = before === undefined ? 0 : 1 - before.slot;
    const recipients = hosts.map(({ spki }) => spki);
    const content = await sealDocument(packed, recipients, this.contextOf(user, identity.hit, savedAt), random);
    await overlay.save(user, { savedAt, slot, content });
    this.saved = { user, savedAt, slot, digest };
    await this.write();
  }

  /**
   * What cannot be opened is of another time, before that host knew of this one: it follows when that host is up.
   * @returns whether it was opened.
   */
  private async merge(user: string, hit: string, { savedAt, content }: OwnDocument): Promise<boolean> {
    const { identity, logger } = this.components;
    const packed = await openDocument(content, identity, this.contextOf(user, hit, savedAt));
    if (packed === undefined) return false;
    try {
      const text = await decompress(packed, { maxOutputLength: MAX_DOCUMENT_BYTES });
      this.options.entries.merge(this.options.schema.parse(JSON.parse(text.toString())));
    } catch (error) {
      const document = this.options.what;
      logger.debug('document of another host cannot be read', { document, nodeId: hit, err: reasonOf(error) });
    }
    return true;
  }

  private load(): void {
    const { state, logger } = this.components;
    const { entries, schema, file, what } = this.options;
    try {
      const bytes = state.read(file, { secret: true });
      if (bytes === undefined) return;
      const { saved, ...data } = fileSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
      entries.merge(schema.parse(data));
      this.saved = saved;
    } catch (error) {
      logger.warn('document cannot be read from the file', { document: what, file, err: reasonOf(error) });
    }
  }

  private async write(): Promise<void> {
    const { state, clock } = this.components;
    const { entries, file } = this.options;
    const data = { ...entries.toData(clock.wall()), saved: this.saved };
    await state.writeSoon(file, `${JSON.stringify(data)}\n`, { secret: true });
  }

  /** What a document is for: nobody can pass one for that of another host or sort, or an earlier one for a later. */
  private contextOf(user: string, hit: string, savedAt: number): string {
    return `${this.options.purpose} ${user} ${hit} ${savedAt}`;
  }
}

function pack(text: string): Promise<Buffer> {
  return compress(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } });
}

/** For the log, which is to have nothing of what was read: a parser of JSON quotes it. */
function reasonOf(error: unknown): string {
  return error instanceof SyntaxError || error instanceof z.ZodError
    ? 'it is written in another way'
    : messageOf(error);
}
