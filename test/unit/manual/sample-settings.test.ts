import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { sampleSettings } from '../../../scripts/manual/sample-settings.ts';
import { agentConfig } from '../../../src/config/agent-config.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/settings.md'), 'utf8');
const sample = sampleSettings(PAGE);

test('the sample configuration sets nothing, and has a line for every setting of docs/settings.md', (t) => {
  t.deepEqual(
    sample.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
    [],
  );
  const settings = [...PAGE.matchAll(/^\| `([a-z0-9_.]+)` /gm)].map(([, setting = '']) => setting);
  let table = '';
  const found = sample.split('\n').flatMap((line) => {
    table = /^#\[(.+)\]$/.exec(line)?.[1] ?? table;
    const key = /^#([a-z0-9_]+) = /.exec(line)?.[1];
    return key === undefined ? [] : [table === '' ? key : `${table}.${key}`];
  });
  t.deepEqual(found, settings);
});

test('what it shows is a configuration: each top-level setting that has a value is taken without its #', (t) => {
  const [top = ''] = sample.split('#[');
  const lines = [...top.matchAll(/^#([a-z0-9_]+ = .+)$/gm)]
    .map(([, line = '']) => line)
    .filter((line) => !line.endsWith('...'));
  t.true(lines.length > 12);
  for (const text of lines) t.notThrows(() => agentConfig({ path: 'config.toml', text: `${text}\n` }, {}), text);
});
