import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { MAX_ASSIGNED, NumberBook } from '../../../src/agent/number-book.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';

const NUMBER = '+49301234567';

function directory(t: ExecutionContext): { state: StateDirectory; file: string } {
  const path = mkdtempSync(join(tmpdir(), 'idloc-numbers-'));
  const state = StateDirectory.open(path);
  t.teardown(() => {
    state.close();
    rmSync(path, { recursive: true });
  });
  return { state, file: join(path, 'numbers') };
}

const opened = (state: StateDirectory): NumberBook => new NumberBook({ state, logger: silentLogger });

test('numbers are there in the next life until they are taken away, and nobody else can read them', (t) => {
  const { state, file } = directory(t);
  const book = opened(state);
  const seen = book.assigned;
  book.assign(NUMBER, 'bob');
  book.assign('+49307654321', 'carol');
  t.is(seen.get(NUMBER), 'bob', 'whoever has the map sees it change');
  t.is(statSync(file).mode & 0o777, 0o600);
  const next = opened(state);
  t.deepEqual([...next.assigned], [...seen]);
  next.release(NUMBER);
  t.deepEqual([...opened(state).assigned], [['+49307654321', 'carol']]);
});

test('more numbers than fit are refused, and another member for one of them is not', (t) => {
  const { state } = directory(t);
  const book = opened(state);
  for (let i = 0; i < MAX_ASSIGNED; i++) book.assign(`+4930${1_000_000 + i}`, 'bob');
  t.throws(() => book.assign(NUMBER, 'bob'), { code: 'too_many_numbers' });
  book.assign('+49301000000', 'carol');
  t.is(book.assigned.size, MAX_ASSIGNED);
});

test('what is no list of numbers, or others could read, is told and not written over', (t) => {
  const { state, file } = directory(t);
  for (const [text, mode] of [
    ['{', 0o600],
    ['{"numbers":[{"number":"112","member":"bob"}]}', 0o600],
    ['{"numbers":[]}', 0o644],
  ] as const) {
    writeFileSync(file, text);
    chmodSync(file, mode);
    const book = opened(state);
    t.is(book.assigned.size, 0);
    t.throws(() => book.check(), { code: 'unreadable' });
    chmodSync(file, 0o600);
    t.is(readFileSync(file, 'utf8'), text);
  }
});
