import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { KeyStoreError } from '../../../src/identity/errors.ts';
import { RegisterFiles } from '../../../src/identity/register-files.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';

function open(t: ExecutionContext): {
  files: RegisterFiles;
  again: () => RegisterFiles;
  register: string;
  journal: string;
} {
  const path = mkdtempSync(join(tmpdir(), 'idloc-register-'));
  const directory = StateDirectory.open(path);
  t.teardown(() => {
    directory.close();
    rmSync(path, { recursive: true });
  });
  const files = new RegisterFiles(directory);
  return { files, again: () => new RegisterFiles(directory), register: files.path, journal: files.journalPath };
}

const writeSoon = (files: RegisterFiles, pieces: Iterable<string>): Promise<unknown> =>
  new Promise((resolve) => files.writeSoon(pieces, resolve));

test("lines are there after a crash; the whole takes their place, and both are the owner's alone", async (t) => {
  const { files, again, register, journal } = open(t);
  files.append('one\n');
  files.append('two\n');
  t.deepEqual(again().read(), { json: undefined, journal: 'one\ntwo\n' });
  t.is(await writeSoon(files, ['who', 'le']), undefined);
  t.deepEqual(again().read(), { json: 'whole', journal: '' });
  t.false(existsSync(journal));
  files.append('three\n');
  for (const path of [register, journal]) t.is(statSync(path).mode & 0o777, 0o600);
  files.write(['all']);
  t.deepEqual(again().read(), { json: 'all', journal: '' });
});

test('a line that comes while the whole is written stays', async (t) => {
  const { files, again } = open(t);
  files.append('one\n');
  const written = writeSoon(files, ['with one']);
  files.append('two\n');
  await written;
  t.deepEqual(again().read(), { json: 'with one', journal: 'two\n' });
  files.append('three\n');
  t.is(again().read().journal, 'two\nthree\n');
});

test('a whole that a later one overtook takes no line away', async (t) => {
  const { files, again } = open(t);
  files.append('one\n');
  const slow = writeSoon(files, ['old']);
  files.write(['new']);
  files.append('two\n');
  await slow;
  t.deepEqual(again().read(), { json: 'new', journal: 'two\n' });
});

test('a journal that is never written as a whole has an end', (t) => {
  const { files } = open(t);
  files.append(`${'x'.repeat(1000 * 1024)}\n`);
  t.throws(() => files.append(`${'x'.repeat(24 * 1024)}\n`), {
    instanceOf: KeyStoreError,
    message: /enrollment.journal is too long/,
  });
  files.write(['all']);
  t.notThrows(() => files.append('one\n'));
});
