/** Runs the checks and the tests; the last line is `N passed, N failed`, each check counting as one. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { messageOf } from '../src/base/errors.ts';
import { tryCommand } from './testbed/command.ts';
import { UNIT_TESTS, buildCxxTests, cxxTestsUnavailable, fuzz, fuzzTargets } from './testbed/cxx-tests.ts';
import type { FuzzResult } from './testbed/cxx-tests.ts';
import { labUnavailable, removeLeftovers } from './testbed/lab.ts';
import { sanitizedBy, sanitizerReports, sanitizerUnavailable } from './testbed/sanitizers.ts';
import type { SanitizedBuild } from './testbed/sanitizers.ts';
import { TapTally } from './testbed/tap-tally.ts';

const root = join(import.meta.dirname, '..');
const AVA = join(root, 'node_modules/ava/entrypoints/cli.js');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);
const environment = {
  /** The project's runtime first: AVA, eslint and node-gyp start `node` by name. */
  PATH: `${join(process.execPath, '..')}:${process.env.PATH ?? ''}`,
  /**
   * Hundreds of processes load the same modules: V8's code for them, and the sources without their types, save a sixth to a
   * third of the CPU time of unit tests. Node takes what is there only for a file with the same contents.
   */
  NODE_COMPILE_CACHE: join(root, '.cache/node-compile'),
};

/** A line of progress at least this often, so that a long run is seen to live. */
const PROGRESS_MS = 15_000;
/** Not among the others: real interfaces and real time. */
const SERIAL_FOLDERS = ['system', 'native'];
/** Of the clock, with the time of the cores that the system tests leave; scripts/fuzz does it for longer. */
const FUZZ_SECONDS = 45;
const FUZZ_AT_ONCE = 2;
const IDLE = { idle: true };
const SYSTEM_TESTS_AT_ONCE = 2;
/** Agents and commands as they are installed, from dist: three that start take less than half the CPU time of the sources. */
const COMPILED = { IDLOC_COMPILED: '1' };
/** Begun last, one would run alone while the other lanes have nothing left. */
const LONGEST = testFiles(
  'operations',
  'lan-phones',
  'turn',
  'sip-phones',
  'sip-callers',
  'turn-families',
  'service',
  'voice-mail',
  'sip-trunk',
  'sip-trunk-secure',
  'sip-peering',
  'lives',
);
/** Where the kernel keeps files in memory, and how much of it the tests may want. */
const SHARED_MEMORY = '/dev/shm';
const SHARED_MEMORY_BYTES = 1 << 30;
/**
 * Calls through NATs, over both families, and a host that moves: what leads agents through most of the addon in least time;
 * and what strangers throw at it. Run once more on each build with sanitizers; `IDLOC_SANITIZED_AGENTS` runs the others so.
 */
const SANITIZED_SYSTEM_TESTS = ['first-call', 'hostile-datagrams'].map((name) => `test/system/${name}.test.ts`);

function testFiles(...names: readonly string[]): string[] {
  return names.map((name) => `${name}.test.ts`);
}

const started = performance.now();
const total = { passed: 0, failed: 0, skipped: 0 };

function say(line: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
  process.stdout.write(`[${seconds} s] ${line}\n`);
}

async function check(name: string, file: string, ...args: string[]): Promise<void> {
  const result = await tryCommand(file, args, { environment, timeoutMs: 300_000 });
  if (result.status === 0) {
    total.passed += 1;
    say(`ok      ${name}`);
    return;
  }
  total.failed += 1;
  say(`FAILED  ${name}`);
  process.stdout.write(`${result.stdout}${result.stderr}\n`);
}

function sourceFiles(folder: string, extension: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => extension.test(name) && !/(^|\/)build(-[^/]*)?\//.test(name))
    .map((name) => join(folder, name));
}

