import type { ControlHandlers } from '../../control/schemas.ts';
import type { AddressBook } from './address-book.ts';

/** What local clients may ask of the user's contacts. */
export function addressHandlers(book: AddressBook): Pick<ControlHandlers, 'contacts' | 'changeContacts'> {
  return {
    contacts: async () => ({ contacts: [...(await book.upToDate())], problem: book.problem }),
    changeContacts: async ({ put, remove }) => {
      const removed = await book.change({ put, remove });
      return { put: put.length, removed };
    },
  };
}
