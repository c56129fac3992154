import test from 'ava';
import { parseRunbook } from '../../../scripts/testbed/runbook.ts';

test('what is typed at each host is found with its section, what is answered is not', (t) => {
  const text =
    '# Operations\n\n## Two homes\n\nText.\n\n```console\nalice# idloc invite\nidloc1.AAAA\nbob# idloc join TICKET\n```\n';
  t.deepEqual(parseRunbook(text), [
    {
      title: 'Two homes',
      steps: [
        { type: 'command', host: 'alice', command: 'idloc invite', line: 8 },
        { type: 'command', host: 'bob', command: 'idloc join TICKET', line: 10 },
      ],
    },
  ]);
});

test("a host's configuration is a step of its own, in order", (t) => {
  const text = '## A\n```toml\n# hq: /etc/idloc/config.toml\nname = "hq"\n```\n```console\nhq# idloc status\n```\n';
  t.deepEqual(parseRunbook(text)[0]?.steps, [
    { type: 'configuration', host: 'hq', text: 'name = "hq"\n', line: 2 },
    { type: 'command', host: 'hq', command: 'idloc status', line: 7 },
  ]);
});

test('a block that no test would run is refused, and one that does not end', (t) => {
  t.throws(() => parseRunbook('## A\n```sh\nidloc status\n```\n'), { message: /^line 2: .*neither/ });
  t.throws(() => parseRunbook('## A\n```console\nhq# idloc status\n'), { message: /^line 2: .*not closed/ });
});
