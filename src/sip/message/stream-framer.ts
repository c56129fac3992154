import { MalformedMessageError } from '../../base/errors.ts';
import { parseSip } from './codec.ts';
import { MAX_MESSAGE_BYTES } from './constants.ts';
import { contentLength } from './content-length.ts';
import type { SipMessage } from './message.ts';

/** `keepalive`: the double CRLF of RFC 5626 s4.4.1, that is answered with a single one. */
export type SipFrame = { readonly type: 'message'; readonly message: SipMessage } | { readonly type: 'keepalive' };

export const KEEPALIVE_ANSWER: Uint8Array = Buffer.from('\r\n');

const INITIAL_CAPACITY_BYTES = 4_096;
const CR = 0x0d;
const LF = 0x0a;

/**
 * Cuts the bytes of one connection into messages (RFC 3261 s7.5, s18.3). A failure ends it: where the next message would begin cannot be known
 * then, and the connection is to be closed once what `push` gave back is answered: a request with
 * a Content-Length that is no number is among that (RFC 4475 s3.1.2.3). It holds one unfinished message at most.
 */
export class SipStreamFramer {
  private buffer: Buffer = Buffer.alloc(0);
  private used = 0;
  /** So far no end of the header section was found: each byte is looked at once, in how many pieces they may come. */
  private scanned = 0;
  /** The message in front, once its header section is there. */
  private pending: { readonly message: SipMessage; readonly bodyStart: number; readonly end: number } | undefined;
  private failed: MalformedMessageError | undefined;

  /** Why nothing more comes out of this stream. */
  get failure(): MalformedMessageError | undefined {
    return this.failed;
  }

  push(bytes: Uint8Array): SipFrame[] {
    const frames: SipFrame[] = [];
    if (this.failed !== undefined) return frames;
    this.append(bytes);
    let at = 0;
    try {
      for (;;) {
        at += this.skipBlankLines(at, frames);
        const taken = this.takeMessage(at, frames);
        if (taken === 0) break;
        at += taken;
      }
      this.drop(at);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.failed = error;
      this.buffer = Buffer.alloc(0);
    }
    return frames;
  }

  private append(bytes: Uint8Array): void {
    const needed = this.used + bytes.length;
    if (needed > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2, INITIAL_CAPACITY_BYTES));
      this.buffer.copy(larger, 0, 0, this.used);
      this.buffer = larger;
    }
    this.buffer.set(bytes, this.used);
    this.used = needed;
  }

  /** How many bytes of empty lines stand there, between two messages only. A single CRLF is the answer to a keepalive, and is skipped. */
  private skipBlankLines(at: number, frames: SipFrame[]): number {
    let end = at;
    while (end + 1 < this.used && this.buffer[end] === CR && this.buffer[end + 1] === LF) {
      const double = end + 3 < this.used && this.buffer[end + 2] === CR && this.buffer[end + 3] === LF;
      // The second half may be on its way.
      if (!double && (end + 2 >= this.used || (end + 3 >= this.used && this.buffer[end + 2] === CR))) break;
      if (double) frames.push({ type: 'keepalive' });
      end += double ? 4 : 2;
    }
    return end - at;
  }

  /** @returns its length, or 0 when it is not there yet. */
  private takeMessage(at: number, frames: SipFrame[]): number {
    this.pending ??= this.parseHead(at);
    if (this.pending === undefined || this.used - at < this.pending.end) return 0;
    const { message, bodyStart, end } = this.pending;
    // A copy: the buffer is written over.
    const body = new Uint8Array(this.buffer.subarray(at + bodyStart, at + end));
    frames.push({ type: 'message', message: { ...message, body } });
    if (contentLength(message.headers) === 'invalid')
      throw new MalformedMessageError(bodyStart, 'a Content-Length that is no number');
    this.pending = undefined;
    this.scanned = 0;
    return end;
  }

  private parseHead(at: number): typeof this.pending {
    const end = this.buffer.subarray(0, this.used).indexOf('\r\n\r\n', at + Math.max(this.scanned - 3, 0), 'latin1');
    this.scanned = this.used - at;
    const headLength = end === -1 ? this.scanned : end + 4 - at;
    if (headLength > MAX_MESSAGE_BYTES) throw new MalformedMessageError(MAX_MESSAGE_BYTES, 'too long');
    if (end === -1) return undefined;
    const message = parseSip(this.buffer.subarray(at, at + headLength));
    const length = contentLength(message.headers);
    if (length === undefined) throw new MalformedMessageError(headLength, 'no Content-Length on a stream');
    const bodyLength = length === 'invalid' ? 0 : length;
    if (headLength + bodyLength > MAX_MESSAGE_BYTES) throw new MalformedMessageError(MAX_MESSAGE_BYTES, 'too long');
    return { message, bodyStart: headLength, end: headLength + bodyLength };
  }

  private drop(bytes: number): void {
    if (bytes === 0) return;
    this.buffer.copyWithin(0, bytes, this.used);
    this.used -= bytes;
    // Nothing is held for a connection that rests.
    if (this.used === 0) this.buffer = Buffer.alloc(0);
  }
}
