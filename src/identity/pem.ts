const LINE_LENGTH = 64;
/** A chain is two certificates. */
const MAX_BLOCKS = 8;

/** RFC 7468 s2. */
export function encodePem(label: string, ...blocks: readonly Uint8Array[]): string {
  return blocks
    .map((der) => {
      const lines =
        Buffer.from(der)
          .toString('base64')
          .match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? [];
      return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
    })
    .join('');
}

/**
 * Nothing but blocks with this label may be in the text.
 * @throws {TypeError} when it is otherwise.
 */
export function decodePem(label: string, text: string): Uint8Array[] {
  const block = new RegExp(`-----BEGIN ${label}-----\\s+([A-Za-z0-9+/=\\s]+?)\\s+-----END ${label}-----\\s*`, 'y');
  const blocks: Uint8Array[] = [];
  while (block.lastIndex < text.length) {
    const [, body] = block.exec(text) ?? [];
    if (body === undefined || blocks.length === MAX_BLOCKS) throw new TypeError(`not PEM with the label ${label}`);
    const base64 = body.replace(/\s+/g, '');
    const der = Buffer.from(base64, 'base64');
    if (der.toString('base64') !== base64) throw new TypeError('broken base64');
    blocks.push(new Uint8Array(der));
  }
  if (blocks.length === 0) throw new TypeError('it is empty');
  return blocks;
}