/** Linting takes as long as all others together: it goes on beside what comes next. */
async function checks(): Promise<{ readonly linted: Promise<void> }> {
  const inOrder: (() => Promise<void>)[] = [
    () => check('types (tsc)', bin('tsc'), '-p', '.'),
    () => check('format (prettier)', bin('prettier'), '--check', '--log-level', 'warn', '.'),
    () => check('imports (dependency-cruiser)', bin('depcruise'), 'src'),
    deadCode,
    () => check('shell syntax', 'bash', '-n', ...shellScripts()),
  ];
  const cxx = sourceFiles(join(root, 'native'), /\.(cc|h)$/);
  const formatter = await tryCommand('which', ['clang-format']);
  if (cxx.length > 0 && formatter.status === 0)
    inOrder.push(() => check('format (clang-format)', 'clang-format', '--dry-run', '-Werror', ...cxx));
  else say('skipped format (clang-format): not installed');
  const linted = check('lint (eslint)', bin('eslint'), '.');
  for (const run of inOrder) await run();
  return { linted };
}

/** An npm on Node 18 leaves out the optional packages that want a newer Node, knip's parser among them. */
async function deadCode(): Promise<void> {
  if (existsSync(join(root, 'node_modules/@oxc-parser'))) await check('dead code (knip)', bin('knip'), '--no-progress');
  else say('skipped dead code (knip): its parser is installed only by an npm on Node 20 or newer');
}

function shellScripts(): string[] {
  return readdirSync(join(root, 'scripts'), { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes('.ts'))
    .map((entry) => join(root, 'scripts', entry.name));
}

/** One run of AVA. */
async function ava(name: string, args: readonly string[], extra: Readonly<Record<string, string>> = {}): Promise<void> {
  say(`${name}: ava ${args.join(' ')}`);
  await tap(name, process.execPath, [AVA, '--tap', ...args], extra);
}

/** A program that writes TAP. Counts what it says; a runner that dies, or finds nothing, is one more failure. */
async function tap(
  name: string,
  file: string,
  args: readonly string[],
  extra: Readonly<Record<string, string>> = {},
): Promise<void> {
  const child = spawn(file, args, {
    cwd: root,
    env: { ...process.env, ...environment, ...extra },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const tally = new TapTally();
  const progress = setInterval(
    () => say(`${name}: ${tally.passed} passed, ${tally.failed} failed so far`),
    PROGRESS_MS,
  );
  for await (const line of createInterface({ input: child.stdout })) {
    const shown = tally.line(line);
    if (shown !== undefined) process.stdout.write(`${shown}\n`);
  }
  const status = await new Promise<number | null>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.on('close', resolve);
  });
  clearInterval(progress);
  if (status !== 0 && tally.failed === 0) {
    tally.failed += 1;
    process.stdout.write(`the test runner ended with ${String(status)}\n`);
  }
  total.passed += tally.passed;
  total.failed += tally.failed;
  total.skipped += tally.skipped;
  say(`${tally.failed === 0 ? 'ok     ' : 'FAILED '} ${name}: ${tally.passed} passed, ${tally.failed} failed`);
}

/** AVA on a build with sanitizers; that they find nothing in the addon is one more test. */
async function sanitizedAva(build: SanitizedBuild, args: readonly string[]): Promise<void> {
  const name = `native tests on ${build}`;
  const why = sanitizerUnavailable(build);
  if (why !== undefined) {
    say(`skipped ${name}: ${why}`);
    return;
  }
  say(`${name}: ava ${args.join(' ')}`);
  const folder = mkdtempSync(join(tmpdir(), 'idloc-sanitizer-'));
  const [program, ...wrapped] = [...sanitizedBy(build, folder), process.execPath, AVA, '--tap', '-c', '1', ...args];
  await tap(name, program, wrapped);
  const reports = sanitizerReports(folder);
  rmSync(folder, { recursive: true });
  if (reports.length === 0) total.passed += 1;
  else total.failed += 1;
  say(`${reports.length === 0 ? 'ok     ' : 'FAILED '} reports of ${build} about the addon: ${reports.length}`);
  process.stdout.write(reports.map((report) => `${report}\n`).join(''));
}

type Job = () => Promise<void>;

/** System tests whose agents are of a build with sanitizers. */
function sanitizedSystemTests(build: SanitizedBuild): Job[] {
  const why = sanitizerUnavailable(build);
  if (why === undefined)
    return SANITIZED_SYSTEM_TESTS.map((file) => systemTest(file, build, { IDLOC_SANITIZED_AGENTS: build }));
  say(`skipped system tests on ${build}: ${why}`);
  return [];
}

function systemTest(file: string, build: string, extra: Readonly<Record<string, string>> = {}): Job {
  const name = `${file}${build === '' ? '' : ` on ${build}`}`;
  return () => ava(name, ['-c', '1', '--serial', file], { ...COMPILED, ...extra });
}

/** Each lab has namespaces of its own, and most tests wait: two files at a time disturb each other little. */
async function systemTests(): Promise<void> {
  const why = labUnavailable();
  if (why !== undefined) {
    say(`skipped system tests: ${why}`);
    return;
  }
  const files = readdirSync(join(root, 'test/system')).filter((name) => name.endsWith('.test.ts'));
  const named = (names: readonly string[]): Job[] => names.map((name) => systemTest(`test/system/${name}`, ''));
  const jobs = [
    ...sanitizedSystemTests('tsan'),
    ...sanitizedSystemTests('asan'),
    ...named(LONGEST),
    ...named(files.filter((name) => !LONGEST.includes(name))),
  ];
  const lane = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job();
  };
  await Promise.all(Array.from({ length: SYSTEM_TESTS_AT_ONCE }, lane));
}

