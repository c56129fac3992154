import type { KeptValue, ValueChange, ValueFile, ValuePlace } from '../../../src/overlay/storage/value-file.ts';

/** The disk of a simulated host. */
export class MemoryValueFile implements ValueFile {
  readonly values = new Map<string, KeptValue>();
  /** Changes that one write takes. */
  room = Infinity;
  isBroken = false;
  writes = 0;

  read(after: ValuePlace | undefined, count: number): readonly KeptValue[] | 'lost' {
    if (this.breaks()) return 'lost';
    const from = after === undefined ? '' : nameOf(after);
    const names = [...this.values.keys()].sort().filter((name) => name > from);
    return names.slice(0, count).flatMap((name) => this.values.get(name) ?? []);
  }

  write(changes: readonly ValueChange[]): number | 'lost' {
    if (this.breaks()) return 'lost';
    const taken = changes.slice(0, this.room);
    if (taken.length > 0) this.writes += 1;
    for (const { place, value } of taken)
      if (value === undefined) this.values.delete(nameOf(place));
      else this.values.set(nameOf(place), value);
    return taken.length;
  }

  clear(): void {
    this.values.clear();
  }

  private breaks(): boolean {
    const { isBroken } = this;
    this.isBroken = false;
    if (isBroken) this.values.clear();
    return isBroken;
  }
}

function nameOf({ resource, kind, key }: ValuePlace): string {
  return `${resource}/${kind}/${key}`;
}

/** A disk for each host that asks. */
export function disks(): { of: (nodeId: string) => MemoryValueFile; all: Map<string, MemoryValueFile> } {
  const all = new Map<string, MemoryValueFile>();
  const of = (nodeId: string): MemoryValueFile => {
    let file = all.get(nodeId);
    if (file === undefined) all.set(nodeId, (file = new MemoryValueFile()));
    return file;
  };
  return { of, all };
}
