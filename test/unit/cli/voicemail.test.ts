import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { IdlocError } from '../../../src/base/errors.ts';
import type { Result } from '../../../src/control/schemas.ts';
import { oggOfBytes } from '../../sim/voice-mail/ogg.ts';
import { stubAgent } from './stub-agent.ts';

type Messages = Result<'voicemail'>['messages'];

const OGG = oggOfBytes(262_144);
const at = new Date(2026, 10, 30, 14, 5).getTime();
const MESSAGES: Messages = [
  { id: '0123456789abcdef', from: 'carol@home.example', at, seconds: 75, isNew: true, isWhole: true },
  { id: 'fedcba9876543210', from: '+49301234567', at: at + 60_000, seconds: 4, isNew: false, isWhole: true },
  { id: 'aaaaaaaaaaaaaaaa', from: 'dan@home.example', at: at + 60_000, seconds: 5, isNew: true, isWhole: false },
  { id: 'bbbbbbbbbbbbbbbb', from: 'dan@home.example', at: at + 60_000, seconds: 5, isNew: false, isWhole: false },
];

/** The agent of a host with a mailbox, and nothing else. */
function agent(
  t: ExecutionContext,
  messages: Messages,
  { problem = null, onHeard = () => {} }: { problem?: string | null; onHeard?: (id: string) => void } = {},
): ReturnType<typeof stubAgent> {
  return stubAgent(t, 'voicemail', {
    voicemail: () => ({ messages, problem }),
    readVoicemail: ({ id }) => {
      const found = messages.find((message) => message.id.startsWith(id));
      if (found === undefined) throw new IdlocError('no_such_message', `${id}: no message of that id`);
      return { id: found.id, ogg: Buffer.from(OGG).toString('base64') };
    },
    markVoicemailHeard: ({ id }) => {
      onHeard(id);
      return {};
    },
    removeVoicemail: ({ ids }) => ({ removed: ids }),
  });
}

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'idloc-voicemail-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

test('messages are listed for a person and as JSON, and what keeps some from being seen is said beside them', async (t) => {
  const voicemail = await agent(t, [...MESSAGES], { problem: 'not all of the mailbox can be seen now' });
  const listed = await voicemail();
  t.deepEqual(
    [listed.status, listed.stdout, listed.stderr],
    [
      0,
      [
        'ID                LEFT              LENGTH      FROM',
        '0123456789abcdef  2026-11-30 14:05  1 min 15 s  carol@home.example  new',
        'fedcba9876543210  2026-11-30 14:06  4 s         +49301234567',
        'aaaaaaaaaaaaaaaa  2026-11-30 14:06  5 s         dan@home.example    new, not whole',
        'bbbbbbbbbbbbbbbb  2026-11-30 14:06  5 s         dan@home.example    not whole',
        '',
      ].join('\n'),
      'not all of the mailbox can be seen now\n',
    ],
  );
  const json = JSON.parse((await voicemail('--json')).stdout) as Result<'voicemail'>;
  t.deepEqual(json, { messages: MESSAGES, problem: 'not all of the mailbox can be seen now' });
  const none = await (await agent(t, []))();
  t.deepEqual([none.status, none.stdout, none.stderr], [0, '', 'no messages\n']);
});

test('a recording is saved for its owner alone, and no file is overwritten', async (t) => {
  const voicemail = await agent(t, [...MESSAGES]);
  const file = join(folder(t), 'carol.ogg');
  const saved = await voicemail('save', '0123', file);
  t.deepEqual([saved.status, saved.stdout, saved.stderr], [0, `0123456789abcdef  ${file}\n`, '']);
  t.deepEqual(new Uint8Array(readFileSync(file)), OGG);
  t.is(statSync(file).mode & 0o777, 0o600);
  const again = await voicemail('save', 'fedc', file);
  t.is(again.status, 1);
  t.regex(again.stderr, /is there already and is not overwritten/);
  t.deepEqual(new Uint8Array(readFileSync(file)), OGG);
  const other = join(folder(t), 'other.ogg');
  const unknown = await voicemail('save', 'abab', other);
  t.deepEqual([unknown.status, unknown.stderr], [1, 'idloc: abab: no message of that id\n']);
  t.throws(() => statSync(other), { code: 'ENOENT' });
  const json = await voicemail('save', 'fedc', other, '--json');
  t.deepEqual(JSON.parse(json.stdout), { id: 'fedcba9876543210', file: other, bytes: OGG.length });
});

test('a message counts as heard when its file is written, and not when it cannot be', async (t) => {
  const path = folder(t);
  const heard: unknown[] = [];
  const file = join(path, 'carol.ogg');
  const voicemail = await agent(t, [...MESSAGES], { onHeard: (id) => heard.push([id, readFileSync(file).length]) });
  const nowhere = await voicemail('save', '0123', join(path, 'no-folder', 'carol.ogg'));
  t.is(nowhere.status, 1);
  t.deepEqual(heard, []);
  await voicemail('save', '0123', file);
  t.deepEqual(heard, [['0123456789abcdef', OGG.length]]);
});

test('messages are removed by their ids; what is no id is refused before anything is removed', async (t) => {
  const voicemail = await agent(t, [...MESSAGES]);
  const removed = await voicemail('remove', '0123456789abcdef', 'fedcba9876543210');
  t.deepEqual([removed.status, removed.stdout], [0, '0123456789abcdef  removed\nfedcba9876543210  removed\n']);
  t.is((await voicemail('remove')).status, 2);
  const wrong = await voicemail('remove', '0123456789abcdef', 'all');
  t.deepEqual([wrong.status, wrong.stdout], [1, '']);
  t.regex(wrong.stderr, /must be an id that `idloc voicemail` shows/);
});
