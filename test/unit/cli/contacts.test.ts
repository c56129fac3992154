import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ContactEntry } from '../../../src/control/schemas.ts';
import { stubAgent } from './stub-agent.ts';

/** An agent that has an address book, and nothing else. */
function agent(t: ExecutionContext): ReturnType<typeof stubAgent> {
  const contacts = new Map<string, ContactEntry>();
  return stubAgent(t, 'contacts', {
    contacts: () => ({ contacts: [...contacts.values()], problem: null }),
    changeContacts: ({ put, remove }: { put: ContactEntry[]; remove: string[] }) => {
      for (const uid of remove) contacts.delete(uid);
      for (const contact of put) contacts.set(contact.uid, contact);
      return { put: put.length, removed: remove.length };
    },
  });
}

test('contacts are added, listed, exported, imported again and removed', async (t) => {
  const contacts = await agent(t);
  const none = await contacts();
  t.deepEqual([none.status, none.stdout], [0, '']);
  t.regex(none.stderr, /there are no contacts/);
  const added = await contacts('add', 'Bob Meier', 'bob@home.example', '+49 30 123');
  t.deepEqual([added.status, added.stdout], [0, 'Bob Meier  sip:bob@home.example  tel:+4930123\n']);
  await contacts('add', 'Bob Meier', 'bob@office.example');
  const listed = await contacts('list');
  t.is(listed.stdout, 'NAME       ADDRESSES\nBob Meier  sip:bob@home.example  tel:+4930123  sip:bob@office.example\n');
  const exported = await contacts('export');
  t.regex(exported.stdout, /^BEGIN:VCARD\r\nVERSION:4\.0\r\n[^]*FN:Bob Meier\r\n[^]*END:VCARD\n$/);
  const removed = await contacts('remove', 'bob@office.example');
  t.deepEqual([removed.status, removed.stdout], [0, 'Bob Meier  removed\n']);
  const file = join(mkdtempSync(join(tmpdir(), 'idloc-vcf-')), 'all.vcf');
  t.teardown(() => rmSync(join(file, '..'), { recursive: true }));
  writeFileSync(file, `${exported.stdout}BEGIN:VCARD\nVERSION:2.1\nEND:VCARD\n`);
  const imported = await contacts('import', file);
  t.deepEqual([imported.status, imported.stdout], [0, '1 contacts imported\n']);
  t.regex(imported.stderr, /all\.vcf:\d+: left out: version 2\.1 is not read/);
  const json = JSON.parse((await contacts('--json')).stdout) as { contacts: ContactEntry[] };
  t.is(json.contacts[0]?.name, 'Bob Meier');
});

test('what cannot be called, nobody has, or is no vCard is refused in one line', async (t) => {
  const contacts = await agent(t);
  for (const [args, message] of [
    [['add', 'Bob', 'bob'], /^idloc: bob: nothing to call/],
    [['remove', 'Bob'], /^idloc: Bob: no contact/],
    [['import', '/dev/null'], /^idloc: \/dev\/null: no vCard in it/],
    [['import', '/nowhere'], /^idloc: \/nowhere cannot be read/],
  ] as const) {
    const { status, stdout, stderr } = await contacts(...args);
    t.deepEqual([status, stdout], [1, '']);
    t.regex(stderr, message);
    t.is(stderr.trim().split('\n').length, 1);
  }
  t.is((await contacts('add', 'Bob')).status, 2);
});
