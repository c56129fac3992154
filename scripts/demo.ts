/** `scripts/demo [--json]`: the first call, shown and judged. Exit status 1 when any part did not happen. */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { describeFirstCall, judgeFirstCall } from './testbed/first-call-report.ts';
import { firstCall } from './testbed/first-call.ts';
import { Lab } from './testbed/lab.ts';
import { machine, progress } from './testbed/report.ts';

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });

let lab: Lab | undefined;
try {
  lab = Lab.open();
  const call = await firstCall(lab, progress);
  const findings = judgeFirstCall(call);
  const report = findings.report('demo');
  if (values.json) process.stdout.write(`${JSON.stringify({ ...report, details: call })}\n`);
  else {
    process.stdout.write(`\n${describeFirstCall(call)}\n`);
    for (const note of report.notes) process.stdout.write(`  ${note}\n`);
    process.stdout.write(findings.ok ? 'Every part happened.\n' : `Missed: ${report.missed.join(', ')}\n`);
  }
  process.exitCode = findings.ok ? 0 : 1;
} catch (error) {
  process.stderr.write(`demo: ${messageOf(error)}\n`);
  if (values.json) {
    const failed = { command: 'demo', machine: machine(), figures: {}, missed: ['demo'], notes: [messageOf(error)] };
    process.stdout.write(`${JSON.stringify(failed)}\n`);
  }
  process.exitCode = 1;
} finally {
  lab?.close();
}
