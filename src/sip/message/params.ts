import { isToken, splitOutside, trimSpace } from './headers.ts';

/** `;name=value` of a header field (RFC 3261 s25.1, generic-param): names in lower case, values as they were written, '' without one. */
export type HeaderParams = ReadonlyMap<string, string>;

/** @returns undefined for what is none, such as an empty one. */
export function parseParams(text: string): Map<string, string> | undefined {
  const params = new Map<string, string>();
  const parts = splitOutside(text, ';');
  if (trimSpace(parts[0] ?? '') !== '') return undefined;
  for (const part of parts.slice(1)) {
    const equals = part.indexOf('=');
    const name = trimSpace(equals === -1 ? part : part.slice(0, equals)).toLowerCase();
    const value = equals === -1 ? '' : trimSpace(part.slice(equals + 1));
    if (!isToken(name) || params.has(name) || !isParamValue(value) || (equals !== -1 && value === '')) return undefined;
    params.set(name, value);
  }
  return params;
}

export function formatParams(params: HeaderParams): string {
  return [...params].map(([name, value]) => (value === '' ? `;${name}` : `;${name}=${value}`)).join('');
}

/** The text of a quoted string; anything else as it is. */
export function unquote(value: string): string {
  return value.startsWith('"') && value.endsWith('"') && value.length >= 2
    ? value.slice(1, -1).replaceAll(/\\(.)/gs, '$1')
    : value;
}

export function quote(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, '\\$&')}"`;
}

/** A token, a host (RFC 5118 s4.5: `received` comes with and without brackets) or a quoted string. */
function isParamValue(value: string): boolean {
  return value.startsWith('"') ? isQuotedString(value) : !/[\s",;<>\\]/.test(value);
}

/** One quoted string and nothing behind it. */
export function isQuotedString(text: string): boolean {
  if (text.length < 2 || !text.startsWith('"')) return false;
  let at = 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at === text.length - 1;
}
