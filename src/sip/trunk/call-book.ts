import type { Timed } from '../../base/clock.ts';

// Implementation constants.

/** Of lines that are made in one turn of the event loop: each takes some tens of microseconds. */
const PER_TURN = 32;
/** What comes together is looked at together: a call is answered, and acknowledged. */
const SETTLE_MS = 50;

export interface CallBookPorts<K> {
  /** What is kept of it now, a line; undefined: nothing. */
  lineOf(call: K): string | undefined;
  /** The book is another one. */
  changed(): void;
}

/**
 * What is kept of the calls, a line of each. A line is made when something was said in its call, and it is another book only when
 * the line is another one.
 */
export class CallBook<K> implements Timed {
  private readonly ports: CallBookPorts<K>;
  private readonly lines = new Map<K, string>();
  /** Something was said in them since their line was made. */
  private readonly touched = new Set<K>();
  private settlesAt: number | undefined;

  constructor(components: { readonly ports: CallBookPorts<K> }) {
    this.ports = components.ports;
  }

  touch(call: K, now: number): void {
    this.touched.add(call);
    this.settlesAt ??= now + SETTLE_MS;
  }

  forget(call: K): void {
    this.touched.delete(call);
    if (this.lines.delete(call)) this.ports.changed();
  }

  /** A few lines each, which may be taken in turns of the event loop far apart: what is another one then is there as it is then. */
  *pieces(): Generator<string> {
    let piece = '';
    let count = 0;
    for (const call of new Set([...this.lines.keys(), ...this.touched])) {
      this.settle(call);
      const line = this.lines.get(call);
      if (line === undefined) continue;
      piece += line;
      count += 1;
      if (count % PER_TURN !== 0) continue;
      yield piece;
      piece = '';
    }
    if (piece !== '') yield piece;
  }

  nextTimeout(): number | undefined {
    return this.settlesAt;
  }

  /** Takes so much as fits into a turn of the event loop: what is left is due at once. */
  handleTimeout(now: number): void {
    if (this.settlesAt === undefined || now < this.settlesAt) return;
    let left = PER_TURN;
    let isAnother = false;
    for (const call of this.touched) {
      if ((left -= 1) < 0) break;
      isAnother = this.settle(call) || isAnother;
    }
    this.settlesAt = this.touched.size === 0 ? undefined : now;
    if (isAnother) this.ports.changed();
  }

  /** @returns whether its line is another one. */
  private settle(call: K): boolean {
    if (!this.touched.delete(call)) return false;
    const line = this.ports.lineOf(call);
    const isAnother = line !== this.lines.get(call);
    if (line === undefined) this.lines.delete(call);
    else this.lines.set(call, line);
    return isAnother;
  }
}
