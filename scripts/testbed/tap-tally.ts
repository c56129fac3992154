/** Counts what a TAP stream reports (testanything.org, version 13) and picks out what a person has to see of it. */
export class TapTally {
  passed = 0;
  failed = 0;
  skipped = 0;
  /** Inside the indented block that explains a failure. */
  private explaining = false;

  /** Takes one line; @returns what to print, if anything. */
  line(text: string): string | undefined {
    const result = /^(not )?ok \d+(?: - (.*?))?(?:\s+# (SKIP|TODO)\b.*)?$/i.exec(text);
    if (result !== null) {
      const [, failed, title = '', directive] = result;
      this.explaining = failed !== undefined && directive === undefined;
      if (directive !== undefined) this.skipped += 1;
      else if (failed === undefined) this.passed += 1;
      else this.failed += 1;
      if (directive !== undefined) return `skipped ${title}`;
      return this.explaining ? `FAILED  ${title}` : undefined;
    }
    if (/^Bail out!/.test(text)) {
      this.failed += 1;
      return text;
    }
    if (/^(TAP version|1\.\.\d+|# (tests|pass|fail|skip)\b)/.test(text)) return undefined;
    // Comments are what the test before has logged: its seed helps where it failed; what was left out is always said.
    return this.explaining || (text.startsWith('#') && /skipped/i.test(text)) ? text : undefined;
  }
}
