import test from 'ava';
import type { ExecutionContext, Implementation } from 'ava';
import { Lab, labUnavailable } from '../../../scripts/testbed/lab.ts';
import { sanitizerReports } from '../../../scripts/testbed/sanitizers.ts';

const why = labUnavailable();

/**
 * A test with network namespaces of its own, gone when it ends however it ends; skipped where there can be none. What a
 * sanitizer found in an agent fails it.
 * @param body its time limit is AVA's (5 minutes without a result)
 */
export function systemTest(title: string, body: (t: ExecutionContext, lab: Lab) => Promise<void>): void {
  const implementation: Implementation<[]> = async (t) => {
    const lab = Lab.open();
    t.teardown(() => lab.close());
    try {
      await body(t, lab);
    } finally {
      t.is(sanitizerReports(lab.directory).join('\n'), '', 'a sanitizer found something in an agent');
    }
  };
  if (why === undefined) test.serial(title, implementation);
  else test.serial.skip(`${title} (${why})`, implementation);
}
