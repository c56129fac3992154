import { createHash, randomUUID } from 'node:crypto';
import ICAL from 'ical.js';
import { messageOf } from '../base/errors.ts';
import type { ContactEntry } from '../control/schemas.ts';

/** As the agent takes them. */
const MAX_CARD_LENGTH = 2_048;
const MAX_TEXT = 255;
const MAX_ADDRESSES = 16;
const MAX_CARD_LINES = 10_000;

/** Pictures, sounds and keys: a contact here is somebody to call. */
const LARGE: ReadonlySet<string> = new Set(['photo', 'logo', 'sound', 'key']);
/** Properties with something to call; X-SIP is what phones write that know no IMPP (RFC 4770). */
const CALLED: ReadonlySet<string> = new Set(['impp', 'tel', 'x-sip']);
const CALL_URI = /^(sips?|tel):/i;

/** jCard (RFC 7095): name, parameters, type, values. */
type Property = [string, Record<string, unknown>, string, ...unknown[]];

export interface ReadCards {
  readonly contacts: readonly ContactEntry[];
  /** Of cards that are not understood: the line of each, and why. */
  readonly bad: readonly { readonly line: number; readonly why: string }[];
  /** Pictures and the like that were left out. */
  readonly leftOut: number;
}

/** Reads vCard 4.0 (RFC 6350) and 3.0 (RFC 2426), as many in a file as there are. */
export function readCards(text: string): ReadCards {
  const contacts: ContactEntry[] = [];
  const bad: { line: number; why: string }[] = [];
  let leftOut = 0;
  for (const { line, card } of split(text)) {
    try {
      const read = entryOf(card);
      leftOut += read.leftOut;
      contacts.push(read.contact);
    } catch (error) {
      bad.push({ line, why: messageOf(error) });
    }
  }
  return { contacts, bad, leftOut };
}

/** A new contact. @param addresses URIs */
export function newCard(name: string, addresses: readonly string[]): ContactEntry {
  return contactOf([
    ['version', {}, 'text', '4.0'],
    ['uid', {}, 'uri', `urn:uuid:${randomUUID()}`],
    ['fn', {}, 'text', name],
    ...addresses.map(propertyOf),
  ]);
}

/** The same contact with more to call. */
export function withAddresses(contact: ContactEntry, addresses: readonly string[]): ContactEntry {
  const more = addresses.filter((address) => !contact.addresses.includes(address));
  return contactOf([...propertiesOf(contact.card), ...more.map(propertyOf)], contact.uid);
}

/**
 * What a person writes: `bob@home.example`, `sip:bob@home.example`, `+49 30 123`.
 * @returns undefined when it is nothing that can be called.
 */
export function addressOf(text: string): string | undefined {
  if (CALL_URI.test(text)) return /^[\x21-\x7e]{5,255}$/.test(text) ? text : undefined;
  if (/^[^\s@<>"]+@[^\s@<>"]+$/.test(text)) return `sip:${text}`;
  const number = text.replaceAll(/[\s().\-/]/g, '');
  return /^\+?[0-9*#]{2,32}$/.test(number) ? `tel:${number}` : undefined;
}

/** Cards one by one, so that one that is broken costs no other. */
function split(text: string): { line: number; card: string }[] {
  const cards: { line: number; card: string }[] = [];
  let open: { line: number; lines: string[] } | undefined;
  text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .forEach((content, i) => {
      if (/^BEGIN:VCARD\s*$/i.test(content)) open = { line: i + 1, lines: [] };
      if (open === undefined || open.lines.length >= MAX_CARD_LINES) return;
      open.lines.push(content);
      if (!/^END:VCARD\s*$/i.test(content)) return;
      cards.push({ line: open.line, card: open.lines.join('\r\n') });
      open = undefined;
    });
  if (open !== undefined) cards.push({ line: open.line, card: open.lines.join('\r\n') });
  return cards;
}

function entryOf(card: string): { contact: ContactEntry; leftOut: number } {
  const all = propertiesOf(card);
  const version = textOf(all, 'version');
  if (version !== '4.0' && version !== '3.0')
    throw new Error(`version ${version || 'unknown'} is not read, 3.0 and 4.0 are`);
  const properties = all.filter(([name]) => !LARGE.has(name));
  return { contact: contactOf(properties), leftOut: all.length - properties.length };
}

function propertiesOf(card: string): Property[] {
  const [name, properties] = ICAL.parse(card) as [unknown, unknown];
  if (name !== 'vcard' || !Array.isArray(properties)) throw new Error('no vCard');
  return properties as Property[];
}

function contactOf(properties: readonly Property[], known?: string): ContactEntry {
  const card = ICAL.stringify(['vcard', [...properties], []]).trimEnd();
  if (card.length > MAX_CARD_LENGTH) throw new Error(`longer than ${MAX_CARD_LENGTH} characters`);
  const name = ['fn', 'n', 'org', 'nickname', 'email']
    .map((key) => textOf(properties, key))
    .find((text) => text !== '');
  const uid = known ?? textOf(properties, 'uid');
  const addresses = properties.flatMap(([key, , , ...values]) =>
    CALLED.has(key)
      ? values.flatMap((value) => (typeof value === 'string' ? (addressOf(value.trim()) ?? []) : []))
      : [],
  );
  if (name === undefined) throw new Error('it has no name');
  return {
    // The same file brings the same contact a second time.
    uid: (uid === '' ? `urn:sha256:${createHash('sha256').update(card).digest('hex')}` : uid).slice(0, MAX_TEXT),
    name: name.slice(0, MAX_TEXT),
    addresses: [...new Set(addresses)].slice(0, MAX_ADDRESSES),
    card,
  };
}

/** For a person to see: in one line, with nothing that moves the cursor. */
function textOf(properties: readonly Property[], name: string): string {
  const found = properties.find(([key]) => key === name);
  if (found === undefined) return '';
  const parts = found
    .slice(3)
    .flat(2)
    .filter((part): part is string => typeof part === 'string' && part !== '');
  // Family name first in the property.
  const ordered = name === 'n' ? [parts[1], parts[0]] : parts;
  return ordered
    .filter((part) => part !== undefined)
    .join(' ')
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim();
}

function propertyOf(address: string): Property {
  return [address.startsWith('tel:') ? 'tel' : 'impp', {}, 'uri', address];
}
