import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ScriptError } from '../../../scripts/testbed/command.ts';
import { keepReport, patience, sanitizedAgents, sanitizerReports } from '../../../scripts/testbed/sanitizers.ts';

test('agents are of the ordinary build unless one is named, and no other name is taken', (t) => {
  t.is(sanitizedAgents(''), undefined);
  for (const value of ['1', 'ASAN', 'msan']) {
    const error = t.throws(() => sanitizedAgents(value), { instanceOf: ScriptError });
    t.is(error.message, `IDLOC_SANITIZED_AGENTS is "${value}", which is no build; use asan or tsan`);
  }
});

test('whatever AddressSanitizer and UndefinedBehaviorSanitizer write counts, and of ThreadSanitizer what is about the addon', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-reports-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const race = (module: string): string =>
    `==================\nWARNING: ThreadSanitizer: data race (pid=1)\n  Write of size 8 at 0x7b04 by main thread:\n    #0 <null> <null> (${module}+0x12)\n\n==================\n`;
  writeFileSync(join(folder, 'identity.pem'), 'nothing to do with it');
  t.deepEqual(sanitizerReports(folder), []);
  writeFileSync(join(folder, 'tsan-report.1'), race('node'));
  t.deepEqual(sanitizerReports(folder), []);
  writeFileSync(join(folder, 'tsan-report.2'), race('idloc.node') + race('node'));
  t.is(sanitizerReports(folder).length, 1);
  writeFileSync(join(folder, 'asan-report.3'), 'heap-use-after-free');
  keepReport(folder, 'alice', '{"level":"error"}');
  t.is(sanitizerReports(folder).length, 2);
  keepReport(folder, 'bob', 'control.cc:2:1: runtime error: signed integer overflow');
  t.is(sanitizerReports(folder).length, 3);
});

test('only agents that are watched get more time', (t) => {
  t.is(patience(undefined, 1000), 1000);
  t.true(patience('asan', 1000) > 1000);
  t.true(patience('tsan', 1000) > patience('asan', 1000));
});
