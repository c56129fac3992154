/** Virtual time: callbacks in the order of their times, equal times in the order they were asked for. */
export class EventLoop {
  private time = 0;
  private order = 0;
  private heap: { at: number; order: number; run: () => void }[] = [];

  /** Milliseconds since the simulation started. */
  get now(): number {
    return this.time;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.time + Math.max(0, delayMs), run);
  }

  at(time: number, run: () => void): void {
    const entry = { at: Math.max(time, this.time), order: this.order++, run };
    this.heap.push(entry);
    for (let i = this.heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!this.before(i, parent)) break;
      this.swap(i, parent);
      i = parent;
    }
  }

  /** Runs everything up to `ms` from now; time then stands there. */
  run(ms: number): void {
    const end = this.time + ms;
    for (let top = this.heap[0]; top !== undefined && top.at <= end; top = this.heap[0]) this.step();
    this.time = end;
  }

  /**
   * Runs until `done` holds after some callback.
   * @returns whether it did within `limitMs`.
   */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const end = this.time + limitMs;
    while (!done()) {
      const top = this.heap[0];
      if (top === undefined || top.at > end) {
        this.time = end;
        return false;
      }
      this.step();
    }
    return true;
  }

  private step(): void {
    const top = this.heap[0];
    const last = this.heap.pop();
    if (top === undefined || last === undefined) return;
    if (top !== last) {
      this.heap[0] = last;
      for (let i = 0; ;) {
        let least = i;
        for (const child of [2 * i + 1, 2 * i + 2])
          if (child < this.heap.length && this.before(child, least)) least = child;
        if (least === i) break;
        this.swap(i, least);
        i = least;
      }
    }
    this.time = top.at;
    top.run();
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
}
