/** Users at a time: of more all get other numbers, and what two hosts of one share is counted anew. */
const MAX_USERS = 4_096;

/** Users as the data plane tells them apart: numbers above 0, the same for all hosts of one. */
export class UserNumbers {
  private readonly numbers = new Map<string, number>();
  private last = 0;

  /** @param user null: nobody's host, 0. */
  of(user: string | null): number {
    if (user === null) return 0;
    const known = this.numbers.get(user);
    if (known !== undefined) return known;
    if (this.numbers.size >= MAX_USERS) this.numbers.clear();
    this.last = (this.last % 0xffff_ffff) + 1;
    this.numbers.set(user, this.last);
    return this.last;
  }
}
