/** `scripts/fuzz [TARGET...] [--seconds N]`: exit status 1 when something was found. */
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { buildCxxTests, cxxTestsUnavailable, fuzz, fuzzTargets } from './testbed/cxx-tests.ts';
import { ScriptError } from './testbed/command.ts';

const AT_ONCE = 2;

try {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '600' } },
    allowPositionals: true,
  });
  const seconds = Number(values.seconds);
  const known = fuzzTargets();
  const unknown = positionals.find((name) => !known.includes(name));
  if (!Number.isInteger(seconds) || seconds < 1 || unknown !== undefined)
    throw new ScriptError(`usage: scripts/fuzz [${known.join('|')}] [--seconds N]`);
  const why = await cxxTestsUnavailable();
  if (why !== undefined) throw new ScriptError(`cannot fuzz: ${why}`);
  await buildCxxTests('fuzz');
  let found = 0;
  await fuzz(positionals.length > 0 ? positionals : known, seconds, AT_ONCE, ({ target, inputs, finding }) => {
    if (finding === undefined) {
      process.stdout.write(`ok      ${target}: ${inputs ?? 0} inputs, nothing found\n`);
      return;
    }
    found += 1;
    process.stdout.write(`FOUND   ${target}\n${finding}\n`);
  });
  process.exitCode = found === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`fuzz: ${messageOf(error)}\n`);
  process.exitCode = 2;
}
