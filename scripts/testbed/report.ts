import { cpus, release, totalmem } from 'node:os';

/** What every command that measures prints with `--json` (docs: the command line is a contract). */
export interface Report {
  readonly command: string;
  readonly machine: string;
  readonly figures: Readonly<Record<string, number>>;
  /** Names of figures, or of parts, that missed their bound. */
  readonly missed: readonly string[];
  readonly notes: readonly string[];
}

export function machine(): string {
  const [first] = cpus();
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} x ${first?.model.trim() ?? 'unknown CPU'}, ${memoryGib} GiB, Linux ${release()}, Node ${process.version}`;
}

/** Collects figures and what missed its bound while a command runs. */
export class Findings {
  private readonly figures: Record<string, number> = {};
  private readonly missed: string[] = [];
  private readonly notes: string[] = [];

  figure(name: string, value: number, digits = 3): void {
    this.figures[name] = Number(value.toFixed(digits));
  }

  /** Marks `name` as missed unless `holds`; `bound` says in words what was expected. */
  expect(name: string, holds: boolean, bound: string): void {
    if (holds) return;
    if (!this.missed.includes(name)) this.missed.push(name);
    this.notes.push(`${name} missed its bound: ${bound}`);
  }

  note(text: string): void {
    this.notes.push(text);
  }

  get ok(): boolean {
    return this.missed.length === 0;
  }

  report(command: string): Report {
    return { command, machine: machine(), figures: this.figures, missed: this.missed, notes: this.notes };
  }
}

/** Columns as wide as their widest cell; a column of numbers, below a heading or not, to the right. */
export function table(rows: readonly (readonly string[])[], indent = '  '): string {
  const widths: number[] = [];
  const isNumeric: boolean[] = [];
  rows.forEach((row, line) =>
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
      if (line > 0) isNumeric[i] = (isNumeric[i] ?? true) && /^-?[\d.,]+$/.test(cell);
    }),
  );
  return rows
    .map((row) => {
      const cells = row.map((cell, i) =>
        isNumeric[i] === true ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      );
      return `${indent}${cells.join('  ')}`.trimEnd();
    })
    .join('\n');
}

/** For people: figures and what was missed. */
export function printFigures(report: Report): void {
  const rows = Object.entries(report.figures).map(([name, value]) => [
    name,
    String(value),
    report.missed.includes(name) ? 'missed' : '',
  ]);
  process.stdout.write(`${report.command} on ${report.machine}\n\n${table(rows)}\n`);
  for (const note of report.notes) process.stdout.write(`\n  ${note}`);
  if (report.notes.length > 0) process.stdout.write('\n');
}

const started = performance.now();

/** Progress for whoever waits; stderr, so that stdout stays data. */
export function progress(text: string): void {
  process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s] ${text}\n`);
}

/** @returns the smallest value that at least `percent` of all do not exceed; NaN of nothing */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(Math.ceil((percent / 100) * sorted.length) - 1, 0)] ?? NaN;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}
