import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants } from 'node:zlib';
import { z } from 'zod';
import { IdlocError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { toHex } from '../../base/bytes.ts';
import type { HostIdentity } from '../../identity/host-identity.ts';
import { MAX_RECIPIENTS, openDocument, sealDocument } from '../../identity/sealed-document.ts';
import { sha256 } from '../../identity/signature.ts';
import type { StateDirectory } from '../../identity/state-directory.ts';
import type { OwnDocument } from '../../overlay/own-documents.ts';
import { MAX_OWN_BYTES, OWN_SLOTS } from '../../overlay/storage/own-part.ts';
import { AddressEntries, MAX_ENTRIES, entriesSchema, type AddressEntry } from './address-entries.ts';
import type { DocumentPort, UserHost } from './document-port.ts';

/** Whom a user knows is nobody else's business. */
const FILE = 'addresses.json';
/** Of what other hosts of the user may have written, unpacked. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** What the keys of MAX_RECIPIENTS take, and the rest around the contacts. */
const SEAL_BYTES = 64 + MAX_RECIPIENTS * 132;
/** Changes that follow each other are stored together; in the overlay names have to be stored too. */
const CHANGE_DELAY_MS = 500;
const JOIN_DELAY_MS = 5_000;
/** How often other hosts are read, and looked for: one that the user has got since is to open ours. */
const SYNC_INTERVAL_MS = 1_800_000;
/** Long before it expires. */
const RENEW_AFTER_MS = 8 * 86_400_000;
const RETRY_MS = { least: 30_000, most: 3_600_000 } as const;
/** Who lists the contacts waits for the overlay so long at most, where it was not asked lately. */
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
const fileSchema = z.strictObject({ ...entriesSchema.shape, saved: savedSchema.nullable() });

export interface AddressBookComponents {
  readonly overlay: DocumentPort;
  readonly identity: HostIdentity;
  readonly state: Pick<StateDirectory, 'read' | 'writeSoon'>;
  readonly clock: { wall(): number };
  readonly random: Random;
  readonly logger: Logger;
  /** @returns what calls it off. */
  readonly after: (ms: number, then: () => void) => () => void;
}

/**
 * The user's contacts. They are here, in a file, and in the overlay, encrypted for the hosts of the user: each of those has all
 * of them in a document of its own, reads those of the others, and keeps of each contact what was written last. So hosts that are never
 * up at the same time have the same contacts.
 *
 *   change ──> file ──> sync: hosts of the user ──> their documents, merged ──> ours, where it says something else
 */
export class AddressBook {
  private readonly components: AddressBookComponents;
  private readonly entries = new AddressEntries();
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

  constructor(components: AddressBookComponents) {
    this.components = components;
    this.load();
  }

  get all(): readonly AddressEntry[] {
    return this.entries.all;
  }

  /** URIs of all contacts. */
  get addresses(): readonly string[] {
    return this.entries.addresses;
  }

  /** Why the overlay does not have the latest; null: it has. */
  get problem(): string | null {
    const { user } = this.components.overlay;
    if (user === null) return 'this host has no user: the contacts are on this host alone';
    if (user === undefined) return 'not in the overlay now: what other hosts of the user have changed is not here';
    return this.failure ?? (this.isAhead ? 'not stored in the overlay yet' : null);
  }

  /** We are in the overlay. */
  joined(): void {
    this.syncIn(JOIN_DELAY_MS);
  }

  /** What other hosts of the user have written is in it, unless they cannot be asked in a moment. */
  async upToDate(): Promise<readonly AddressEntry[]> {
    const { clock, after } = this.components;
    if (clock.wall() - this.syncedAt > FRESH_MS)
      await Promise.race([this.sync(), new Promise<void>((resolve) => void after(LIST_PATIENCE_MS, resolve))]);
    return this.all;
  }

  /**
   * Of the contacts with the same UID these take the place; removals come first.
   * @returns how many were removed; what was changed is in the file.
   * @throws {IdlocError} `too_many_contacts`, of which none is taken.
   * @throws {KeyStoreError} when the file cannot be written.
   */
  async change(change: { readonly put: readonly AddressEntry[]; readonly remove: readonly string[] }): Promise<number> {
    const wallNow = this.components.clock.wall();
    const room = MAX_ENTRIES - this.all.length + change.remove.length;
    const known = new Set(this.all.map(({ uid }) => uid));
    if (change.put.filter(({ uid }) => !known.has(uid)).length > room)
      throw new IdlocError('too_many_contacts', `${MAX_ENTRIES} contacts are the most: remove some first`);
    const removed = change.remove.filter((uid) => this.entries.remove(uid, wallNow)).length;
    for (const entry of change.put) this.entries.put(entry, wallNow);
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
      this.retryMs = RETRY_MS.least;
      this.syncIn(SYNC_INTERVAL_MS);
    } catch (error) {
      this.failure = messageOf(error);
      logger.debug('contacts not stored', { err: this.failure });
      this.syncIn(this.retryMs);
      this.retryMs = Math.min(this.retryMs * 2, RETRY_MS.most);
    }
  }

  private async exchange(user: string): Promise<void> {
    const { overlay, identity, clock } = this.components;
    const self: UserHost = { hit: identity.hit, spki: identity.spki };
    const others = (await overlay.hosts(user)).filter(({ hit }) => hit !== identity.hit);
    const hosts = [self, ...others].slice(0, MAX_RECIPIENTS);
    const before = JSON.stringify(this.entries.toData(clock.wall()));
    let ours: OwnDocument | undefined;
    for (const { hit } of hosts) {
      const document = await overlay.load(user, hit);
      if (hit === identity.hit) ours = document;
      if (document !== undefined) await this.merge(user, hit, document);
    }
    const wasAhead = this.isAhead;
    this.isAhead = false;
    try {
      await this.bringUp(user, hosts, before, ours);
    } catch (error) {
      this.isAhead = wasAhead || this.isAhead;
      throw error;
    }
  }

  /** @param before the contacts as they were before others were read. */
  private async bringUp(
    user: string,
    hosts: readonly UserHost[],
    before: string,
    ours: OwnDocument | undefined,
  ): Promise<void> {
    const { clock } = this.components;
    const data = this.entries.toData(clock.wall());
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
    const packed = await compress(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } });
    if (packed.length + SEAL_BYTES > MAX_OWN_BYTES)
      throw new IdlocError(
        'too_many_contacts',
        `the contacts take ${packed.length} bytes, packed, and the overlay keeps ${MAX_OWN_BYTES - SEAL_BYTES}: they are on this host alone until some are removed`,
      );
    // Behind the one that is there, which another clock may have dated.
    const savedAt = Math.max(Math.floor(clock.wall()), (before?.savedAt ?? 0) + 1);
    const slot = before === undefined ? 0 : 1 - before.slot;
    const recipients = hosts.map(({ spki }) => spki);
    const content = await sealDocument(packed, recipients, contextOf(user, identity.hit, savedAt), random);
    await overlay.save(user, { savedAt, slot, content });
    this.saved = { user, savedAt, slot, digest };
    await this.write();
  }

  /** What cannot be opened is of another time, before that host knew of this one: it follows when that host is up. */
  private async merge(user: string, hit: string, { savedAt, content }: OwnDocument): Promise<void> {
    const { identity, logger } = this.components;
    const packed = await openDocument(content, identity, contextOf(user, hit, savedAt));
    if (packed === undefined) return;
    try {
      const text = await decompress(packed, { maxOutputLength: MAX_DOCUMENT_BYTES });
      this.entries.merge(entriesSchema.parse(JSON.parse(text.toString())));
    } catch (error) {
      logger.debug('contacts of another host cannot be read', { nodeId: hit, err: messageOf(error) });
    }
  }

  private load(): void {
    const { state, logger } = this.components;
    try {
      const bytes = state.read(FILE, { secret: true });
      if (bytes === undefined) return;
      const { saved, ...data } = fileSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
      this.entries.merge(data);
      this.saved = saved;
    } catch (error) {
      logger.warn('contacts cannot be read from the file', { err: messageOf(error) });
    }
  }

  private async write(): Promise<void> {
    const { state, clock } = this.components;
    const data = { ...this.entries.toData(clock.wall()), saved: this.saved };
    await state.writeSoon(FILE, `${JSON.stringify(data)}\n`, { secret: true });
  }
}

/** What a document is for: nobody can pass one for that of another host, or an earlier one for a later. */
function contextOf(user: string, hit: string, savedAt: number): string {
  return `contacts ${user} ${hit} ${savedAt}`;
}
