import { isIPv4 } from 'node:net';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Contact, ContactBook } from '../identity/contacts.ts';
import type { KeyStore } from '../identity/key-store.ts';
import type { StateDirectory } from '../identity/state-directory.ts';

/** Contacts change in bursts; what is lost when the agent is killed is learned again. */
const SAVE_DELAY_MS = 1_000;
const OWN_IPV4 = 'ipv4';

/** What the agent remembers from life to life beside its keys: peers, and the IPv4 address it has claimed. */
export class Memory {
  private readonly store: KeyStore;
  private readonly state: StateDirectory;
  private readonly logger: Logger;
  private readonly book: ContactBook;
  private timer: NodeJS.Timeout | undefined;

  /** @throws {KeyStoreError} when the files are broken. */
  constructor(components: { store: KeyStore; state: StateDirectory; logger: Logger }) {
    this.store = components.store;
    this.state = components.state;
    this.logger = components.logger;
    this.book = this.store.loadContacts();
  }

  get contacts(): Contact[] {
    return this.book.all();
  }

  remember(contact: Contact): void {
    const knewAWay = this.book.knowsAWay;
    this.book.remember(contact);
    // Without a single way in on the disk, an agent that is killed now would never find back.
    if (!knewAWay && contact.locators.length > 0) this.save();
    else this.saveLater();
  }

  private saveLater(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.save();
    }, SAVE_DELAY_MS);
  }

  get ownIpv4(): string | undefined {
    const bytes = this.state.read(OWN_IPV4, { secret: false });
    const text = bytes === undefined ? '' : Buffer.from(bytes).toString('latin1').trim();
    return isIPv4(text) ? text : undefined;
  }

  rememberOwnIpv4(address: string): void {
    if (address !== this.ownIpv4) this.state.write(OWN_IPV4, `${address}\n`, { secret: false });
  }

  /** Writes what is not written yet. */
  flush(): void {
    if (this.timer === undefined) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.save();
  }

  private save(): void {
    try {
      this.store.saveContacts(this.book);
    } catch (error) {
      // The agent works without: it starts from the ticket's addresses next time.
      this.logger.warn('contacts not saved', { err: messageOf(error) });
    }
  }
}
