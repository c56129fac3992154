import { type Timed, earliest } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { RateLimit } from '../base/rate-limit.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import { equalBytes } from '../base/bytes.ts';
import {
  COMPARE_INTERVAL_MS,
  COMPARE_PATIENCE_MS,
  MAX_COMPARISONS,
  PUSH_PACE,
  PUSHES_BURST,
  PUSHES_PER_SECOND,
  QUESTIONS_BURST,
  QUESTIONS_PER_SECOND,
  SPREADING_OVERHEAD_BYTES,
} from './constants.ts';
import { EMPTY_DIGEST, type Ledger, type LedgerRecord, RECORD_ID_BYTES, type RecordId } from './ledger.ts';
import { type SpreadRecord, type SpreadingMessage, decodeSpreading, encodeSpreading } from './spreading-message.ts';

/** Kind and length in front of a record. */
const RECORD_OVERHEAD_BYTES = 3;

/** A message, and who is to have it yet. */
interface Push {
  readonly body: Uint8Array;
  readonly untold: Hit[];
}

/** What one neighbour may cost: the signatures of each record that it pushes are checked. */
interface Limits {
  readonly questions: RateLimit;
  readonly pushes: RateLimit;
}

export interface SpreadingPorts {
  /** An exp_b request to a linked member; `done` with the body of its answer, or undefined. Never calls back at once. */
  readonly ask: (
    hit: Hit,
    body: Uint8Array,
    now: number,
    done: (answer: Uint8Array | undefined, now: number) => void,
  ) => void;
  /** New records were taken, from a neighbour or our own, and were passed on. */
  readonly taken: (records: readonly LedgerRecord[], now: number) => void;
}

/**
 * Brings the ledgers of all members to the same content. A new record goes to every neighbour, some in each turn of the event
 * loop; at each new link, and from time to time, both ends compare what they hold and fetch what they lack:
 *
 *   linkUp, the lower HIT ──summary──> equal: done, at both ends
 *                             └──> ids ──want──> records ──> want ... ──> nothing more is lacking: done
 *   linkUp, the higher HIT ──> a summary came that has more, or none within two seconds ──> as the lower
 *
 * Nothing is passed on that this node has not proven. It stays usable after every failure.
 */
export class Spreading implements Timed {
  private readonly ledger: Ledger;
  private readonly ports: SpreadingPorts;
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly maxBytes: number;
  private readonly neighbors = new Map<Hit, Limits>();
  private readonly waiting = new Set<Hit>();
  private readonly comparing = new Set<Hit>();
  /** They compare first. */
  private readonly expected = new TimerQueue<Hit>();
  /** Their answer did not come, or said nothing. */
  private readonly failed = new Set<Hit>();
  private readonly self: Hit;
  private nextComparison: number | undefined;
  private pushes: readonly Push[] = [];
  private pushAt: number | undefined;

  constructor(
    components: { ledger: Ledger; ports: SpreadingPorts; random: Random; logger: Logger },
    options: { readonly self: Hit; readonly maxMessageBytes: number },
  ) {
    this.self = options.self;
    this.ledger = components.ledger;
    this.ports = components.ports;
    this.random = components.random;
    this.logger = components.logger;
    this.maxBytes = Math.max(1, options.maxMessageBytes - SPREADING_OVERHEAD_BYTES);
  }

  linkUp(hit: Hit, now: number): void {
    if (!this.neighbors.has(hit)) this.neighbors.set(hit, newLimits());
    this.nextComparison ??= this.comparisonAfter(now);
    if (this.self < hit) this.compareSoon(hit, now);
    else this.expected.set(hit, now + COMPARE_PATIENCE_MS);
  }

  /** Those that could not be compared with. */
  tryAgain(now: number): void {
    for (const hit of this.failed) this.compareSoon(hit, now);
  }

  linkDown(hit: Hit): void {
    this.neighbors.delete(hit);
    this.expected.clear(hit);
    this.failed.delete(hit);
    this.waiting.delete(hit);
    this.comparing.delete(hit);
  }

  /** Takes records that this node made, and tells the neighbours. */
  publish(records: readonly SpreadRecord[], now: number): void {
    this.take(records, undefined, now);
  }

