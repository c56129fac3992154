import { COMMA_LISTS, COMPACT_NAMES } from './constants.ts';
import type { SipHeader, SipMessage } from './message.ts';

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

/** RFC 3261 s25.1. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Without SP and HTAB at its ends; `trim()` takes characters of Unicode too, which are part of a value. */
export function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text[start])) start += 1;
  while (end > start && isSpace(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

export function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

/** In lower case, in full: `v` is `via` (RFC 3261 s7.3.3). */
export function canonicalName(name: string): string {
  const lower = name.toLowerCase();
  return lower.length === 1 ? (COMPACT_NAMES.get(lower) ?? lower) : lower;
}

/** Rows of that field, by any of its names. */
export function headerRows(headers: readonly SipHeader[], name: string): SipHeader[] {
  const wanted = canonicalName(name);
  return headers.filter((header) => isNamed(header, wanted));
}

/** All values of that field in their order: of all rows, and of a row that is a comma list each one (RFC 3261 s7.3.1). Empty ones are left out. */
export function headerValues(message: SipMessage, name: string): string[] {
  const rows = headerRows(message.headers, name);
  if (!COMMA_LISTS.has(canonicalName(name))) return rows.map(({ value }) => value);
  return rows.flatMap(({ value }) => splitList(value));
}

/** The first of `headerValues`, without those behind it. */
export function firstHeader({ headers }: SipMessage, name: string): string | undefined {
  const wanted = canonicalName(name);
  const isList = COMMA_LISTS.has(wanted);
  for (const header of headers) {
    if (!isNamed(header, wanted)) continue;
    const value = isList ? splitList(header.value)[0] : header.value;
    if (value !== undefined) return value;
  }
  return undefined;
}

/** With this as the only value of that field: where its first row was, or last of all. */
export function withHeader<T extends SipMessage>(message: T, name: string, value: string): T {
  const wanted = canonicalName(name);
  const at = message.headers.findIndex((header) => isNamed(header, wanted));
  if (at === -1) return { ...message, headers: [...message.headers, { name, value }] };
  const headers = message.headers.filter((header, index) => index <= at || !isNamed(header, wanted));
  headers[at] = { name, value };
  return { ...message, headers };
}

export function withoutHeader<T extends SipMessage>(message: T, name: string): T {
  const wanted = canonicalName(name);
  if (!message.headers.some((header) => isNamed(header, wanted))) return message;
  return { ...message, headers: message.headers.filter((header) => !isNamed(header, wanted)) };
}

/** A row above all others, as Via, Route and Record-Route are added. */
export function prependHeader<T extends SipMessage>(message: T, name: string, value: string): T {
  return { ...message, headers: [{ name, value }, ...message.headers] };
}

/** The first value of that field replaced, or taken away; the others of its row, and other rows, stay as they are. */
export function withFirstValue<T extends SipMessage>(message: T, name: string, value: string | undefined): T {
  const wanted = canonicalName(name);
  const at = message.headers.findIndex(
    (header) => isNamed(header, wanted) && (header.value !== '' || !COMMA_LISTS.has(wanted)),
  );
  const row = message.headers[at];
  if (row === undefined) return message;
  const others = COMMA_LISTS.has(wanted) ? splitList(row.value).slice(1) : [];
  const values = value === undefined ? others : [value, ...others];
  const headers = [...message.headers];
  headers.splice(at, 1, ...(values.length === 0 ? [] : [{ name: row.name, value: values.join(', ') }]));
  return { ...message, headers };
}

/** At commas outside of quoted strings and of <>. */
export function splitList(value: string): string[] {
  return splitOutside(value, ',')
    .map(trimSpace)
    .filter((part) => part !== '');
}

/** At that character outside of quoted strings and of <>, in one pass; what does not end in the text goes on to its end. */
export function splitOutside(text: string, separator: string): string[] {
  // Most values are short lists without either: a proxy reads each of them many times.
  if (!text.includes('"') && !text.includes('<')) return text.split(separator);
  if (!text.includes(separator)) return [text];
  const parts: string[] = [];
  let from = 0;
  let inside: '"' | '>' | undefined;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inside === '"' && character === '\\') at += 1;
    else if (inside !== undefined) inside = character === inside ? undefined : inside;
    else if (character === '"') inside = '"';
    else if (character === '<') inside = '>';
    else if (character === separator) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

/** Whether a row is of that field, by any of its names. @param wanted as of `canonicalName` */
function isNamed({ name }: SipHeader, wanted: string): boolean {
  // Names of another length are not looked at: it is asked of each row of a message, some dozens of times.
  if (name.length === wanted.length) return name === wanted || name.toLowerCase() === wanted;
  return name.length === 1 && canonicalName(name) === wanted;
}