/** native/test: all of it is built, and every fuzz target runs for a while, in the time that others leave. */
async function fuzzing(): Promise<'built' | 'not built'> {
  try {
    await buildCxxTests('unit', IDLE);
    await buildCxxTests('fuzz', IDLE);
  } catch (error) {
    total.failed += 1;
    say('FAILED  C++ tests');
    process.stdout.write(`${messageOf(error)}\n`);
    return 'not built';
  }
  const report = ({ target, inputs, finding }: FuzzResult): void => {
    if (finding === undefined) {
      total.passed += 1;
      say(`ok      fuzz ${target}: ${inputs ?? 0} inputs`);
    } else {
      total.failed += 1;
      say(`FAILED  fuzz ${target}`);
      process.stdout.write(`${finding}\n`);
    }
  };
  await fuzz(fuzzTargets(), FUZZ_SECONDS, FUZZ_AT_ONCE, report, IDLE);
  return 'built';
}

function hasTests(folder: string): boolean {
  return sourceFiles(join(root, 'test', folder), /\.test\.ts$/).length > 0;
}

/** Hundreds of simulated hosts keep their state in files: on a disk, its fsync takes a fifth of the time of all tests. */
function filesInMemory(): Readonly<Record<string, string>> {
  if (process.env.TMPDIR !== undefined || !existsSync(SHARED_MEMORY)) return {};
  const { bavail, bsize } = statfsSync(SHARED_MEMORY);
  return bavail * bsize < SHARED_MEMORY_BYTES ? {} : { TMPDIR: SHARED_MEMORY };
}

async function everything(): Promise<void> {
  const { linted } = await checks();
  const folders = readdirSync(join(root, 'test')).filter((name) => !SERIAL_FOLDERS.includes(name) && hasTests(name));
  await ava(
    'tests',
    folders.map((name) => `test/${name}/**`),
    filesInMemory(),
  );
  await linted;
  const why = await cxxTestsUnavailable();
  if (why !== undefined) say(`skipped C++ tests and fuzzing: ${why}`);
  await nativeTests();
  // System tests mostly wait: what the compiler and the fuzzers take is what they leave.
  const [cxx] = await Promise.all([why === undefined ? fuzzing() : 'not built', systemTests()]);
  // Some of these look at the scheduler: nothing else runs.
  if (cxx === 'built') await tap('C++ tests', UNIT_TESTS, []);
}

/** Beside each other: either waits more than it computes. */
async function nativeTests(): Promise<void> {
  await Promise.all([
    sanitizerUnavailable('asan') === undefined
      ? sanitizedAva('asan', ['test/native/**'])
      : ava('native tests, without sanitizers', ['-c', '1', 'test/native/**']),
    // One test at a time: beside a flood in the same process a handshake would run into its time limit.
    sanitizedAva('tsan', ['--serial', '--timeout', '120s', 'test/native/**']),
  ]);
}

const args = process.argv.slice(2);
if (args.length === 0) await everything();
else if (args.some((argument) => argument.includes('system')))
  await ava('tests', ['-c', '1', '--serial', ...args], COMPILED);
else await ava('tests', args);
removeLeftovers();
if (total.skipped > 0) say(`${total.skipped} skipped`);
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
