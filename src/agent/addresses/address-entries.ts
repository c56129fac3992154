import { z } from 'zod';
import { KeptEntries, entriesSchema } from '../user-documents/kept-entries.ts';

/** Bytes of text of one contact, pictures left out. */
const MAX_CARD_LENGTH = 2_048;
export const MAX_ENTRIES = 1_000;
const MAX_KEPT = 2 * MAX_ENTRIES;
const MAX_ADDRESSES = 16;

const addressEntrySchema = z.strictObject({
  /** The UID of the vCard. */
  uid: z.string().min(1).max(255),
  name: z.string().min(1).max(255),
  /** URIs to call: `sip:bob@home.example`, `tel:+4930123`. */
  addresses: z.array(z.string().min(1).max(255)).max(MAX_ADDRESSES),
  /** The vCard, as it was imported. */
  card: z.string().max(MAX_CARD_LENGTH),
});
export type AddressEntry = z.infer<typeof addressEntrySchema>;

export const addressesSchema = entriesSchema(addressEntrySchema, MAX_KEPT);

/** The contacts of a user. */
export class AddressEntries extends KeptEntries<AddressEntry> {
  constructor() {
    super({
      keyOf: ({ uid }) => uid,
      compare: (a, b) => a.name.localeCompare(b.name) || (a.uid < b.uid ? -1 : 1),
      maxEntries: MAX_ENTRIES,
      maxKept: MAX_KEPT,
    });
  }

  /** Of all contacts. Asked for by each caller: in no order. */
  get addresses(): string[] {
    return this.unsorted().flatMap(({ entry }) => entry.addresses);
  }
}
