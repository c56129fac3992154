import { churn } from '../../scripts/testbed/churn.ts';
import { Findings } from '../../scripts/testbed/report.ts';
import { systemTest } from './support/system-test.ts';

systemTest('agents are killed and come back, and all that was stored is found meanwhile', async (t, lab) => {
  const findings = new Findings();
  await churn(lab, findings, { agents: 8, minutes: 0.75, killEveryMs: 8_000 }, (text) => t.log(text));
  const { missed, notes, figures } = findings.report('lab churn');
  t.log(figures);
  t.deepEqual(missed, [], notes.join('\n'));
});
