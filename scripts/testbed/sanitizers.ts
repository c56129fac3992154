/** The addon built with sanitizers (native/asan, native/tsan), loaded by a node that was not. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScriptError } from './command.ts';
import { reportsOfAddon } from './thread-sanitizer.ts';

/** AddressSanitizer with UndefinedBehaviorSanitizer; ThreadSanitizer. */
export type SanitizedBuild = 'asan' | 'tsan';

/** How much longer an agent may take for what JavaScript does: ThreadSanitizer also watches the memory that node allocates. */
const PATIENCE: Readonly<Record<SanitizedBuild, number>> = { asan: 2, tsan: 4 };

const RUNTIMES: Readonly<Record<SanitizedBuild, readonly string[]>> = {
  asan: ['libasan.so', 'libubsan.so'],
  tsan: ['libtsan.so'],
};

/** Names of the files that sanitizers write begin so; they add the process. */
const REPORT_FILE: Readonly<Record<SanitizedBuild, string>> = { asan: 'asan-report', tsan: 'tsan-report' };

/** Why that build cannot be loaded here; undefined: it can. */
export function sanitizerUnavailable(build: SanitizedBuild): string | undefined {
  const addon = join(import.meta.dirname, `../../native/${build}/build/Release/idloc.node`);
  if (!existsSync(addon)) return `native/${build} is not built; build it with: npm run build:native:${build}`;
  if (build === 'tsan' && spawnSync('setarch', ['-R', 'true']).status !== 0) return 'setarch -R is not allowed here';
  return undefined;
}

/**
 * What goes in front of a command line so that its processes load that build. The environment is part of it: the programs
 * before it do not bear the libraries of the sanitizers.
 * @param folder there the sanitizers write what they find, a file for each process
 */
export function sanitizedBy(build: SanitizedBuild, folder: string): readonly [string, ...string[]] {
  const runtimes = RUNTIMES[build].map((name) =>
    execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim(),
  );
  const log = `log_path=${join(folder, REPORT_FILE[build])}`;
  const options =
    build === 'asan'
      ? // What node itself still holds when it exits is not ours to judge.
        [`ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1:${log}`, 'UBSAN_OPTIONS=print_stacktrace=1']
      : // Node alone is not looked at: what it does to its own memory makes thousands of reports, and comparing them takes
        // most of the time. What is left of them must not end it, and is named by addresses, which is quick.
        [`TSAN_OPTIONS=exitcode=0:symbolize=0:ignore_noninstrumented_modules=1:${log}`];
  // With more random bits of addresses than it was made for, ThreadSanitizer finds no room for its shadow.
  const [first, ...rest] = build === 'tsan' ? ['setarch', '-R', 'env'] : ['env'];
  return [first, ...rest, `IDLOC_NATIVE_BUILD=${build}`, `LD_PRELOAD=${runtimes.join(':')}`, ...options];
}

/** UndefinedBehaviorSanitizer beside AddressSanitizer takes no file: what it found, if anything, is put there. */
export function keepReport(folder: string, name: string, stderr: string): void {
  if (stderr.includes('runtime error:')) writeFileSync(join(folder, `${REPORT_FILE.asan}.${name}`), stderr);
}

/** What sanitizers found in the addon and wrote into that folder. */
export function sanitizerReports(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const text = (): string => readFileSync(join(folder, name), 'utf8');
    if (name.startsWith(REPORT_FILE.asan)) return [text()];
    return name.startsWith(REPORT_FILE.tsan) ? reportsOfAddon(text()) : [];
  });
}

/**
 * `IDLOC_SANITIZED_AGENTS`: the build that every agent of the system tests loads; undefined: the ordinary one.
 * @throws {ScriptError} for a value that names none, or one that cannot be loaded here
 */
export function sanitizedAgents(value = process.env['IDLOC_SANITIZED_AGENTS']): SanitizedBuild | undefined {
  if (value === undefined || value === '') return undefined;
  if (value !== 'asan' && value !== 'tsan')
    throw new ScriptError(`IDLOC_SANITIZED_AGENTS is "${value}", which is no build; use asan or tsan`);
  const why = sanitizerUnavailable(value);
  if (why !== undefined) throw new ScriptError(`IDLOC_SANITIZED_AGENTS=${value}: ${why}`);
  return value;
}

/** A time limit for an agent of that build. */
export function patience(build: SanitizedBuild | undefined, milliseconds: number): number {
  return build === undefined ? milliseconds : PATIENCE[build] * milliseconds;
}
