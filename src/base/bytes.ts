import { timingSafeEqual } from 'node:crypto';
import { MalformedMessageError } from './errors.ts';

const INITIAL_CAPACITY_BYTES = 256;

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** @throws {TypeError} when the text is not an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text))
    throw new TypeError(`not hexadecimal: ${text.slice(0, 40)}`);
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** For secrets and authenticators: takes the same time wherever the difference is. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Big-endian writer that grows. Vectors have their length written back once the content is known. */
export class ByteWriter {
  /** Of Node's pool: an array buffer for each of the many small writers costs more than what is written. */
  private buffer = Buffer.allocUnsafe(INITIAL_CAPACITY_BYTES);
  private used = 0;

  get length(): number {
    return this.used;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer.writeUInt8(value & 0xff, this.used);
    this.used += 1;
  }

  u16(value: number): void {
    this.reserve(2);
    this.buffer.writeUInt16BE(value & 0xffff, this.used);
    this.used += 2;
  }

  u24(value: number): void {
    this.u8((value >>> 16) & 0xff);
    this.u16(value & 0xffff);
  }

  u32(value: number): void {
    this.reserve(4);
    this.buffer.writeUInt32BE(value >>> 0, this.used);
    this.used += 4;
  }

  u64(value: bigint): void {
    this.reserve(8);
    this.buffer.writeBigUInt64BE(BigInt.asUintN(64, value), this.used);
    this.used += 8;
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.used);
    this.used += value.length;
  }

  hex(value: string): void {
    this.bytes(Buffer.from(value, 'hex'));
  }

  utf8(value: string): void {
    this.bytes(Buffer.from(value, 'utf8'));
  }

  /**
   * A vector with a length field of `lengthBytes` in front of what `content` writes.
   * @throws {RangeError} when the content does not fit the length field.
   */
  vector(lengthBytes: 1 | 2 | 3 | 4, content: () => void): void {
    const start = this.used;
    this.reserve(lengthBytes);
    this.used += lengthBytes;
    content();
    const length = this.used - start - lengthBytes;
    if (length >= 2 ** (8 * lengthBytes))
      throw new RangeError(`${length} bytes do not fit a length field of ${lengthBytes} bytes`);
    for (let i = 0; i < lengthBytes; i++) this.buffer[start + i] = (length / 2 ** (8 * (lengthBytes - 1 - i))) & 0xff;
  }

  /** Overwrites four bytes that were written before. */
  patchU32(offset: number, value: number): void {
    this.buffer.writeUInt32BE(value >>> 0, offset);
  }

  /** Overwrites two bytes that were written before. */
  patchU16(offset: number, value: number): void {
    this.buffer.writeUInt16BE(value & 0xffff, offset);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return new Uint8Array(this.buffer.subarray(0, this.used));
  }

  private reserve(count: number): void {
    const needed = this.used + count;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2));
    grown.set(this.buffer);
    this.buffer = grown;
  }
}

/** Big-endian reader over borrowed bytes. Every read checks its length and throws MalformedMessageError. */
export class ByteReader {
  private readonly data: Uint8Array;
  /** The same bytes; parts share it, since a message has dozens of vectors. */
  private readonly buffer: Buffer;
  /** Offset of `data[0]` in the whole message, so that errors name the offset a person can look up. */
  private readonly base: number;
  private at: number;
  private readonly until: number;

  /** @param part of `data`: where it begins and ends; absent: all of it */
  constructor(
    data: Uint8Array,
    base = 0,
    part?: { readonly buffer: Buffer; readonly from: number; readonly to: number },
  ) {
    this.data = data;
    this.buffer = part?.buffer ?? Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    this.base = base;
    this.at = part?.from ?? 0;
    this.until = part?.to ?? data.length;
  }

  get offset(): number {
    return this.base + this.at;
  }

  get remaining(): number {
    return this.until - this.at;
  }

  u8(): number {
    return this.buffer.readUInt8(this.take(1));
  }

  u16(): number {
    return this.buffer.readUInt16BE(this.take(2));
  }

  u24(): number {
    return this.buffer.readUIntBE(this.take(3), 3);
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }

  u64(): bigint {
    return this.buffer.readBigUInt64BE(this.take(8));
  }

  /** A view of the next bytes, not a copy. */
  bytes(count: number): Uint8Array {
    const at = this.take(count);
    return this.data.subarray(at, at + count);
  }

  hex(count: number): string {
    const at = this.take(count);
    return this.buffer.toString('hex', at, at + count);
  }

  /** The next bytes as a reader of their own. */
  part(count: number): ByteReader {
    const from = this.take(count);
    return new ByteReader(this.data, this.base, { buffer: this.buffer, from, to: from + count });
  }

  /** The content of a vector with a length field of `lengthBytes`, as a reader of its own. */
  vector(lengthBytes: 1 | 2 | 3 | 4): ByteReader {
    return this.part(this.buffer.readUIntBE(this.take(lengthBytes), lengthBytes));
  }

  /** Everything that is left. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.remaining > 0) this.fail(`${this.remaining} bytes too many`);
  }

  fail(reason: string): never {
    throw new MalformedMessageError(this.offset, reason);
  }

  private take(count: number): number {
    if (count > this.remaining) this.fail(`needs ${count} bytes, ${this.remaining} are left`);
    const at = this.at;
    this.at += count;
    return at;
  }
}
