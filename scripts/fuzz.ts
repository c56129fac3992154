/** `scripts/fuzz [TARGET...] [--seconds N]`, `scripts/fuzz sip [--inputs N] [--seed N]`: exit status 1 when something was found. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/errors.ts';
import { buildCxxTests, cxxTestsUnavailable, fuzz, type FuzzResult, fuzzTargets } from './testbed/cxx-tests.ts';
import { ScriptError } from './testbed/command.ts';
import { fuzzSip } from './testbed/sip-fuzz.ts';

const AT_ONCE = 2;
/** Not of C++: it runs in this process, alone. */
const SIP = 'sip';

try {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '600' }, inputs: { type: 'string' }, seed: { type: 'string' } },
    allowPositionals: true,
  });
  const known = [...fuzzTargets(), SIP];
  const targets = positionals.length > 0 ? positionals : known;
  const seconds = Number(values.seconds);
  const inputs = values.inputs === undefined ? undefined : Number(values.inputs);
  const seed = values.seed === undefined ? randomInt(2 ** 32) : Number(values.seed);
  const wrongNumber = [seconds, inputs ?? 1, seed + 1].some((value) => !Number.isInteger(value) || value < 1);
  if (wrongNumber || targets.some((name) => !known.includes(name)))
    throw new ScriptError(`usage: scripts/fuzz [${known.join('|')}] [--seconds N]; sip: [--inputs N] [--seed N]`);
  let found = 0;
  const report = ({ target, inputs: tried, finding }: FuzzResult): void => {
    if (finding === undefined) {
      process.stdout.write(`ok      ${target}: ${tried ?? 0} inputs, nothing found\n`);
      return;
    }
    found += 1;
    process.stdout.write(`FOUND   ${target}\n${finding}\n`);
  };
  const ofCxx = targets.filter((name) => name !== SIP);
  const why = ofCxx.length > 0 ? await cxxTestsUnavailable() : undefined;
  if (why !== undefined) throw new ScriptError(`cannot fuzz: ${why}`);
  if (ofCxx.length > 0) await buildCxxTests('fuzz');
  await fuzz(ofCxx, seconds, AT_ONCE, report);
  if (targets.includes(SIP)) {
    process.stdout.write(`sip: seed ${seed}\n`);
    report(await fuzzSip({ ...(inputs === undefined ? { seconds } : { inputs }), seed }));
  }
  process.exitCode = found === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`fuzz: ${messageOf(error)}\n`);
  process.exitCode = 2;
}