  /**
   * A neighbour's exp_b request.
   * @returns the body of the answer; undefined: malformed, or too much of it.
   */
  receive(from: Hit, body: Uint8Array, now: number): Uint8Array | undefined {
    const limits = this.neighbors.get(from);
    if (limits === undefined) return undefined;
    const message = this.decode(from, body);
    const limit = message?.type === 'records' ? limits.pushes : limits.questions;
    if (!limit.take(now)) return undefined;
    switch (message?.type) {
      case 'summary':
        return encodeSpreading({ type: 'ids', ids: this.compared(from, message.digests, now) });
      case 'want':
        return encodeSpreading({ type: 'records', records: this.recordsOf(message.ids) });
      case 'records':
        this.take(message.records, from, now);
        return encodeSpreading({ type: 'ids', ids: [] });
      default:
        return undefined;
    }
  }

  nextTimeout(): number | undefined {
    return earliest(this.nextComparison, this.expected.next(), this.pushAt);
  }

  handleTimeout(now: number): void {
    if (this.pushAt !== undefined && this.pushAt <= now) this.push(PUSH_PACE.atOnce, now);
    for (let hit = this.expected.due(now); hit !== undefined; hit = this.expected.due(now)) this.compareSoon(hit, now);
    if (this.nextComparison === undefined || this.nextComparison > now) return;
    const hits = [...this.neighbors.keys()];
    const hit = hits[Math.floor(this.random.float() * hits.length)];
    this.nextComparison = hit === undefined ? undefined : this.comparisonAfter(now);
    if (hit !== undefined) this.compareSoon(hit, now);
  }

  private comparisonAfter(now: number): number {
    return now + COMPARE_INTERVAL_MS * (0.75 + this.random.float() / 2);
  }

  private compareSoon(hit: Hit, now: number): void {
    this.expected.clear(hit);
    this.failed.delete(hit);
    this.waiting.add(hit);
    this.compareNext(now);
  }

  /** A neighbour compares. What this node lacks, it asks for in its turn, once at each link: what is refused would differ for ever. */
  private compared(from: Hit, digests: readonly Uint8Array[], now: number): RecordId[] {
    const ids = this.differing(digests);
    const isFirst = this.expected.has(from) || this.failed.has(from);
    this.failed.delete(from);
    if (isFirst && this.mayLack(digests)) this.expected.set(from, now);
    else this.expected.clear(from);
    return ids;
  }

  private compareNext(now: number): void {
    for (const hit of this.waiting) {
      if (this.comparing.size >= MAX_COMPARISONS) return;
      if (this.comparing.has(hit)) continue;
      this.waiting.delete(hit);
      this.comparing.add(hit);
      this.compare(hit, now);
    }
  }

  private compare(hit: Hit, now: number): void {
    this.ask(hit, { type: 'summary', digests: this.ledger.summary() }, now, (answer, at) => {
      if (answer?.type !== 'ids') this.failed.add(hit);
      const ids = answer?.type === 'ids' ? answer.ids : [];
      const lacking = ids.filter((id) => !this.ledger.has(id));
      if (lacking.length === 0) this.finish(hit, at);
      else this.fetch(hit, lacking, ids.length < this.maxIds, at);
    });
  }

  /**
   * Until an answer brings nothing new: what the neighbour holds and we refuse is not asked for for ever.
   * @param all nothing is lacking beside `lacking`
   */
  private fetch(hit: Hit, lacking: readonly RecordId[], all: boolean, now: number): void {
    this.ask(hit, { type: 'want', ids: lacking.slice(0, this.maxIds) }, now, (answer, at) => {
      const taken = answer?.type === 'records' ? this.take(answer.records, hit, at) : 0;
      const left = lacking.filter((id) => !this.ledger.has(id));
      if (taken === 0 || (all && left.length === 0)) this.finish(hit, at);
      else if (left.length > 0) this.fetch(hit, left, all, at);
      // Its answer had no room for more of what differs.
      else this.compare(hit, at);
    });
  }

  private finish(hit: Hit, now: number): void {
    this.comparing.delete(hit);
    this.compareNext(now);
  }

