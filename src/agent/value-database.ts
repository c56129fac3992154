import { closeSync, constants, existsSync, fchmodSync, openSync, renameSync, rmSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Clock } from '../base/clock.ts';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { KeptValue, ValueChange, ValueFile, ValuePlace } from '../overlay/storage/value-file.ts';
import { chainFromBytes, chainToBytes } from './certificate-chain.ts';
import { SCHEMA } from './value-schema.ts';

/** In the state directory. */
export const VALUES_FILE = 'values.db';
/** "IDLV": what `file` says that it is. */
const APPLICATION_ID = 0x49444c56;
const VERSION = 1;
const OWNER_ONLY = 0o600;
const PAGE_BYTES = 4_096;
/** What a value takes in the file beside what it counts in the store: its certificate, indices, and pages that are half full. */
const FILE_FACTOR = 4;
const LEAST_FILE_BYTES = 4 * 1024 * 1024;

/** Of a turn of the event loop; bringing it into the log takes about as long once more. */
const TURN_MS = 2;
/** So much of what was written last a loss of power may cost; a crash costs nothing of it. */
const SYNC_DELAY_MS = 2_000;
/** Values after which the log is written back into the file, which takes two or three milliseconds: each has pages of its own. */
const CHECKPOINT_VALUES = 128;
/** A disk that is full now may have room later. */
const RETRY_MS = 60_000;

/** SQLite's result codes: the file is no database, or a broken one. */
const BROKEN: ReadonlySet<number> = new Set([11, 26]);

export interface ValueDatabaseOptions {
  /** Path of the file. */
  readonly path: string;
  /** Bytes of the store; the file may be FILE_FACTOR times as large. */
  readonly maxBytes: number;
}

interface Opened {
  readonly db: DatabaseSync;
  readonly read: StatementSync;
  readonly put: StatementSync;
  readonly putGeneration: StatementSync;
  readonly putCertificate: StatementSync;
  readonly remove: StatementSync;
}

/**
 * Stored values in an SQLite file, which only this process opens. Each call is one transaction of bounded length in the write-ahead
 * log; nothing waits for the disk there. What was written is brought to the disk behind the event loop, in the order that a
 * loss of power asks for: the log, then the pages that are written back from it, and only then the log is used anew.
 *
 * What cannot be read is set aside, once; what cannot be written is tried again. Neither ends the agent.
 */
export class ValueDatabase implements ValueFile {
  private readonly logger: Logger;
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly options: ValueDatabaseOptions;
  private opened: Opened | undefined;
  /** For its log and for itself: closing them would give back SQLite's locks. */
  private handles: { readonly log: FileHandle; readonly file: FileHandle } | undefined;
  private timer: NodeJS.Timeout | undefined;
  private syncing: Promise<void> | undefined;
  private isWritingBack = false;
  private unsynced = 0;
  private notBefore = -Infinity;
  private isFailing = false;
  private wasReplaced = false;
  private isClosed = false;

  constructor(components: { logger: Logger; clock: Pick<Clock, 'monotonic'> }, options: ValueDatabaseOptions) {
    this.logger = components.logger;
    this.clock = components.clock;
    this.options = options;
  }

  read(after: ValuePlace | undefined, count: number): readonly KeptValue[] | 'lost' {
    try {
      const { resource = '', kind = -1, key = '' } = after ?? {};
      const opened = this.open();
      return opened === undefined ? [] : opened.read.all(resource, kind, key, count).map(valueOf);
    } catch (error) {
      return this.failed(error) ? 'lost' : [];
    }
  }

  write(changes: readonly ValueChange[]): number | 'lost' {
    if (this.isClosed || this.isWritingBack || this.clock.monotonic() < this.notBefore) return 0;
    try {
      const opened = this.open();
      if (opened === undefined) return 0;
      const taken = this.transact(opened, changes);
      this.unsynced += taken;
      if (this.unsynced >= CHECKPOINT_VALUES) void this.sync();
      else this.timer ??= setTimeout(() => void this.sync(), SYNC_DELAY_MS).unref();
      if (this.isFailing) this.logger.info('stored values are kept again', { file: this.options.path });
      this.isFailing = false;
      return taken;
    } catch (error) {
      return this.failed(error) ? 'lost' : 0;
    }
  }

