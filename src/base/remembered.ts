/** What was worked out last, bounded: strangers choose the keys. */
export class Remembered<V> {
  private readonly values = new Map<string, V>();
  private readonly limit: number;
  private readonly make: (key: string) => V;

  constructor(limit: number, make: (key: string) => V) {
    this.limit = limit;
    this.make = make;
  }

  get(key: string): V {
    let value = this.values.get(key);
    if (value !== undefined) return value;
    value = this.make(key);
    for (const oldest of this.values.keys()) {
      if (this.values.size < this.limit) break;
      this.values.delete(oldest);
    }
    this.values.set(key, value);
    return value;
  }
}
