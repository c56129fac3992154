import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { KeyStoreError, StateInUseError, StateWriteError } from '../../../src/identity/errors.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';
import { StateLock } from '../../../src/identity/state-lock.ts';

const PUBLIC = { secret: false };

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'idloc-state-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/** A disk that takes nothing while it is full. */
function disk() {
  const state = { full: true };
  const acquire = (path: string): StateLock => {
    if (state.full)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
    return StateLock.acquire(path);
  };
  return { state, acquire };
}

test('on a full disk all is read, nothing is written, and what is wrong is said; with room it is as ever', (t) => {
  const path = folder(t);
  writeFileSync(join(path, 'overlay.xml'), 'kept');
  const { state, acquire } = disk();
  const directory = StateDirectory.open(path, acquire);
  t.teardown(() => directory.close());
  t.is(directory.unwritable, 'ENOSPC: no space left on device');
  t.is(Buffer.from(directory.read('overlay.xml', PUBLIC) ?? []).toString(), 'kept');
  const error = t.throws(() => directory.write('contacts.json', '{}', PUBLIC), { instanceOf: StateWriteError });
  t.regex(error.message, /contacts\.json cannot be written: no space/);
  t.deepEqual(readdirSync(path), ['overlay.xml']);
  state.full = false;
  directory.write('contacts.json', '{}', PUBLIC);
  t.is(directory.unwritable, undefined);
  t.throws(() => StateDirectory.open(path), { instanceOf: StateInUseError });
});

test('a full disk is no way around an agent that runs', (t) => {
  const path = folder(t);
  const running = StateDirectory.open(path);
  t.teardown(() => running.close());
  t.throws(() => StateDirectory.open(path), { instanceOf: StateInUseError });
});

test('a directory that is closed is not written any more', (t) => {
  const path = folder(t);
  const directory = StateDirectory.open(path);
  directory.close();
  t.throws(() => directory.write('contacts.json', '{}', PUBLIC));
  t.deepEqual(readdirSync(path), []);
});

test('what is set aside is in a folder of its own for each time, with what is kept left behind', (t) => {
  const path = folder(t);
  const directory = StateDirectory.open(path);
  t.teardown(() => directory.close());
  const options = { kept: ['identity.pem'], first: 'certificate.pem' };
  directory.write('identity.pem', 'mine', { secret: true });
  for (const time of ['left-home.example', 'left-home.example.2']) {
    directory.write('certificate.pem', time, PUBLIC);
    directory.write('authority.pem', time, { secret: true });
    t.is(directory.setAside('left-home.example', options), join(path, time));
    t.deepEqual(readdirSync(join(path, time)).sort(), ['authority.pem', 'certificate.pem']);
    t.false(existsSync(join(path, 'certificate.pem')));
  }
  t.true(existsSync(join(path, 'identity.pem')));
  t.throws(() => StateDirectory.open(path), { instanceOf: StateInUseError });
});

test('of writes that overlap the one that began last is kept, nothing else is left, and only the owner reads secrets', async (t) => {
  const path = folder(t);
  const directory = StateDirectory.open(path);
  t.teardown(() => directory.close());
  const slow = directory.writeSoon('contacts.json', 'first', { secret: true });
  const later = directory.writeSoon('contacts.json', 'second', { secret: true });
  await Promise.all([slow, later]);
  t.is(readFileSync(join(path, 'contacts.json'), 'utf8'), 'second');
  t.is(statSync(join(path, 'contacts.json')).mode & 0o777, 0o600);
  const overtaken = directory.writeSoon('contacts.json', 'third', { secret: true });
  directory.write('contacts.json', 'fourth', { secret: true });
  await overtaken;
  t.is(readFileSync(join(path, 'contacts.json'), 'utf8'), 'fourth');
  t.deepEqual(
    readdirSync(path).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('what is removed soon is gone at once, also from under a write that has not ended; one that begins later is kept', async (t) => {
  const path = folder(t);
  const directory = StateDirectory.open(path);
  t.teardown(() => directory.close());
  directory.write('message', 'old', PUBLIC);
  const writing = directory.writeSoon('message', 'x'.repeat(100_000), PUBLIC);
  const removing = directory.removeSoon('message');
  t.false(directory.has('message'));
  await Promise.all([writing, removing]);
  t.false(directory.has('message'));
  const again = directory.removeSoon('message');
  await directory.writeSoon('message', 'new', PUBLIC);
  await again;
  t.is(Buffer.from(directory.read('message', PUBLIC) ?? []).toString(), 'new');
  directory.close();
  await t.throwsAsync(directory.removeSoon('message'), { instanceOf: KeyStoreError });
});

test('a write that is not done when the directory is closed fails, and leaves nothing', async (t) => {
  const path = folder(t);
  const directory = StateDirectory.open(path);
  const write = directory.writeSoon('contacts.json', '{}', PUBLIC);
  directory.close();
  await t.throwsAsync(write, { message: /opened to read/ });
  t.deepEqual(
    readdirSync(path).filter((name) => name.startsWith('.contacts') || name === 'contacts.json'),
    [],
  );
});

test('the event loop turns between the pieces of a long text', async (t) => {
  const path = folder(t);
  const directory = StateDirectory.open(path);
  t.teardown(() => directory.close());
  let turns = 0;
  const count = setInterval(() => (turns += 1), 0);
  const seen: number[] = [];
  const pieces = function* (): Generator<string> {
    for (const piece of ['a', 'b', 'c']) {
      for (const until = performance.now() + 5; performance.now() < until;);
      seen.push(turns);
      yield piece;
    }
  };
  await directory.writeSoon('long', pieces(), PUBLIC);
  clearInterval(count);
  t.is(readFileSync(join(path, 'long'), 'utf8'), 'abc');
  t.true(new Set(seen).size === seen.length, `turns of the event loop before each piece: ${seen.join(', ')}`);
});
