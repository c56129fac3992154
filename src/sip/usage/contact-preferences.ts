import { readPort } from './known-ports.ts';

/** Of a record that has room for 512 bytes, its destination list included. */
const MAX_LENGTH = 256;

/**
 * contact_prefs of a registration: the methods that the phones take, as RFC 3840 s9 writes a predicate; '' when they say nothing.
 * @param methods tokens in upper case
 */
export function contactPreferences(methods: readonly string[]): string {
  const terms = [...new Set(methods)].map((method) => `(sip.methods=${method})`);
  const text = terms.length > 1 ? `(|${terms.join('')})` : terms.join('');
  return text.length <= MAX_LENGTH ? text : '';
}

/** A feature of ours (RFC 3840 s9): whoever does not know it passes over it. */
const PORT_TERM = /\(idloc\.port=(\d{1,5})\)/;

/** With the port of the adaptor, which RFC 7904 has no place for. */
export function withAdaptorPort(preferences: string, port: number): string {
  const term = `(idloc.port=${port})`;
  return preferences === '' ? term : `(&${term}${preferences})`;
}

/** @returns undefined: it says none. */
export function adaptorPortOf(preferences: string): number | undefined {
  return readPort(PORT_TERM.exec(preferences)?.[1]);
}
