interface Deadline<K> {
  readonly at: number;
  readonly order: number;
  readonly key: K;
}

/** Named deadlines of one state machine: a binary heap with lazy deletion. O(log n) to set, O(1) to look at. */
export class TimerQueue<K> {
  private readonly deadlines = new Map<K, Deadline<K>>();
  private heap: Deadline<K>[] = [];
  private order = 0;

  get size(): number {
    return this.deadlines.size;
  }

  /** What it keeps: deadlines that were moved or cleared may be among them, but are never the most of many. */
  get entries(): number {
    return this.heap.length;
  }

  /** Sets or moves the deadline of `key`. */
  set(key: K, at: number): void {
    if (this.deadlines.get(key)?.at === at) return;
    const deadline = { at, order: this.order++, key };
    this.deadlines.set(key, deadline);
    this.heap.push(deadline);
    this.up(this.heap.length - 1);
    // Moved deadlines leave their old entries behind: rebuild before they are the most of the heap.
    if (this.heap.length > 64 && this.heap.length > this.deadlines.size * 4) this.rebuild();
  }

  clear(key: K): void {
    this.deadlines.delete(key);
  }

  has(key: K): boolean {
    return this.deadlines.has(key);
  }

  next(): number | undefined {
    this.skipStale();
    return this.heap[0]?.at;
  }

  /** Takes out the earliest key whose deadline is not after `now`. Call until undefined. */
  due(now: number): K | undefined {
    this.skipStale();
    const top = this.heap[0];
    if (top === undefined || top.at > now) return undefined;
    this.pop();
    this.deadlines.delete(top.key);
    return top.key;
  }

  private skipStale(): void {
    for (let top = this.heap[0]; top !== undefined && this.deadlines.get(top.key) !== top; top = this.heap[0])
      this.pop();
  }

  private rebuild(): void {
    const kept = this.heap.filter((entry) => this.deadlines.get(entry.key) === entry);
    this.heap = [];
    for (const entry of kept) {
      this.heap.push(entry);
      this.up(this.heap.length - 1);
    }
  }

  private before(i: number, j: number): boolean {
    const a = this.heap[i];
    const b = this.heap[j];
    if (a === undefined || b === undefined) return false;
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  private swap(i: number, j: number): void {
    const a = this.heap[i];
    const b = this.heap[j];
    if (a === undefined || b === undefined) return;
    this.heap[i] = b;
    this.heap[j] = a;
  }

  private up(index: number): void {
    for (let i = index; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!this.before(i, parent)) return;
      this.swap(i, parent);
      i = parent;
    }
  }

  private pop(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    for (let i = 0; ;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < this.heap.length && this.before(child, least)) least = child;
      if (least === i) return;
      this.swap(i, least);
      i = least;
    }
  }
}
