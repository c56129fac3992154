import test from 'ava';
import { NumberBook } from '../../../src/agent/number-book.ts';
import { numberHandlers, type NumberOperationsComponents } from '../../../src/agent/number-operations.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { TrunkSettings } from '../../../src/config/trunk-settings.ts';

const HIT = '20010022'.padEnd(32, '1');
const NUMBER = '+49301234567';
const signal = new AbortController().signal;

/** A gateway in an overlay where bob and carol are. */
function gateway(given: { readonly isGateway?: boolean } = {}): {
  handlers: ReturnType<typeof numberHandlers>;
  changes: () => number;
} {
  let changes = 0;
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const state = {
    read: (name: string) => files.get(name),
    write: (name: string, text: Uint8Array | string) => void files.set(name, new Uint8Array(Buffer.from(text))),
  };
  const engine = {
    membership: { configuration: { overlay: 'home.example' } },
    holdersOf: (user: string, now: number, done: (hits: readonly string[], now: number) => void) =>
      done(/^(bob|carol)@home\.example$/.test(user) ? [HIT] : [], now),
    numbersChanged: () => void (changes += 1),
    isNumberStored: () => true,
  } as unknown as NumberOperationsComponents['engine'];
  const trunk = { numbers: new Map([['+4930111', 'alice']]) } as unknown as TrunkSettings;
  const handlers = numberHandlers({
    engine,
    driver: { run: (input) => input(0) },
    config: { sip: { numbers: { country: 'DE', emergency: undefined }, trunk } },
    numbers: given.isGateway === false ? undefined : new NumberBook({ state, logger: silentLogger }),
  });
  return { handlers, changes: () => changes };
}

test('a number is given to a member, listed beside those of the settings, and taken away', async (t) => {
  const { handlers, changes } = gateway();
  for (const [number, member] of [
    ['030 1234567', 'Bob'],
    [NUMBER, 'bob@home.example'],
  ] as const)
    t.deepEqual(await handlers.assignNumber({ number, member }, signal), { number: NUMBER, member: 'bob' });
  t.deepEqual(await handlers.numbers({}, signal), {
    numbers: [
      { number: NUMBER, member: 'bob', from: 'command', published: true },
      { number: '+4930111', member: 'alice', from: 'settings', published: false },
    ],
  });
  t.deepEqual(await handlers.releaseNumber({ number: 'tel:+49-30-1234567' }, signal), {
    number: NUMBER,
    member: 'bob',
  });
  t.is(changes(), 3);
  t.deepEqual((await handlers.assignNumber({ number: NUMBER, member: 'carol' }, signal)).member, 'carol');
});

test('what cannot be given or taken away is refused, each for its reason', async (t) => {
  const { handlers, changes } = gateway();
  await handlers.assignNumber({ number: NUMBER, member: 'bob' }, signal);
  const refused = async (number: string, member: string, code: string): Promise<void> => {
    await t.throwsAsync(async () => handlers.assignNumber({ number, member }, signal), { code }, `${number} ${member}`);
  };
  await refused(NUMBER, 'carol', 'number_taken');
  await refused('030 111', 'bob', 'number_taken');
  await refused('112', 'bob', 'emergency_number');
  await refused('+49112', 'bob', 'emergency_number');
  await refused('100', 'bob', 'bad_number');
  await refused('bob', 'bob', 'bad_number');
  await refused('+49307654321', 'nobody', 'no_such_member');
  await refused('+49307654321', 'bob@elsewhere.example', 'no_such_member');
  for (const number of ['+49307654321', '+4930111'])
    await t.throwsAsync(async () => handlers.releaseNumber({ number }, signal), { code: 'no_such_number' });
  t.is(changes(), 1);
});

test('a host that is no gateway gives nobody a number', async (t) => {
  const { handlers } = gateway({ isGateway: false });
  for (const ask of [
    () => handlers.numbers({}, signal),
    () => handlers.assignNumber({ number: NUMBER, member: 'bob' }, signal),
    () => handlers.releaseNumber({ number: NUMBER }, signal),
  ])
    await t.throwsAsync(async () => ask(), { code: 'no_trunk' });
});
