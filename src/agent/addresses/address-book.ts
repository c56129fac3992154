import { IdlocError } from '../../base/errors.ts';
import { IDLOC_OWN } from '../../overlay/storage/kinds.ts';
import { maxDocumentBytes } from '../../overlay/storage/own-part.ts';
import { UserDocument, type UserDocumentComponents } from '../user-documents/user-document.ts';
import { AddressEntries, MAX_ENTRIES, addressesSchema, type AddressEntry } from './address-entries.ts';

/** The user's contacts, on all hosts of the user. */
export class AddressBook extends UserDocument<AddressEntry> {
  private readonly contacts: AddressEntries;

  constructor(components: UserDocumentComponents) {
    const contacts = new AddressEntries();
    super(components, {
      entries: contacts,
      schema: addressesSchema,
      // Whom a user knows is nobody else's business.
      file: 'addresses.json',
      purpose: 'contacts',
      what: 'contacts',
      maxEntries: MAX_ENTRIES,
      maxBytes: maxDocumentBytes(IDLOC_OWN.parts),
      tooMany: (why) => new IdlocError('too_many_contacts', why),
    });
    this.contacts = contacts;
  }

  /** URIs of all contacts. */
  get addresses(): readonly string[] {
    return this.contacts.addresses;
  }
}
