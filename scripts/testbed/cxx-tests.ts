/** The C++ tests and fuzz targets of native/test: clang builds them, node has no part in them. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ScriptError, tryCommand } from './command.ts';

const FOLDER = join(import.meta.dirname, '../../native/test');
const BUILD = join(FOLDER, 'build');

const BUILD_TIMEOUT_MS = 1_200_000;
/** What a target may take beyond its time: reading its corpus, and the input it is at. */
const GRACE_MS = 300_000;
/** An input that takes longer counts as a finding. */
const INPUT_SECONDS = 10;
/** Far above what any target needs. */
const MEMORY_MEGABYTES = 1024;

/** `idle`: takes only the time that others leave, so that what they measure is not disturbed. */
export interface Rank {
  readonly idle?: boolean;
}

function ranked(file: string, args: readonly string[], { idle = false }: Rank): [string, string[]] {
  return idle ? ['chrt', ['--idle', '0', file, ...args]] : [file, [...args]];
}

export interface FuzzResult {
  readonly target: string;
  /** Inputs tried; undefined when it ended before it could tell. */
  readonly inputs: number | undefined;
  /** What was found, with the path of the input; undefined: nothing. */
  readonly finding: string | undefined;
}

/** Why they cannot be built here, or undefined. */
export async function cxxTestsUnavailable(): Promise<string | undefined> {
  for (const tool of ['clang++', 'make'])
    if ((await tryCommand('which', [tool])).status !== 0) return `${tool} is not installed`;
  const probe = ['-fsanitize=fuzzer,address', '-x', 'c++', '-', '-o', '/dev/null', '-lssl', '-lcrypto'];
  const program =
    '#include <openssl/ssl.h>\n#include <cstdint>\nextern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }\n';
  const built = await tryCommand('clang++', probe, { input: program, timeoutMs: BUILD_TIMEOUT_MS });
  return built.status === 0
    ? undefined
    : 'clang lacks libFuzzer (libclang-rt-dev), or OpenSSL its headers (libssl-dev)';
}

/** @throws {ScriptError} with the compiler's words. */
export async function buildCxxTests(what: 'unit' | 'fuzz', rank: Rank = {}): Promise<void> {
  const [file, args] = ranked('make', ['-C', FOLDER, '-j2', what], rank);
  const result = await tryCommand(file, args, { timeoutMs: BUILD_TIMEOUT_MS });
  if (result.status !== 0) throw new ScriptError(`make ${what} failed:\n${result.stdout}${result.stderr}`);
}

/** Writes TAP. */
export const UNIT_TESTS = join(BUILD, 'unit_tests');

export function fuzzTargets(): string[] {
  return readdirSync(join(FOLDER, 'fuzz'))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => name.slice(0, -'.cc'.length));
}

/** Runs one target on its corpus, and on what earlier runs here have found worth keeping. */
export async function runFuzzTarget(target: string, seconds: number, rank: Rank = {}): Promise<FuzzResult> {
  const found = join(BUILD, 'found', target);
  mkdirSync(found, { recursive: true });
  const corpus = join(FOLDER, 'fuzz/corpus', target);
  const [file, args] = ranked(
    join(BUILD, `fuzz_${target}`),
    [
      ...[`-max_total_time=${seconds}`, `-timeout=${INPUT_SECONDS}`, `-rss_limit_mb=${MEMORY_MEGABYTES}`],
      ...['-print_final_stats=1', '-use_value_profile=1', `-artifact_prefix=${join(BUILD, `finding-${target}-`)}`],
      found,
      ...(existsSync(corpus) ? [corpus] : []),
    ],
    rank,
  );
  const environment = { UBSAN_OPTIONS: 'print_stacktrace=1' };
  const { status, stderr } = await tryCommand(file, args, { timeoutMs: seconds * 1000 + GRACE_MS, environment });
  const inputs = /stat::number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1];
  const count = inputs === undefined ? undefined : Number(inputs);
  if (status === 0 && count !== undefined && count > 0) return { target, inputs: count, finding: undefined };
  const lines = stderr.split('\n').filter((line) => !/^#\d+\s/.test(line));
  return { target, inputs: count, finding: lines.slice(-60).join('\n') };
}

/** All of these, so many at a time; `report` is called as each one ends. */
export async function fuzz(
  targets: readonly string[],
  seconds: number,
  atOnce: number,
  report: (result: FuzzResult) => void,
  rank: Rank = {},
): Promise<void> {
  const left = [...targets];
  const work = async (): Promise<void> => {
    for (let target = left.shift(); target !== undefined; target = left.shift())
      report(await runFuzzTarget(target, seconds, rank));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
