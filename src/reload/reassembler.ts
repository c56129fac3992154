import { concatBytes } from '../base/bytes.ts';
import type { Timed } from '../base/clock.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import {
  REASSEMBLY_FRAGMENT_COST_BYTES,
  REASSEMBLY_MAX_FRAGMENTS,
  REASSEMBLY_MAX_MESSAGE_BYTES,
  REASSEMBLY_MAX_TOTAL_BYTES,
  REASSEMBLY_MESSAGE_COST_BYTES,
  REASSEMBLY_SOURCE_SHARE,
  REASSEMBLY_TIMEOUT_MS,
  WHOLE_MESSAGE_FRAGMENT,
} from './constants.ts';
import {
  decodeForwardingHeader,
  fragmentOffset,
  isLastFragment,
  isWholeMessage,
  rewriteHeader,
} from './forwarding-header.ts';

/** No message is begun beyond this part of the room. */
const OPENED_SHARE = 0.75;

export interface ReassemblerOptions {
  /** What all incomplete messages together may count: their bytes, and something for each message and fragment. */
  readonly maxTotalBytes?: number;
  /** Bytes of one message. */
  readonly maxMessageBytes?: number;
  readonly timeoutMs?: number;
}

/** What became of fragments that never made a message. */
export interface ReassemblerCounters {
  readonly timedOutMessages: number;
  readonly droppedFragments: number;
}

interface Piece {
  readonly offset: number;
  readonly body: Uint8Array;
}

interface Partial {
  readonly source: string;
  /** Sorted by offset; no two have the same one. */
  readonly pieces: Piece[];
  /** Forwarding header of the first fragment, once it is here. */
  head: Uint8Array | undefined;
  /** Bytes of the whole body, once the last fragment is here. */
  total: number | undefined;
  /** What it counts against the bounds. */
  cost: number;
}

/**
 * Puts fragmented messages together at their destination (RFC 6940 s6.7). Fragments of one message are told by their
 * transaction ID and may overlap, since a retransmission can have been fragmented otherwise; the signature decides
 * whether what comes out is what was sent. No failure ends this machine: what does not fit is dropped and counted.
 *
 * Where a neighbour has filled its share, its oldest incomplete message gives way: the missing fragment was lost, more likely than not, and
 * what comes now would wait for nothing.
 */
export class Reassembler implements Timed {
  private readonly maxTotalBytes: number;
  private readonly maxMessageBytes: number;
  private readonly timeoutMs: number;
  private readonly partials = new Map<string, Partial>();
  private readonly timers = new TimerQueue<string>();
  private readonly costOfSource = new Map<string, number>();
  private totalCost = 0;
  private timedOutMessages = 0;
  private droppedFragments = 0;

  constructor(options: ReassemblerOptions = {}) {
    this.maxTotalBytes = options.maxTotalBytes ?? REASSEMBLY_MAX_TOTAL_BYTES;
    this.maxMessageBytes = options.maxMessageBytes ?? REASSEMBLY_MAX_MESSAGE_BYTES;
    this.timeoutMs = options.timeoutMs ?? REASSEMBLY_TIMEOUT_MS;
  }

  get counters(): ReassemblerCounters {
    return { timedOutMessages: this.timedOutMessages, droppedFragments: this.droppedFragments };
  }

  /** What is held now, counted as for `maxTotalBytes`. */
  get cost(): number {
    return this.totalCost;
  }

  /**
   * @param source who handed it over (the Node-ID of the link): none of them can use up the room of the others.
   * @returns the whole message: the input itself if it is no fragment, else once every fragment is here.
   * @throws {MalformedMessageError} when the forwarding header is malformed.
   */
  receive(bytes: Uint8Array, source: string, now: number): Uint8Array | undefined {
    const header = decodeForwardingHeader(bytes);
    if (isWholeMessage(header)) return bytes;
    const offset = fragmentOffset(header);
    const length = bytes.length - header.headerLength;
    const end = offset + length;
    const key = `${header.overlay}:${header.transactionId.toString()}`;
    const partial = this.partials.get(key) ?? this.open(key, source, now);
    const at = partial === undefined ? -1 : placeOf(partial.pieces, offset);
    if (
      partial === undefined ||
      !this.admits(partial, at, offset, end, isLastFragment(header)) ||
      !this.makeRoom(partial.source, costOf(bytes.length), partial)
    ) {
      this.droppedFragments++;
      if (partial?.pieces.length === 0) this.close(key, partial);
      return undefined;
    }
    // A copy of its own: the input may be a view of a buffer that is used again.
    const copy = new Uint8Array(bytes);
    const piece = { offset, body: copy.subarray(header.headerLength) };
    const replaced = partial.pieces[at]?.offset === offset ? partial.pieces[at] : undefined;
    partial.pieces.splice(at, replaced === undefined ? 0 : 1, piece);
    if (replaced !== undefined) this.charge(partial, -costOf(replaced.body.byteOffset + replaced.body.length));
    this.charge(partial, costOf(bytes.length));
    if (offset === 0) partial.head = copy.subarray(0, header.headerLength);
    if (isLastFragment(header)) partial.total = end;
    const whole = assemble(partial);
    if (whole !== undefined) this.close(key, partial);
    return whole;
  }

