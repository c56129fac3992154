/** Ids in ring order, which for fixed-width hexadecimal is text order. A sorted array: a peer stores some ten thousand. */
export class SortedIds {
  private readonly ids: string[] = [];

  get size(): number {
    return this.ids.length;
  }

  add(id: string): void {
    const at = this.lowerBound(id);
    if (this.ids[at] !== id) this.ids.splice(at, 0, id);
  }

  delete(id: string): void {
    const at = this.lowerBound(id);
    if (this.ids[at] === id) this.ids.splice(at, 1);
  }

  /** Up to `count` ids after `id`, or from the first on; not around the ring. */
  after(id: string | undefined, count: number): string[] {
    if (id === undefined) return this.ids.slice(0, count);
    const at = this.lowerBound(id);
    const start = this.ids[at] === id ? at + 1 : at;
    return this.ids.slice(start, start + count);
  }

  /** The first id clockwise from `id`, `id` included; around the ring. */
  clockwise(id: string): string | undefined {
    return this.ids[this.lowerBound(id)] ?? this.ids[0];
  }

  /** The first id counter-clockwise from `id`, without `id`; around the ring. */
  counterClockwise(id: string): string | undefined {
    return this.ids[this.lowerBound(id) - 1] ?? this.ids.at(-1);
  }

  private lowerBound(id: string): number {
    let low = 0;
    let high = this.ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ids[middle] ?? '') < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
