import type { NodeId } from '../../base/node-id.ts';

interface Holder {
  readonly nodeId: NodeId;
  revision: number;
}

/** A resource has a handful of holders; more are those of rings long past. */
const MAX_HOLDERS = 16;
const NOBODY: readonly Holder[] = [];

/** Who has said that it has which revision of a resource. A list: a Map of the two or three takes thrice as much. */
export class Holders {
  private list = NOBODY;

  /** Undefined: it has said nothing. */
  revisionOf(nodeId: NodeId): number | undefined {
    return this.find(nodeId)?.revision;
  }

  set(nodeId: NodeId, revision: number): void {
    const known = this.find(nodeId);
    if (known !== undefined) known.revision = revision;
    else this.list = (this.list.length < MAX_HOLDERS ? this.list : NOBODY).concat({ nodeId, revision });
  }

  delete(nodeId: NodeId): void {
    if (this.find(nodeId) !== undefined) this.list = this.list.filter((holder) => holder.nodeId !== nodeId);
  }

  private find(nodeId: NodeId): Holder | undefined {
    return this.list.find((holder) => holder.nodeId === nodeId);
  }
}
