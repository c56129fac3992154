import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { agentConfig, agentConfigSchema } from '../../../src/config/agent-config.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/settings.md'), 'utf8');
const ROW = /^\| `([a-z0-9_.]+)` +\| (.+?) +\| .+ \|$/gm;
const rows = [...PAGE.matchAll(ROW)].map(([, setting = '', byDefault = '']) => ({ setting, byDefault }));

/** `tun.mtu` for one of a table. */
function settingsOf(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape).flatMap(([key, optional]) => {
    const inner: unknown = optional instanceof z.ZodOptional ? optional.unwrap() : optional;
    return inner instanceof z.ZodObject ? settingsOf(inner).map((nested) => `${key}.${nested}`) : [key];
  });
}

test('docs/settings.md has every setting that there is, once, and no other', (t) => {
  t.deepEqual(rows.map(({ setting }) => setting).sort(), settingsOf(agentConfigSchema).sort());
});

for (const { setting, byDefault } of rows.filter(({ byDefault: text }) => text.startsWith('`')))
  test(`docs/settings.md has the default of ${setting}: ${byDefault}`, (t) => {
    const text = `${setting} = ${byDefault.replaceAll('`', '')}\n`;
    const said = agentConfig({ path: '/etc/idloc/config.toml', text }, {});
    t.deepEqual(JSON.parse(JSON.stringify(said)), JSON.parse(JSON.stringify(agentConfig(undefined, {}))));
  });
