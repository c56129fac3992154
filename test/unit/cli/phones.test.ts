import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import type { PhoneFileEntry } from '../../../src/control/schemas.ts';
import { stubAgent } from './stub-agent.ts';

const SAVED_AT = 1_700_000_000_000;
const ACCOUNTS = '<sip:alice@home.example>;auth_pass=geheim\n';

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'idloc-phones-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

/** An agent that keeps files of phones, and nothing else. */
function agent(t: ExecutionContext, problem: string | null = null): ReturnType<typeof stubAgent> {
  const files = new Map<string, PhoneFileEntry & { content: string }>();
  const entry = ({ name, bytes, savedAt }: PhoneFileEntry): PhoneFileEntry => ({ name, bytes, savedAt });
  const known = (name: string): PhoneFileEntry & { content: string } => {
    const file = files.get(name);
    if (file === undefined) throw new IdlocError('no_such_file', `${name}: no file of that name`);
    return file;
  };
  return stubAgent(t, 'phones', {
    phoneFiles: () => ({ files: [...files.values()].map(entry), problem }),
    readPhoneFile: ({ name }: { name: string }) => known(name),
    savePhoneFile: ({ name, content }: { name: string; content: string }) => {
      const file = { name, bytes: Buffer.from(content, 'base64').length, savedAt: SAVED_AT, content };
      files.set(name, file);
      return { ...entry(file), problem };
    },
    removePhoneFiles: ({ names }: { names: string[] }) => {
      for (const name of names) known(name);
      for (const name of names) files.delete(name);
      return { removed: names, problem };
    },
  });
}

test('a file is saved, listed, shown, written for its owner alone and removed', async (t) => {
  const phones = await agent(t);
  const path = folder(t);
  const none = await phones();
  t.deepEqual([none.status, none.stdout], [0, '']);
  t.regex(none.stderr, /^no file is kept: `idloc phones save NAME FILE`/);
  writeFileSync(join(path, 'accounts'), ACCOUNTS);
  const saved = await phones('save', 'baresip/accounts', join(path, 'accounts'));
  t.deepEqual([saved.status, saved.stdout, saved.stderr], [0, `baresip/accounts  ${ACCOUNTS.length} bytes\n`, '']);
  const listed = await phones('list');
  t.regex(listed.stdout, /^NAME {14}BYTES {2}SAVED\nbaresip\/accounts {2}42 {5}2023-11-1\d \d\d:\d\d\n$/);
  t.is((await phones('show', 'baresip/accounts')).stdout, ACCOUNTS);
  const copy = join(path, 'copy');
  const written = await phones('show', 'baresip/accounts', '--output', copy);
  t.deepEqual([written.status, written.stdout], [0, `baresip/accounts  ${copy}\n`]);
  t.deepEqual([readFileSync(copy, 'utf8'), statSync(copy).mode & 0o777], [ACCOUNTS, 0o600]);
  t.deepEqual(readdirSync(path).sort(), ['accounts', 'copy'], 'nothing else is left there');
  const removed = await phones('remove', 'baresip/accounts');
  t.deepEqual([removed.status, removed.stdout], [0, 'baresip/accounts  removed\n']);
  t.is((await phones('show', 'baresip/accounts')).status, 1);
});

