import type { NodeId, ResourceId } from '../../base/node-id.ts';
import type { ResourceStore } from './resource-store.ts';

/** Refusals in a row that end it: what is missing is offered again when the newcomer is in the ring. */
const MAX_REFUSALS = 8;

/** The copies that a newcomer gets before it enters the ring (RFC 6940 s10.5, step 6): a walk over (from, to]. */
export class HandOver {
  readonly from: NodeId;
  done: (now: number) => void;
  private readonly store: ResourceStore;
  private readonly to: NodeId;
  private cursor: ResourceId | undefined;
  /** The walk has passed, or does not pass, the end of the ids. */
  private wrapped: boolean;
  private ended = false;
  private refusals = 0;
  private open = 0;

  constructor(store: ResourceStore, from: NodeId, to: NodeId, done: (now: number) => void) {
    this.store = store;
    this.from = from;
    this.to = to;
    this.done = done;
    this.cursor = from;
    this.wrapped = from < to;
  }

  /** Nothing more is to be sent. */
  get isOver(): boolean {
    return this.ended;
  }

  get isAnswered(): boolean {
    return this.ended && this.open === 0;
  }

  /** The next resource of the range. */
  next(): ResourceId | undefined {
    if (this.ended) return undefined;
    let [id] = this.store.idsAfter(this.cursor, 1);
    if (id === undefined && !this.wrapped) {
      this.wrapped = true;
      [id] = this.store.idsAfter(undefined, 1);
    }
    if (id === undefined || (this.wrapped && id > this.to)) {
      this.ended = true;
      return undefined;
    }
    this.cursor = id;
    return id;
  }

  sent(): void {
    this.open += 1;
  }

  held(): void {
    this.open -= 1;
    this.refusals = 0;
  }

  refused(): void {
    this.open -= 1;
    this.refusals += 1;
    if (this.refusals >= MAX_REFUSALS) this.ended = true;
  }

  /** A newcomer that does not answer gets nothing more. */
  silent(): void {
    this.open -= 1;
    this.ended = true;
  }
}
