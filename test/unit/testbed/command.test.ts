import test from 'ava';
import { BackgroundProcess, eventually } from '../../../scripts/testbed/command.ts';

test('a line that a process has not finished is none yet', async (t) => {
  const process = new BackgroundProcess('sh', [
    '-c',
    'printf "whole\\nDISCONNECTED"; read go; printf " 404\\n"; read go',
  ]);
  t.teardown(() => process.kill());
  await eventually('it says a part', 5_000, () => process.stdout.endsWith('DISCONNECTED') || undefined);
  t.deepEqual(process.lines, ['whole']);
  process.write('go\n');
  await eventually('it says the rest', 5_000, () => process.stdout.endsWith('404\n') || undefined);
  t.deepEqual(process.lines, ['whole', 'DISCONNECTED 404']);
});
