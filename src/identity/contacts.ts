import { z } from 'zod';
import { isHit, type Hit } from '../base/node-id.ts';
import { formatSocketAddress, parseSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { KeyStoreError } from './errors.ts';
import { isHostName, isUserName } from './names.ts';

/** About 300 bytes each in the file. */
export const MAX_CONTACTS = 1000;
/** Written as one: of a thousand contacts all would take 6 ms, in one turn of the event loop. */
const CONTACTS_PER_PIECE = 50;
/** Enough for the addresses of a host with several interfaces and its relays. */
const MAX_LOCATORS_PER_CONTACT = 8;

/** A peer once known. Its name stays pinned to its HIT: the overlay alone cannot move it to another key. */
export interface Contact {
  readonly hit: Hit;
  /** Host name, `saturn.example.net`. */
  readonly name: string | null;
  readonly user: string | null;
  /** A peer of the overlay when last seen: a way in for others. Clients are none. */
  readonly peer: boolean;
  /** The address that it claimed in the overlay. */
  readonly ipv4: string | null;
  /** Where it was reached last, best first. */
  readonly locators: readonly SocketAddress[];
  /** Milliseconds since the epoch. */
  readonly lastSeen: number;
}

const locatorSchema = z.string().transform((text, context): SocketAddress => {
  const address = parseSocketAddress(text);
  if (address !== undefined) return address;
  context.addIssue({ code: 'custom', message: 'not an address with a port' });
  return z.NEVER;
});
const contactSchema = z.strictObject({
  hit: z.string().refine(isHit),
  name: z.string().refine(isHostName).nullable(),
  user: z.string().refine(isUserName).nullable(),
  peer: z.boolean(),
  ipv4: z.ipv4().nullable(),
  locators: z.array(locatorSchema).max(MAX_LOCATORS_PER_CONTACT),
  lastSeen: z.number().nonnegative(),
});
const fileSchema = z.strictObject({ version: z.literal(1), contacts: z.array(contactSchema).max(MAX_CONTACTS) });

/** The contacts of a host: at most 1,000, the one not seen for longest leaves first. */
export class ContactBook {
  private readonly contacts = new Map<Hit, Contact>();
  private readonly hitByName = new Map<string, Hit>();

  /**
   * @param json what `toJson` gave.
   * @throws {KeyStoreError} when it is something else.
   */
  static fromJson(json: string): ContactBook {
    const book = new ContactBook();
    try {
      for (const contact of fileSchema.parse(JSON.parse(json)).contacts) book.remember(contact);
    } catch (cause) {
      throw new KeyStoreError('the contacts cannot be read', { cause });
    }
    return book;
  }

  /** Whether any address of anyone is known. */
  get knowsAWay(): boolean {
    for (const { locators } of this.contacts.values()) if (locators.length > 0) return true;
    return false;
  }

  get size(): number {
    return this.contacts.size;
  }

  /**
   * Adds or updates a contact.
   * @returns false when its name is pinned to another HIT: it was then stored without the name.
   */
  remember(contact: Contact): boolean {
    const { hit, name } = contact;
    const pinned = name === null ? undefined : this.hitByName.get(name);
    const accepted = pinned === undefined || pinned === hit;
    this.forget(hit);
    this.contacts.set(hit, {
      ...contact,
      name: accepted ? name : null,
      locators: contact.locators.slice(0, MAX_LOCATORS_PER_CONTACT),
    });
    if (accepted && name !== null) this.hitByName.set(name, hit);
    if (this.contacts.size > MAX_CONTACTS) {
      let oldest = contact;
      for (const other of this.contacts.values()) if (other.lastSeen < oldest.lastSeen) oldest = other;
      this.forget(oldest.hit);
    }
    return accepted;
  }

  forget(hit: Hit): void {
    const contact = this.contacts.get(hit);
    if (contact === undefined) return;
    this.contacts.delete(hit);
    if (contact.name !== null) this.hitByName.delete(contact.name);
  }

  byHit(hit: Hit): Contact | undefined {
    return this.contacts.get(hit);
  }

  byName(name: string): Contact | undefined {
    const hit = this.hitByName.get(name);
    return hit === undefined ? undefined : this.contacts.get(hit);
  }

  /** The hosts of a user. */
  byUser(user: string): Contact[] {
    return this.all().filter((contact) => contact.user === user);
  }

  /** The contact seen last comes first. */
  all(): Contact[] {
    return [...this.contacts.values()].sort((a, b) => b.lastSeen - a.lastSeen);
  }

  toJson(): string {
    return [...this.pieces()].join('');
  }

  /** `toJson` in pieces: the book as it is now, whatever changes until the last one. */
  pieces(): Iterable<string> {
    return piecesOf(this.all());
  }
}

function* piecesOf(contacts: readonly Contact[]): Generator<string> {
  yield '{"version":1,"contacts":[';
  for (let from = 0; from < contacts.length; from += CONTACTS_PER_PIECE) {
    const lines = contacts
      .slice(from, from + CONTACTS_PER_PIECE)
      .map((contact) => JSON.stringify({ ...contact, locators: contact.locators.map(formatSocketAddress) }));
    yield `${from === 0 ? '' : ','}\n${lines.join(',\n')}`;
  }
  yield '\n]}\n';
}
