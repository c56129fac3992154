import type { Findings } from './report.ts';

/** A bound of one figure on another of the same run. */
export interface RatioBound {
  /** Of the figure, and of what is missed. */
  readonly name: string;
  /** undefined: it was not measured, which misses the bound. */
  readonly value: number | undefined;
  readonly reference: number | undefined;
  /** Whose figure the reference is. */
  readonly referenceName: string;
  readonly atLeast: number;
}

/** Notes the ratio; missed as well when either side of it was not measured. */
export function expectRatio(findings: Findings, { name, value, reference, referenceName, atLeast }: RatioBound): void {
  if (value === undefined || reference === undefined || !(reference > 0)) {
    const missing = value === undefined ? name : referenceName;
    findings.expect(name, false, `at least ${atLeast} x ${referenceName}, but ${missing} was not measured`);
    return;
  }
  const ratio = value / reference;
  findings.note(`${name} is ${ratio.toFixed(2)} x ${referenceName}, at least ${atLeast} wanted`);
  findings.expect(name, ratio >= atLeast, `at least ${atLeast} x ${referenceName}`);
}

/** By how much runs of the same measurement differ, in percent of the median. */
export function spreadPercent(values: readonly number[], middle: number): number {
  return (100 * (Math.max(...values) - Math.min(...values))) / middle;
}
