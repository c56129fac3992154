import type { NodeId } from '../../base/node-id.ts';

interface Holder {
  readonly nodeId: NodeId;
  /** Of ForgottenHolders, when it said so last. */
  since: number;
  revision: number;
}

/** A resource has a handful of holders; more are those of rings long past. */
const MAX_HOLDERS = 16;
/** Nodes; of more the one that was forgotten longest ago makes all forget what was said before. */
const MAX_FORGOTTEN = 1_024;
const NOBODY: readonly Holder[] = [];

/**
 * Whose words count no more, for all resources of a store at once: to go through 10,000 of them whenever a link comes up would
 * take several milliseconds.
 */
export class ForgottenHolders {
  private readonly forgottenAt = new Map<NodeId, number>();
  private count = 0;
  /** Nothing that was said before counts. */
  private floor = 0;

  /** Grows with each that is forgotten. */
  get now(): number {
    return this.count;
  }

  get size(): number {
    return this.forgottenAt.size;
  }

  forget(nodeId: NodeId): void {
    this.count += 1;
    this.forgottenAt.delete(nodeId);
    this.forgottenAt.set(nodeId, this.count);
    if (this.forgottenAt.size <= MAX_FORGOTTEN) return;
    const [oldest] = this.forgottenAt;
    if (oldest === undefined) return;
    this.forgottenAt.delete(oldest[0]);
    this.floor = oldest[1];
  }

  counts(nodeId: NodeId, since: number): boolean {
    return since >= this.floor && since >= (this.forgottenAt.get(nodeId) ?? 0);
  }
}

/** Who has said that it has which revision of a resource. A list: a Map of the two or three takes thrice as much. */
export class Holders {
  private readonly forgotten: ForgottenHolders;
  private list = NOBODY;

  constructor(forgotten: ForgottenHolders) {
    this.forgotten = forgotten;
  }

  /** Undefined: it has said nothing. */
  revisionOf(nodeId: NodeId): number | undefined {
    const known = this.find(nodeId);
    return known !== undefined && this.forgotten.counts(nodeId, known.since) ? known.revision : undefined;
  }

  set(nodeId: NodeId, revision: number): void {
    const known = this.find(nodeId);
    const since = this.forgotten.now;
    if (known !== undefined) {
      known.revision = revision;
      known.since = since;
      return;
    }
    const others = this.list.filter((holder) => this.forgotten.counts(holder.nodeId, holder.since));
    this.list = (others.length < MAX_HOLDERS ? others : NOBODY).concat({ nodeId, since, revision });
  }

  /** It is looked for at each resource of a pass, so nothing is made for it. */
  private find(nodeId: NodeId): Holder | undefined {
    for (const holder of this.list) if (holder.nodeId === nodeId) return holder;
    return undefined;
  }
}
