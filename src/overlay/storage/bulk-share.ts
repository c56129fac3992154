import type { NodeId } from '../../base/node-id.ts';

// Implementation constants.

/** Of what a node stores for others: what is bulky can fill no more of it, and so never pushes out what holds up the overlay. */
const SHARE_OF_STORE = 0.5;

/** Of one writer at one node: six recordings of the longest, and his files. In an overlay of three every peer has all of his. */
const MAX_BYTES_PER_WRITER = 2 * 1024 * 1024;

/** The same where a node has little room: eight of that many have to come together to fill it. */
const SHARE_PER_WRITER = 1 / 8;

/** A recording of the longest has 130 parts, and files have 64 twice. */
const MAX_VALUES_PER_WRITER = 1_024;

interface Amount {
  readonly values: number;
  readonly bytes: number;
}

const NOTHING: Amount = { values: 0, bytes: 0 };

/**
 * What is bulky (voice mail, files of phones) may take so much at this node, in all and of each writer, counted apart from everything else:
 * who has left all the mail that he may renews his name as ever.
 */
export class BulkShare {
  private readonly writers = new Map<NodeId, Amount>();
  private readonly maxBytes: number;
  private readonly maxBytesPerWriter: number;
  private used = 0;

  /** @param maxStoredBytes of the whole store */
  constructor(maxStoredBytes: number) {
    this.maxBytes = Math.floor(maxStoredBytes * SHARE_OF_STORE);
    this.maxBytesPerWriter = Math.min(MAX_BYTES_PER_WRITER, Math.floor(this.maxBytes * SHARE_PER_WRITER));
  }

  get bytes(): number {
    return this.used;
  }

  of(writer: NodeId): Amount {
    return this.writers.get(writer) ?? NOTHING;
  }

  /**
   * Whether there is room for what a request brings.
   * @param more of this writer
   * @param moreBytes of all writers
   */
  refusal(writer: NodeId, more: Amount, moreBytes: number): 'quota' | 'full' | undefined {
    const { values, bytes } = this.of(writer);
    if (more.values > 0 && values + more.values > MAX_VALUES_PER_WRITER) return 'quota';
    if (more.bytes > 0 && bytes + more.bytes > this.maxBytesPerWriter) return 'quota';
    return moreBytes > 0 && this.used + moreBytes > this.maxBytes ? 'full' : undefined;
  }

  add(writer: NodeId, bytes: number): void {
    const before = this.of(writer);
    this.writers.set(writer, { values: before.values + 1, bytes: before.bytes + bytes });
    this.used += bytes;
  }

  remove(writer: NodeId, bytes: number): void {
    const before = this.of(writer);
    if (before.values <= 1) this.writers.delete(writer);
    else this.writers.set(writer, { values: before.values - 1, bytes: before.bytes - bytes });
    this.used -= bytes;
  }

  clear(): void {
    this.writers.clear();
    this.used = 0;
  }
}