  nextTimeout(): number | undefined {
    return this.timers.next();
  }

  handleTimeout(now: number): void {
    for (let key = this.timers.due(now); key !== undefined; key = this.timers.due(now)) {
      const partial = this.partials.get(key);
      if (partial === undefined) continue;
      this.timedOutMessages++;
      this.close(key, partial);
    }
  }

  private open(key: string, source: string, now: number): Partial | undefined {
    // The rest of the room is for what is on its way to become whole.
    if (this.totalCost > this.maxTotalBytes * OPENED_SHARE) return undefined;
    if (!this.makeRoom(source, REASSEMBLY_MESSAGE_COST_BYTES, undefined)) return undefined;
    const partial: Partial = { source, pieces: [], head: undefined, total: undefined, cost: 0 };
    this.partials.set(key, partial);
    this.timers.set(key, now + this.timeoutMs);
    this.charge(partial, REASSEMBLY_MESSAGE_COST_BYTES);
    return partial;
  }

  private close(key: string, partial: Partial): void {
    this.partials.delete(key);
    this.timers.clear(key);
    this.charge(partial, -partial.cost);
  }

  private charge(partial: Partial, amount: number): void {
    partial.cost += amount;
    this.totalCost += amount;
    const cost = (this.costOfSource.get(partial.source) ?? 0) + amount;
    if (cost > 0) this.costOfSource.set(partial.source, cost);
    else this.costOfSource.delete(partial.source);
  }

  private admits({ pieces, total }: Partial, at: number, offset: number, end: number, last: boolean): boolean {
    if (end === offset || end > this.maxMessageBytes || pieces.length >= REASSEMBLY_MAX_FRAGMENTS) return false;
    if (total !== undefined && (last ? end !== total : end > total)) return false;
    const previous = pieces[at];
    if (previous?.offset === offset && previous.body.length >= end - offset) return false;
    const final = pieces.at(-1);
    return !(last && final !== undefined && final.offset + final.body.length > end);
  }

  /**
   * Of the source's own share alone: where many neighbours speak at once, each new message would take the room of one that is about to
   * be whole, and none would ever be.
   * @param spared the message that the room is for
   * @returns whether there is room
   */
  private makeRoom(source: string, cost: number, spared: Partial | undefined): boolean {
    const share = this.maxTotalBytes * REASSEMBLY_SOURCE_SHARE;
    while ((this.costOfSource.get(source) ?? 0) + cost > share) if (!this.dropOldest(source, spared)) return false;
    return this.totalCost + cost <= this.maxTotalBytes;
  }

  /** @returns whether there was one */
  private dropOldest(source: string, spared: Partial | undefined): boolean {
    for (const [key, partial] of this.partials) {
      if (partial.source !== source || partial === spared) continue;
      this.droppedFragments += partial.pieces.length;
      this.close(key, partial);
      return true;
    }
    return false;
  }
}

function costOf(bytes: number): number {
  return bytes + REASSEMBLY_FRAGMENT_COST_BYTES;
}

/** Index of the first piece that does not start before `offset`. */
function placeOf(pieces: readonly Piece[], offset: number): number {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pieces[middle]?.offset ?? 0) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function assemble({ head, total, pieces }: Partial): Uint8Array | undefined {
  if (head === undefined || total === undefined) return undefined;
  let reached = 0;
  const parts: Uint8Array[] = [];
  for (const { offset, body } of pieces) {
    if (offset > reached) return undefined;
    if (offset + body.length <= reached) continue;
    parts.push(body.subarray(reached - offset));
    reached = offset + body.length;
  }
  if (reached !== total) return undefined;
  return rewriteHeader(concatBytes(head, ...parts), { fragment: WHOLE_MESSAGE_FRAGMENT });
}
