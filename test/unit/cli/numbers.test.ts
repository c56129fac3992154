import test, { type ExecutionContext } from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import type { Result } from '../../../src/control/schemas.ts';
import { stubAgent } from './stub-agent.ts';

/** The agent of a gateway, and nothing else. */
function agent(t: ExecutionContext): ReturnType<typeof stubAgent> {
  const numbers: Result<'numbers'>['numbers'] = [];
  return stubAgent(t, 'numbers', {
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
  });
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
