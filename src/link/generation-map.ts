/** Keys with values that are forgotten after one to two generations: bounded by what comes in during that time. */
export class GenerationMap<K, V> {
  private readonly generationMs: number;
  private young = new Map<K, V>();
  private old = new Map<K, V>();
  private turnedAt = 0;

  constructor(generationMs: number) {
    this.generationMs = generationMs;
  }

  set(key: K, value: V, now: number): void {
    if (now - this.turnedAt >= this.generationMs) {
      this.old = this.young;
      this.young = new Map();
      this.turnedAt = now;
    }
    this.young.set(key, value);
  }

  get(key: K): V | undefined {
    return this.young.get(key) ?? this.old.get(key);
  }

  delete(key: K): void {
    this.young.delete(key);
    this.old.delete(key);
  }
}
