import test from 'ava';
import { interleaved } from '../../../scripts/testbed/interleaved.ts';
import { Findings } from '../../../scripts/testbed/report.ts';

test('the runs of all come in turn', async (t) => {
  const order: string[] = [];
  const rows = [{ who: 'a' }, { who: 'b' }];
  const measured = await interleaved(new Findings(), 'x', rows, 2, ({ who }) => Promise.resolve(order.push(who)));
  t.deepEqual(order, ['a', 'b', 'a', 'b']);
  t.deepEqual(
    [...measured],
    [
      ['a', [1, 3]],
      ['b', [2, 4]],
    ],
  );
});

test('who fails once has no result, is noted, and is not asked again', async (t) => {
  const findings = new Findings();
  const asked: string[] = [];
  const measured = await interleaved(findings, 'x', [{ who: 'a' }, { who: 'b' }], 3, ({ who }) => {
    asked.push(who);
    return who === 'a' && asked.length > 1 ? Promise.reject(new Error('gone')) : Promise.resolve(1);
  });
  t.deepEqual([...measured.keys()], ['b']);
  t.deepEqual(asked, ['a', 'b', 'a', 'b', 'b']);
  t.deepEqual(findings.report('').notes, ['x: a failed: gone']);
});
