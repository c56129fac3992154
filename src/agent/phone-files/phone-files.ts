import { MAX_PHONE_FILES, MAX_PHONE_FILE_BYTES } from '../../control/constants.ts';
import { IdlocError } from '../../base/errors.ts';
import { IDLOC_FILES } from '../../overlay/storage/kinds.ts';
import { maxDocumentBytes } from '../../overlay/storage/own-part.ts';
import { UserDocument, type UserDocumentComponents } from '../user-documents/user-document.ts';
import { type PhoneFile, PhoneFileEntries, contentOf, phoneFileOf, phoneFilesSchema } from './phone-file.ts';

/** Whoever asks for a file that is not here waits so long for what other hosts have: a host that came a moment ago reads it first. */
const SEARCH_PATIENCE_MS = 15_000;
/** Whoever saves one is told whether the overlay has it. */
const STORE_PATIENCE_MS = 5_000;

export interface PhoneFileEntry {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly savedAt: number;
}

/** The files of the user's phones (settings, accounts), on all hosts of the user. They have passwords: nothing of them is logged. */
export class PhoneFiles extends UserDocument<PhoneFile> {
  constructor(components: UserDocumentComponents) {
    super(components, {
      entries: new PhoneFileEntries(),
      schema: phoneFilesSchema,
      file: 'phone-files.json',
      purpose: 'phone-files',
      what: 'files of phones',
      maxEntries: MAX_PHONE_FILES,
      maxBytes: maxDocumentBytes(IDLOC_FILES.parts),
      tooMany: (why) => new IdlocError('too_many_files', why),
    });
  }

  get list(): PhoneFileEntry[] {
    return this.written.map(({ entry, modifiedAt }) => shown(entry, modifiedAt));
  }

  /** In place of the one with the same name. @throws {IdlocError} when there is no room: then nothing is saved. */
  async save(name: string, content: Uint8Array): Promise<PhoneFileEntry> {
    if (content.length > MAX_PHONE_FILE_BYTES)
      throw new IdlocError(
        'file_too_large',
        `${name} has ${content.length} bytes, and ${MAX_PHONE_FILE_BYTES} are the most: leave out what a phone does not need`,
      );
    const file = phoneFileOf(name, content);
    const bytes = await this.bytesWith(file);
    if (bytes > this.room)
      throw new IdlocError(
        'too_many_files',
        `with ${name} the files of phones would take ${bytes} bytes, packed, and the overlay keeps ${this.room}: remove some first`,
      );
    await this.change({ put: [file], remove: [] });
    const { entry, modifiedAt } = this.entryOf(name);
    await this.stored(STORE_PATIENCE_MS);
    return shown(entry, modifiedAt);
  }

  /** @throws {IdlocError} `no_such_file` */
  async read(name: string): Promise<PhoneFileEntry & { readonly content: Uint8Array }> {
    await this.upToDate();
    if (!this.has(name)) await this.upToDate(SEARCH_PATIENCE_MS);
    const { entry, modifiedAt } = this.entryOf(name);
    return { ...shown(entry, modifiedAt), content: contentOf(entry) };
  }

  /** All or none. @throws {IdlocError} `no_such_file` */
  async removeAll(names: readonly string[]): Promise<void> {
    await this.upToDate();
    for (const name of names) this.entryOf(name);
    await this.change({ put: [], remove: names });
    await this.stored(STORE_PATIENCE_MS);
  }

  private has(name: string): boolean {
    return this.written.some(({ entry }) => entry.name === name);
  }

  private entryOf(name: string): { readonly entry: PhoneFile; readonly modifiedAt: number } {
    const found = this.written.find(({ entry }) => entry.name === name);
    if (found !== undefined) return found;
    throw new IdlocError('no_such_file', `${name}: no file of that name: \`idloc phones\` shows all`);
  }
}

function shown(file: PhoneFile, modifiedAt: number): PhoneFileEntry {
  return { name: file.name, bytes: contentOf(file).length, savedAt: modifiedAt };
}
