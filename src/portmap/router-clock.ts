/**
 * The router's count of seconds since it lost its mappings last (RFC 6887 s8.5, RFC 6886 s3.6). Its clock may run a sixteenth
 * faster or slower than ours, and a second goes lost in rounding.
 */
export class RouterClock {
  private last: { readonly epochS: number; readonly at: number } | undefined;

  /** @returns whether the router has lost its state since the last time. The first time tells nothing. */
  lostState(epochS: number, now: number): boolean {
    const { last } = this;
    this.last = { epochS, at: now };
    if (last === undefined) return false;
    const ours = (now - last.at) / 1_000;
    const theirs = epochS - last.epochS;
    return theirs < -1 || ours + 2 < theirs * (15 / 16) || theirs + 2 < ours * (15 / 16);
  }

  forget(): void {
    this.last = undefined;
  }
}
