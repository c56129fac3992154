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
