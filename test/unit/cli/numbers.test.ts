import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ControlServer } from '../../../src/control/control-server.ts';
import type { ControlHandlers, Result } from '../../../src/control/schemas.ts';
import { runIdloc } from './run-idloc.ts';

/** The agent of a gateway, and nothing else. */
async function agent(t: ExecutionContext): Promise<(...args: string[]) => ReturnType<typeof runIdloc>> {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-numbers-'));
  const path = join(folder, 'idloc.sock');
  const numbers: Result<'numbers'>['numbers'] = [];
  const handlers = {
    numbers: () => ({ numbers }),
    assignNumber: ({ number, member }: { number: string; member: string }) => {
      numbers.push({ number, member, from: 'command', published: numbers.length > 0 });
      return { number, member };
    },
    releaseNumber: ({ number }: { number: string }) => {
      const [released] = numbers.splice(0);
      if (released?.number !== number) throw new IdlocError('no_such_number', `${number} is not given to anybody`);
      return { number, member: released.member };
    },
  } as unknown as ControlHandlers;
  const server = new ControlServer({ handlers, logger: silentLogger, report: () => {} }, { path });
  await server.start();
  t.teardown(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });
  return (...args) => runIdloc(['numbers', ...args, '--socket', path]);
}

test('numbers are given, listed and taken away; what is not given is refused in one line, status 1', async (t) => {
  const numbers = await agent(t);
  const none = await numbers();
  t.deepEqual([none.status, none.stdout], [0, '']);
  t.regex(none.stderr, /no member has a number: `idloc numbers assign/);
  const assigned = await numbers('assign', '+49301234567', 'bob');
  t.deepEqual([assigned.status, assigned.stdout], [0, '+49301234567  bob\n']);
  await numbers('assign', '+49307654321', 'carol', '--json');
  const listed = await numbers();
  t.is(
    listed.stdout,
    'NUMBER        MEMBER  IN THE OVERLAY\n+49301234567  bob     not yet\n+49307654321  carol   yes\n',
  );
  const json = JSON.parse((await numbers('--json')).stdout) as Result<'numbers'>;
  t.like(json.numbers[0], { number: '+49301234567', member: 'bob', published: false });
  const released = await numbers('release', '+49301234567');
  t.deepEqual([released.status, released.stdout], [0, '+49301234567  bob  released\n']);
  const again = await numbers('release', '+49301234567');
  t.deepEqual([again.status, again.stdout, again.stderr], [1, '', 'idloc: +49301234567 is not given to anybody\n']);
});
