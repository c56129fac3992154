// Implementation constants.

/** A proxy reads the same few values again and again: of one message dozens of times, and of each message of a call. At least so many are remembered, and up to twice as many. */
const REMEMBERED = 512;
/** What is longer is rare. */
const MAX_CHARACTERS = 256;

/** `read` with what it has read last: bounded, since strangers choose the texts. What it returns is shared, and nobody's to change. */
export function readOnce<V extends object>(read: (text: string) => V | undefined): (text: string) => V | undefined {
  // Nothing is taken out of a map of thousands one by one: V8 would search for the oldest of them among those that are gone.
  let young = new Map<string, V>();
  let old = new Map<string, V>();
  const keep = (text: string, value: V): void => {
    if (young.size >= REMEMBERED) {
      old = young;
      young = new Map();
    }
    young.set(text, value);
  };
  return (text) => {
    if (text.length > MAX_CHARACTERS) return read(text);
    const known = young.get(text);
    if (known !== undefined) return known;
    const before = old.get(text);
    // V8 keeps a whole message for a part of it.
    const own = Buffer.from(text, 'latin1').toString('latin1');
    if (own !== text) return read(text);
    const value = before ?? read(own);
    if (value !== undefined) keep(own, value);
    return value;
  };
}
