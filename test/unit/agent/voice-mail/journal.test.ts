import test from 'ava';
import { VoiceMailJournal } from '../../../../src/agent/voice-mail/journal.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { MemoryState } from '../../../sim/voice-mail/mail-host.ts';

const WALL = 1_700_000_000_000;
const id = (i: number): string => i.toString(16).padStart(16, '0');

test('what was noted is there in the next life', async (t) => {
  const state = new MemoryState();
  const journal = new VoiceMailJournal({ state, logger: silentLogger });
  const parts = { slot: 2, savedAt: 5, count: 3 };
  await journal.putSent({ id: id(1), user: 'bob@home.example', place: null, parts, until: 9 });
  await journal.putSent({ id: id(1), user: 'bob@home.example', place: 4, parts, until: 9 });
  await journal.setAnnounced({ user: 'carol@home.example', digest: 'x', greeting: null, storedAt: 1 });
  await journal.markHeard([{ id: id(2), until: WALL + 1 }], WALL);
  const next = new VoiceMailJournal({ state, logger: silentLogger });
  t.deepEqual(next.sent, [{ id: id(1), user: 'bob@home.example', place: 4, parts, until: 9 }]);
  t.is(next.announced?.digest, 'x');
  t.true(next.isHeard(id(2)) && !next.isHeard(id(3)));
  await next.dropSent(id(1));
  t.deepEqual(new VoiceMailJournal({ state, logger: silentLogger }).sent, []);
});

test('a file that is broken is taken for none, and marks of messages that are over are dropped', async (t) => {
  for (const text of ['', '{', '{"sent":[]}', '{"announced":null,"heard":[],"sent":[{"id":"x"}]}']) {
    const state = new MemoryState();
    state.files.set('voice-mail.json', Buffer.from(text));
    t.deepEqual(new VoiceMailJournal({ state, logger: silentLogger }).sent, []);
  }
  const state = new MemoryState();
  const journal = new VoiceMailJournal({ state, logger: silentLogger });
  for (let i = 0; i < 600; i++) await journal.markHeard([{ id: id(i), until: WALL + i }], WALL + i - 1);
  t.true(journal.isHeard(id(599)));
  t.false(journal.isHeard(id(500)));
  t.true((state.files.get('voice-mail.json')?.length ?? 0) < 1_000);
});