  clear(): void {
    try {
      this.shut();
      for (const name of this.names) rmSync(name, { force: true });
    } catch (error) {
      this.failed(error);
    }
  }

  /** Nothing is being written back: a write is taken. */
  async settled(): Promise<void> {
    await this.syncing;
  }

  /** Brings everything to the disk. Idempotent; nothing is taken any more. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    clearTimeout(this.timer);
    await this.settled();
    if (this.unsynced > 0) await this.sync(0);
    this.isClosed = true;
    this.shut();
  }

  private get names(): string[] {
    return ['', '-wal', '-journal', '-shm'].map((suffix) => `${this.options.path}${suffix}`);
  }

  /** Undefined: it cannot be, now. */
  private open(): Opened | undefined {
    if (this.opened !== undefined || this.isClosed) return this.opened;
    const { path, maxBytes } = this.options;
    // SQLite gives its log the mode of the file.
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, OWNER_ONLY);
    fchmodSync(fd, OWNER_ONLY);
    closeSync(fd);
    const db = new DatabaseSync(path);
    try {
      db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
      db.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -2048');
      prepareFile(db);
      const pages = Math.ceil(Math.max(LEAST_FILE_BYTES, maxBytes * FILE_FACTOR) / PAGE_BYTES);
      db.exec(`PRAGMA max_page_count = ${pages}`);
      this.opened = { db, ...statementsOf(db) };
      return this.opened;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** As many of the changes as there is time for. */
  private transact({ db, ...statements }: Opened, changes: readonly ValueChange[]): number {
    const start = this.clock.monotonic();
    let taken = 0;
    db.exec('BEGIN IMMEDIATE');
    try {
      for (const { place, value } of changes) {
        const { resource, kind, key } = place;
        if (value === undefined) statements.remove.run(resource, kind, key);
        else {
          const { certificateHash: hash, generation, packed, expiresAt } = value;
          statements.putCertificate.run(hash, chainToBytes(value.chain));
          // The columns of SQLite are signed.
          statements.putGeneration.run(resource, kind, BigInt.asIntN(64, generation));
          statements.put.run(resource, kind, key, Buffer.from(packed, 'latin1'), hash, expiresAt);
        }
        taken += 1;
        if (this.clock.monotonic() - start > TURN_MS) break;
      }
      db.exec('COMMIT');
      return taken;
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  }

  /** @param writeBackFrom values in the log from which on it is written back */
  private async sync(writeBackFrom = CHECKPOINT_VALUES): Promise<void> {
    this.syncing ??= this.bringToDisk(writeBackFrom).finally(() => {
      this.syncing = undefined;
      this.isWritingBack = false;
    });
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.syncing;
  }

  private async bringToDisk(writeBackFrom: number): Promise<void> {
    const { opened } = this;
    if (opened === undefined) return;
    try {
      this.isWritingBack = this.unsynced >= writeBackFrom;
      this.handles ??= await this.openHandles();
      const { log, file } = this.handles;
      await log.datasync();
      if (!this.isWritingBack || this.opened !== opened) return;
      opened.db.exec('PRAGMA wal_checkpoint(PASSIVE)');
      this.unsynced = 0;
      await file.datasync();
    } catch (error) {
      this.failed(error);
    }
  }

  private async openHandles(): Promise<NonNullable<ValueDatabase['handles']>> {
    const { path } = this.options;
    return { log: await open(`${path}-wal`, 'r'), file: await open(path, 'r') };
  }

  /** @returns whether what was in the file is set aside, and it is empty now */
  private failed(error: unknown): boolean {
    const { path } = this.options;
    if (isBroken(error) && !this.wasReplaced) {
      this.wasReplaced = true;
      try {
        this.shut();
        for (const name of this.names) if (existsSync(name)) renameSync(name, name.replace(path, `${path}.broken`));
        this.logger.warn('what this peer stored for others is not restored', {
          err: messageOf(error),
          done: `the file is set aside as ${path}.broken`,
        });
        return true;
      } catch {
        // The file stays where it is, and is not written.
      }
    }
    this.notBefore = this.clock.monotonic() + RETRY_MS;
    if (!this.isFailing)
      this.logger.warn('what this peer stores for others does not outlive a restart', {
        err: isFull(error) ? 'no space' : messageOf(error),
        file: path,
      });
    this.isFailing = true;
    return false;
  }

  private shut(): void {
    const { opened, handles } = this;
    this.opened = undefined;
    this.handles = undefined;
    this.unsynced = 0;
    try {
      opened?.db.close();
    } finally {
      void handles?.log.close();
      void handles?.file.close();
    }
  }
}

/** The file is of another version, or of another program. */
class ForeignFileError extends Error {}

function prepareFile(db: DatabaseSync): void {
  const number = (pragma: string): number => Number(db.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
  const [application, version] = [number('application_id'), number('user_version')];
  if (application === APPLICATION_ID && version === VERSION) return;
  if (db.prepare('SELECT name FROM sqlite_schema').get() !== undefined || application !== 0) {
    const what = application === APPLICATION_ID ? `of version ${version}` : 'of another program';
    throw new ForeignFileError(`it is ${what}, this idloc reads version ${VERSION}`);
  }
  db.exec(`BEGIN; ${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${VERSION}; COMMIT`);
}

function statementsOf(db: DatabaseSync): Omit<Opened, 'db'> {
  const read = db.prepare(
    `SELECT resource, kind, key, packed, certificate, expires_at, chain, generation FROM stored
     JOIN certificates USING (certificate) JOIN generations USING (resource, kind)
     WHERE (resource, kind, key) > (?, ?, ?) ORDER BY resource, kind, key LIMIT ?`,
  );
  read.setReadBigInts(true);
  return {
    read,
    put: db.prepare(
      `INSERT INTO stored (resource, kind, key, packed, certificate, expires_at) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET packed = excluded.packed, certificate = excluded.certificate, expires_at = excluded.expires_at`,
    ),
    putGeneration: db.prepare(
      'INSERT INTO generations VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET generation = excluded.generation',
    ),
    putCertificate: db.prepare('INSERT INTO certificates VALUES (?, ?) ON CONFLICT DO NOTHING'),
    remove: db.prepare('DELETE FROM stored WHERE resource = ? AND kind = ? AND key = ?'),
  };
}

type Row = ReturnType<StatementSync['all']>[number];

/** @throws {MalformedMessageError} when it is no row as we write it. */
function valueOf(row: Row): KeptValue {
  const { resource, kind, key, packed, certificate, expires_at: expiresAt, chain, generation } = row;
  if (
    typeof resource !== 'string' ||
    typeof kind !== 'bigint' ||
    typeof key !== 'string' ||
    !(packed instanceof Uint8Array) ||
    typeof certificate !== 'string' ||
    typeof expiresAt !== 'bigint' ||
    !(chain instanceof Uint8Array) ||
    typeof generation !== 'bigint'
  )
    throw new MalformedMessageError(0, 'a stored value is not of the types of its columns');
  return {
    ...{ resource, kind: Number(kind), key, certificateHash: certificate, expiresAt: Number(expiresAt) },
    generation: BigInt.asUintN(64, generation),
    packed: Buffer.from(packed).toString('latin1'),
    chain: chainFromBytes(chain),
  };
}

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error && 'errcode' in error && typeof error.errcode === 'number')) return undefined;
  // The lower byte: the primary result code.
  return error.errcode & 0xff;
}

function isBroken(error: unknown): boolean {
  if (error instanceof ForeignFileError || error instanceof MalformedMessageError) return true;
  return BROKEN.has(sqliteCode(error) ?? 0);
}

function isFull(error: unknown): boolean {
  return sqliteCode(error) === 13 || (error instanceof Error && 'code' in error && error.code === 'ENOSPC');
}
