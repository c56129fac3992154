import { churn } from '../../scripts/testbed/churn.ts';
import { Findings } from '../../scripts/testbed/report.ts';
import { systemTest } from './support/system-test.ts';

/** The bound of `scripts/lab churn`, 99.9 %, is for thousands of lookups: of some two hundred, a single one would miss it. */
const MOST_WRONG = 1;

systemTest(
  'agents are killed and come back: no value is lost, and at most one of some 200 lookups is wrong meanwhile',
  async (t, lab) => {
    const findings = new Findings();
    await churn(lab, findings, { agents: 8, minutes: 0.75, killEveryMs: 8_000 }, (text) => t.log(text));
    const { missed, notes, figures } = findings.report('lab churn');
    t.log(figures);
    t.deepEqual(
      missed.filter((name) => name !== 'lookups.right'),
      [],
      notes.join('\n'),
    );
    const { 'lookups.right': right = 0, 'lookups.total': total = 0 } = figures;
    t.true(total > 100);
    t.true(right >= total - MOST_WRONG, notes.join('\n'));
  },
);