test('a file that is there is replaced where that is asked for, whole and for its owner alone, and a link in its place is not followed', async (t) => {
  const phones = await agent(t);
  const path = folder(t);
  const [from, to, target] = ['from', 'to', 'target'].map((name) => join(path, name));
  if (from === undefined || to === undefined || target === undefined) return t.fail();
  writeFileSync(from, ACCOUNTS);
  await phones('save', 'accounts', from);
  writeFileSync(target, 'what is there', { mode: 0o644 });
  symlinkSync(target, to);
  for (const there of [target, to]) {
    const refused = await phones('show', 'accounts', '--output', there);
    t.deepEqual([refused.status, refused.stdout], [1, '']);
    t.regex(refused.stderr, /is there already and is not overwritten/);
  }
  t.is((await phones('show', 'accounts', '--output', to, '--force')).status, 0);
  t.deepEqual([readFileSync(to, 'utf8'), statSync(to).mode & 0o777], [ACCOUNTS, 0o600]);
  t.is(readFileSync(target, 'utf8'), 'what is there');
  const nowhere = await phones('show', 'accounts', '--output', join(path, 'no', 'folder'));
  t.is(nowhere.status, 1);
  t.regex(nowhere.stderr, /^idloc: .* cannot be written: ENOENT/);
  t.deepEqual(readdirSync(path).sort(), ['from', 'target', 'to']);
});

test('what is no text comes out byte by byte where a program reads it, and with --json in base64', async (t) => {
  const phones = await agent(t);
  const path = folder(t);
  const bytes = Buffer.from([0xff, 0x1b, 0x5b, 0x32, 0x4a, 0x00, 0x0a]);
  writeFileSync(join(path, 'binary'), bytes);
  writeFileSync(join(path, 'text'), 'Grüße\n');
  await phones('save', 'binary', join(path, 'binary'));
  await phones('save', 'text', join(path, 'text'));
  t.is((await phones('show', 'binary')).stdout, bytes.toString('utf8'));
  await phones('show', 'binary', '--output', join(path, 'copy'));
  t.deepEqual(readFileSync(join(path, 'copy')), bytes);
  const shown = async (name: string): Promise<unknown> => JSON.parse((await phones('show', name, '--json')).stdout);
  t.deepEqual(await shown('binary'), {
    ...{ name: 'binary', bytes: 7, savedAt: SAVED_AT },
    base64: bytes.toString('base64'),
  });
  t.like(await shown('text'), { name: 'text', text: 'Grüße\n' });
  t.deepEqual(JSON.parse((await phones('--json')).stdout), {
    files: [
      { name: 'binary', bytes: 7, savedAt: SAVED_AT },
      { name: 'text', bytes: 8, savedAt: SAVED_AT },
    ],
    problem: null,
  });
});

test('why the other hosts do not have it is said on stderr, after what was done', async (t) => {
  const phones = await agent(t, 'nobody answers');
  const path = join(folder(t), 'text');
  writeFileSync(path, 'x');
  const saved = await phones('save', 'text', path);
  t.deepEqual([saved.status, saved.stdout, saved.stderr], [0, 'text  1 bytes\n', 'nobody answers\n']);
  t.like(JSON.parse((await phones('save', 'text', path, '--json')).stdout), { problem: 'nobody answers' });
});

test('what is too large, no file, or has a name that a terminal would obey is refused in one line', async (t) => {
  const phones = await agent(t);
  const path = join(folder(t), 'large');
  writeFileSync(path, Buffer.alloc(65_537));
  for (const [args, message] of [
    [['save', 'large', path], /^idloc: .*large is too large: 65536 bytes are the most/],
    [['save', 'endless', '/dev/zero'], /^idloc: \/dev\/zero is too large/],
    [['save', 'folder', '/'], /^idloc: \/ cannot be read: EISDIR/],
    [['save', 'none', '/nowhere'], /^idloc: \/nowhere cannot be read: ENOENT/],
    [['save', '\u001b[2J', '/dev/null'], /^idloc: savePhoneFile: name: must be a name of 1 to 64 characters/],
    [['save', ' x', '/dev/null'], /^idloc: savePhoneFile: name: must be a name/],
    [['show', 'none'], /^idloc: none: no file of that name/],
  ] as const) {
    const { status, stdout, stderr } = await phones(...args);
    t.deepEqual([status, stdout], [1, '']);
    t.regex(stderr, message);
    t.is(stderr.trim().split('\n').length, 1);
  }
  t.is((await phones('save', 'nothing', '/dev/null')).status, 0);
});
