import { headerRows } from './headers.ts';
import type { SipHeader } from './message.ts';

/** RFC 3261 s20.14; undefined: none is given. Several that agree count as one (RFC 4475 s3.3.9 is about those that do not). */
export function contentLength(headers: readonly SipHeader[]): number | 'invalid' | undefined {
  const values = new Set(headerRows(headers, 'content-length').map(({ value }) => value));
  if (values.size === 0) return undefined;
  const [value = ''] = values;
  return values.size === 1 && /^\d{1,10}$/.test(value) ? Number(value) : 'invalid';
}
