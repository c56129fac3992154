/** `npm run test:native:tsan [-- FILE...]`: the native tests on the build with ThreadSanitizer; exit status 1 for a race in the addon. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sanitizedBy, sanitizerReports, sanitizerUnavailable } from './testbed/sanitizers.ts';

const AVA = join(import.meta.dirname, '../node_modules/ava/entrypoints/cli.js');

const why = sanitizerUnavailable('tsan');
if (why !== undefined) {
  process.stderr.write(`test:native:tsan: ${why}\n`);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), 'idloc-tsan-'));
const files = process.argv.slice(2);
const [program, ...wrapped] = [
  ...sanitizedBy('tsan', folder),
  process.execPath,
  AVA,
  '-c',
  '1',
  '--serial',
  '--timeout',
  '120s',
];
const child = spawn(program, [...wrapped, ...(files.length > 0 ? files : ['test/native/**'])], { stdio: 'inherit' });
const [status] = (await once(child, 'close')) as [number | null];
const reports = sanitizerReports(folder);
rmSync(folder, { recursive: true });
process.stdout.write(`${reports.join('\n')}\n${reports.length} reports about the addon\n`);
process.exitCode = status === 0 && reports.length === 0 ? 0 : 1;
