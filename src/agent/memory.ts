import { isIPv4 } from 'node:net';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Contact, ContactBook } from '../identity/contacts.ts';
import type { KeyStore } from '../identity/key-store.ts';
import type { StateDirectory } from '../identity/state-directory.ts';

/** Contacts change in bursts; what is lost when the agent is killed is learned again. */
const SAVE_DELAY_MS = 1_000;
/** A disk that is full now may have room later. */
const RETRY_MS = 60_000;
const OWN_IPV4 = 'ipv4';

const PARTS = ['contacts', 'ipv4'] as const;
type Part = (typeof PARTS)[number];

/**
 * What the agent remembers from life to life beside its keys: peers, and the IPv4 address it has claimed. What cannot be written
 * is remembered all the same, until the agent stops, and tried again.
 */
export class Memory {
  private readonly store: KeyStore;
  private readonly state: StateDirectory;
  private readonly logger: Logger;
  private readonly book: ContactBook;
  private address: string | undefined;
  private readonly unsaved = new Set<Part>();
  private timer: NodeJS.Timeout | undefined;
  private saving = false;
  private failing = false;

  /** @throws {KeyStoreError} when the files are broken. */
  constructor(components: { store: KeyStore; state: StateDirectory; logger: Logger }) {
    this.store = components.store;
    this.state = components.state;
    this.logger = components.logger;
    this.book = this.store.loadContacts();
    const bytes = this.state.read(OWN_IPV4, { secret: false });
    const text = bytes === undefined ? '' : Buffer.from(bytes).toString('latin1').trim();
    this.address = isIPv4(text) ? text : undefined;
  }

  get contacts(): Contact[] {
    return this.book.all();
  }

  remember(contact: Contact): void {
    const knewAWay = this.book.knowsAWay;
    this.book.remember(contact);
    this.unsaved.add('contacts');
    // Without a single way in on the disk, an agent that is killed now would never find back.
    if (!knewAWay && contact.locators.length > 0) this.save();
    else this.saveIn(SAVE_DELAY_MS);
  }

  get ownIpv4(): string | undefined {
    return this.address;
  }

  rememberOwnIpv4(address: string): void {
    if (address === this.address) return;
    this.address = address;
    this.unsaved.add('ipv4');
    this.save(['ipv4']);
  }

  /** Writes what is not written yet. */
  flush(): void {
    // What is being written may not be done before the agent is gone.
    if (this.saving) this.unsaved.add('contacts');
    if (this.unsaved.size > 0) this.save();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private saveIn(delayMs: number): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.saveSoon();
    }, delayMs).unref();
  }

  /** While the agent runs, contacts change every few seconds, and a disk may take its time. */
  private async saveSoon(): Promise<void> {
    if (this.saving) {
      this.saveIn(SAVE_DELAY_MS);
      return;
    }
    this.saving = true;
    try {
      if (this.unsaved.delete('contacts')) await this.store.saveContactsSoon(this.book);
      // Contacts that have changed meanwhile have their time already.
      this.save(['ipv4']);
    } catch (error) {
      this.unsaved.add('contacts');
      this.failed(error);
    } finally {
      this.saving = false;
    }
  }

  private save(parts: readonly Part[] = PARTS): void {
    try {
      for (const what of parts) {
        if (!this.unsaved.has(what)) continue;
        this.write(what);
        this.unsaved.delete(what);
      }
      if (this.failing) this.logger.info('written again', { state: this.state.path });
      this.failing = false;
    } catch (error) {
      this.failed(error);
    }
  }

  /** The agent works without: it starts from the ticket's addresses next time. */
  private failed(error: unknown): void {
    if (!this.failing) this.logger.warn('not remembered over a restart', { err: messageOf(error) });
    this.failing = true;
    this.saveIn(RETRY_MS);
  }

  private write(what: Part): void {
    if (what === 'contacts') this.store.saveContacts(this.book);
    else if (this.address !== undefined) this.state.write(OWN_IPV4, `${this.address}\n`, { secret: false });
  }
}
