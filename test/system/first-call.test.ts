import { judgeFirstCall } from '../../scripts/testbed/first-call-report.ts';
import { firstCall } from '../../scripts/testbed/first-call.ts';
import { systemTest } from './support/system-test.ts';

systemTest(
  'phones behind two NATs talk by name over IPv6 and IPv4, one moves to a third NAT, and leaves a message where nobody answers',
  async (t, lab) => {
    const call = await firstCall(lab, (text) => t.log(text));
    const report = judgeFirstCall(call).report('demo');
    t.deepEqual(report.missed, [], report.notes.join('; '));
  },
);
