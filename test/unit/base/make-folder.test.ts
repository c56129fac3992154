import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { makeFolder } from '../../../src/base/make-folder.ts';

test('folders are made with those above them, and once', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'idloc-test-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const path = join(root, 'a/b/c');
  makeFolder(path, 0o700);
  makeFolder(path, 0o700);
  t.is(statSync(path).mode & 0o777, 0o700);
  t.is(statSync(join(root, 'a')).mode & 0o777, 0o700);
  symlinkSync(path, join(root, 'link'));
  t.notThrows(() => makeFolder(join(root, 'link'), 0o700));
});

test('where none can be made it says so: a file in the way, a link to nothing, a file system of the kernel', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'idloc-test-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  writeFileSync(join(root, 'file'), '');
  symlinkSync(join(root, 'nothing'), join(root, 'link'));
  t.throws(() => makeFolder(join(root, 'file'), 0o700), { code: 'EEXIST' });
  t.throws(() => makeFolder(join(root, 'file/x'), 0o700), { code: 'ENOTDIR' });
  t.throws(() => makeFolder(join(root, 'link'), 0o700), { code: 'EEXIST' });
  t.throws(() => makeFolder(join(root, 'link/x/y'), 0o700), { code: 'EEXIST' });
  t.throws(() => makeFolder('/proc/idloc/state', 0o700), { code: 'ENOENT' });
});
