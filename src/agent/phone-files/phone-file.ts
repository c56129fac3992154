import { z } from 'zod';
import { KeptEntries, entriesSchema } from '../user-documents/kept-entries.ts';
import {
  MAX_PHONE_FILES,
  MAX_PHONE_FILE_BYTES,
  MAX_PHONE_FILE_NAME,
  PHONE_FILE_NAME,
} from '../../control/constants.ts';

/** With removals: who saves and removes under ever new names has them forgotten, the earliest first. */
const MAX_KEPT = 256;

const ENCODINGS = ['utf8', 'base64'] as const;

const phoneFileSchema = z.strictObject({
  // What another host of the user says is shown on a terminal, and has to be named to be taken away.
  name: z.string().max(MAX_PHONE_FILE_NAME).regex(PHONE_FILE_NAME),
  /** Text is packed as text, which takes a third of its base64. */
  encoding: z.enum(ENCODINGS),
  content: z.string().max(4 * Math.ceil(MAX_PHONE_FILE_BYTES / 3)),
});
export type PhoneFile = z.infer<typeof phoneFileSchema>;

export const phoneFilesSchema = entriesSchema(phoneFileSchema, MAX_KEPT);

export function phoneFileOf(name: string, bytes: Uint8Array): PhoneFile {
  const content = Buffer.from(bytes);
  const text = content.toString('utf8');
  return Buffer.from(text, 'utf8').equals(content)
    ? { name, encoding: 'utf8', content: text }
    : { name, encoding: 'base64', content: content.toString('base64') };
}

export function contentOf({ encoding, content }: PhoneFile): Uint8Array {
  return Buffer.from(content, encoding);
}

/** Files of the user's phones, by name. */
export class PhoneFileEntries extends KeptEntries<PhoneFile> {
  constructor() {
    super({
      keyOf: ({ name }) => name,
      compare: (a, b) => a.name.localeCompare(b.name) || (a.name < b.name ? -1 : 1),
      maxEntries: MAX_PHONE_FILES,
      maxKept: MAX_KEPT,
    });
  }
}
