import { isUtf8 } from 'node:buffer';

/** A byte that is no UTF-8 is this plus its value (0xDC80 to 0xDCFF): a half of a surrogate pair, which no UTF-8 decodes to. */
const ESCAPED_BYTE = 0xdc00;
// eslint-disable-next-line no-control-regex -- all of ASCII
const NOT_ASCII = /[^\x00-\x7f]/;

/**
 * UTF-8 (RFC 3261 s7), with bytes that are none kept as halves of surrogate pairs (the way of PEP 383): old phones write Latin-1 in display
 * names, and a proxy passes on what it does not understand, byte for byte.
 */
export function decodeText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isUtf8(buffer)) return buffer.toString('utf8');
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < buffer.length;) {
    const length = sequenceLength(buffer, at);
    if (length === 1 || (length > 1 && isUtf8(buffer.subarray(at, at + length)))) {
      at += length;
      continue;
    }
    parts.push(buffer.toString('utf8', from, at), String.fromCharCode(ESCAPED_BYTE + (buffer[at] ?? 0)));
    at += 1;
    from = at;
  }
  parts.push(buffer.toString('utf8', from));
  return parts.join('');
}

/** The bytes that `decodeText` made this text of. */
export function encodeText(text: string): Uint8Array {
  if (!NOT_ASCII.test(text)) return Buffer.from(text, 'latin1');
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  // Every other part is of escaped bytes; the expression sees no half of a whole pair.
  return Buffer.concat(
    text
      .split(/([\udc80-\udcff]+)/u)
      .map((part, index) =>
        index % 2 === 0 ? Buffer.from(part, 'utf8') : Uint8Array.from(part, (half) => half.charCodeAt(0) & 0xff),
      ),
  );
}

/** Of the sequence that such a first byte begins; 0 when none does. */
function sequenceLength(buffer: Buffer, at: number): number {
  const first = buffer[at] ?? 0;
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}
