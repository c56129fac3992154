import { ScriptError } from '../command.ts';
import type { Lab } from '../lab.ts';
import type { Findings } from '../report.ts';

export interface BenchmarkOptions {
  /** Whom to measure, in the order of the tables. */
  readonly who: readonly string[];
  /** Of everything that is measured more than once; the figure is the median. */
  readonly runs: number;
  /** Of one measurement; undefined: as the benchmark has it. */
  readonly seconds: number | undefined;
  /** Parts of a benchmark that has several; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Of one agent, at the end of the benchmark `links`. */
  readonly links: number;
}

/** Measures, and says by `findings` what came out. */
export type Benchmark = (lab: Lab, findings: Findings, options: BenchmarkOptions) => Promise<void>;

/** @throws {ScriptError} when one of `only` is no part of this benchmark. */
export function chosenParts<Part>(parts: Readonly<Record<string, Part>>, only: readonly string[] | undefined): Part[] {
  return (only ?? Object.keys(parts)).map((name) => {
    const part = parts[name];
    if (part === undefined) throw new ScriptError(`--only takes ${Object.keys(parts).join(', ')}, not ${name}`);
    return part;
  });
}
