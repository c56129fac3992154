/** Hexadecimal digits of half a transaction ID. */
const HALF = 12;

/**
 * The latest transactions of the peer, the oldest first. Every link keeps such lists: each ID takes eight bytes, in an array without
 * room for more. Only authentic ones are noted, so that no one but the peer could choose IDs that have one number.
 */
export class RecentTransactions {
  private readonly most: number;
  private ids: readonly number[] = [];

  constructor(most: number) {
    this.most = most;
  }

  /** Its place, from 0 for the oldest; -1: it is not among them. */
  indexOf(id: string): number {
    return this.ids.indexOf(keyOf(id));
  }

  /** @param id not among them yet. @returns whether the oldest one has left for it. */
  add(id: string): boolean {
    const isFull = this.ids.length >= this.most;
    this.ids = (isFull ? this.ids.slice(1) : this.ids).concat(keyOf(id));
    return isFull;
  }
}

/** The sum of both halves, which a double holds exactly: others that count up theirs change one half alone. */
function keyOf(id: string): number {
  return parseInt(id.slice(0, HALF), 16) + parseInt(id.slice(HALF), 16);
}