  /** @returns how many were new. */
  private take(records: readonly SpreadRecord[], from: Hit | undefined, now: number): number {
    const taken: LedgerRecord[] = [];
    for (const { kind, bytes } of records) {
      const record = this.ledger.admit(kind, bytes);
      if (record !== undefined) taken.push(record);
    }
    if (taken.length === 0) return 0;
    // Neighbours first: what is taken may close links, and those at the other end are to know why.
    const concerned = new Set(taken.map(({ hit }) => hit));
    const told = [...this.neighbors.keys()].filter((hit) => hit !== from);
    const inOrder = [...told.filter((hit) => concerned.has(hit)), ...told.filter((hit) => !concerned.has(hit))];
    for (const records of this.parts(taken))
      this.pushes = [...this.pushes, { body: encodeSpreading({ type: 'records', records }), untold: [...inOrder] }];
    // Where it ends the links of this host there is no other turn.
    if (taken.some(({ kind, hit }) => kind === 'revocation' && hit === this.self)) this.push(Infinity, now);
    else if (this.pushAt === undefined) this.push(PUSH_PACE.atOnce, now);
    this.ports.taken(taken, now);
    return taken.length;
  }

  private push(most: number, now: number): void {
    let left = most;
    for (const { body, untold } of this.pushes) {
      const due = untold.splice(0, left).filter((hit) => this.neighbors.has(hit));
      left -= due.length;
      for (const hit of due) this.ports.ask(hit, body, now, () => {});
      if (left <= 0) break;
    }
    this.pushes = this.pushes.filter(({ untold }) => untold.length > 0);
    this.pushAt = this.pushes.length === 0 ? undefined : now + PUSH_PACE.everyMs;
  }

  private ask(
    hit: Hit,
    message: SpreadingMessage,
    now: number,
    done: (answer: SpreadingMessage | undefined, now: number) => void,
  ): void {
    this.ports.ask(hit, encodeSpreading(message), now, (body, at) => {
      // The link has ended meanwhile; at a new one everything begins anew.
      if (!this.comparing.has(hit)) return;
      done(body === undefined ? undefined : this.decode(hit, body), at);
    });
  }

  private decode(from: Hit, body: Uint8Array): SpreadingMessage | undefined {
    try {
      return decodeSpreading(body);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.logger.debug('records not understood', { nodeId: from, err: error.message });
      return undefined;
    }
  }

  /** Whoever has this summary may hold something that this node does not. */
  private mayLack(digests: readonly Uint8Array[]): boolean {
    return this.ledger.summary().some((digest, bucket) => {
      const theirs = digests[bucket] ?? EMPTY_DIGEST;
      return !equalBytes(theirs, EMPTY_DIGEST) && !equalBytes(theirs, digest);
    });
  }

  private differing(digests: readonly Uint8Array[]): RecordId[] {
    const ids: RecordId[] = [];
    this.ledger.summary().forEach((digest, bucket) => {
      if (!equalBytes(digest, digests[bucket] ?? EMPTY_DIGEST)) ids.push(...this.ledger.idsOf(bucket));
    });
    // What does not fit is found the next time, when less differs.
    return ids.slice(0, this.maxIds);
  }

  private recordsOf(ids: readonly RecordId[]): readonly SpreadRecord[] {
    const records = ids.slice(0, this.maxIds).flatMap((id) => this.ledger.get(id) ?? []);
    return this.parts(records)[0] ?? [];
  }

  /** Each part fits a message. */
  private parts(records: readonly LedgerRecord[]): SpreadRecord[][] {
    const parts: SpreadRecord[][] = [];
    let size = Infinity;
    for (const { kind, bytes } of records) {
      size += bytes.length + RECORD_OVERHEAD_BYTES;
      if (size > this.maxBytes) {
        parts.push([]);
        size = bytes.length + RECORD_OVERHEAD_BYTES;
      }
      parts.at(-1)?.push({ kind, bytes });
    }
    return parts;
  }

  private get maxIds(): number {
    return Math.floor(this.maxBytes / RECORD_ID_BYTES);
  }
}

function newLimits(): Limits {
  return {
    questions: new RateLimit(QUESTIONS_PER_SECOND, QUESTIONS_BURST),
    pushes: new RateLimit(PUSHES_PER_SECOND, PUSHES_BURST),
  };
}
