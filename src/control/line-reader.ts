import { MalformedMessageError } from '../base/errors.ts';

/** Cuts a byte stream into lines of UTF-8. Holds at most `maxBytes` of a line that is not whole. */
export class LineReader {
  private readonly maxBytes: number;
  private chunks: Uint8Array[] = [];
  private held = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** @throws {MalformedMessageError} for a line that is longer than allowed: the stream is of no use any more. */
  push(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    let rest = bytes;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      this.hold(rest.subarray(0, end));
      lines.push(Buffer.concat(this.chunks).toString('utf8'));
      this.chunks = [];
      this.held = 0;
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) this.hold(rest);
    return lines;
  }

  private hold(bytes: Uint8Array): void {
    this.held += bytes.length;
    if (this.held > this.maxBytes)
      throw new MalformedMessageError(this.maxBytes, `a line of over ${this.maxBytes} bytes`);
    this.chunks.push(Uint8Array.from(bytes));
  }
}
