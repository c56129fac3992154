import test from 'ava';
import { Outbox, type OutboxComponents } from '../../../../src/agent/voice-mail/outbox.ts';
import type { Letter } from '../../../../src/agent/voice-mail/mail-sender.ts';
import { IdlocError } from '../../../../src/base/errors.ts';
import { type Logger, silentLogger } from '../../../../src/base/logger.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { MemoryState } from '../../../sim/voice-mail/mail-host.ts';
import { oggOfBytes } from '../../../sim/voice-mail/ogg.ts';

const BOB = 'bob@home.example';
const WALL = 1_700_000_000_000;
const DAY_MS = 86_400_000;
const RECORDING = { ogg: oggOfBytes(2_000), seconds: 4.2, at: WALL, from: 'carol@home.example' };

/** A host over its lives: its state directory stays. */
class Host {
  readonly state = new MemoryState();
  readonly sent: Letter[] = [];
  /** What becomes of the next ones; none: they are stored. */
  readonly failures: Error[] = [];
  readonly warnings: string[] = [];
  timers: { readonly ms: number; readonly then: () => void }[] = [];
  now = WALL;
  outbox = this.start();

  start(over: Partial<OutboxComponents> = {}): Outbox {
    this.timers = [];
    const logger: Logger = { ...silentLogger, warn: (message: string) => void this.warnings.push(message) };
    this.outbox = new Outbox({
      send: (letter) => {
        const failure = this.failures.shift();
        if (failure !== undefined) return Promise.reject(failure);
        this.sent.push(letter);
        return Promise.resolve();
      },
      state: this.state,
      clock: { wall: () => this.now },
      random: seededRandom(this.state.files.size + 1),
      logger,
      after: (ms, then) => {
        const timer = { ms, then };
        this.timers.push(timer);
        return () => void (this.timers = this.timers.filter((other) => other !== timer));
      },
      ...over,
    });
    return this.outbox;
  }

  get files(): string[] {
    return [...this.state.files.keys()];
  }
}

test('a recording is on the disk until it is stored, is tried again later each time, and whoever has left it hears of it then', async (t) => {
  const host = new Host();
  host.failures.push(...Array.from({ length: 12 }, () => new Error('nobody answers')));
  const left = host.outbox.leave('Bob@home.example', RECORDING);
  await host.outbox.sendAll();
  const waits: number[] = [];
  const isSent = (): boolean => host.sent.length > 0;
  while (!isSent()) {
    await host.outbox.sendAll();
    t.deepEqual(host.files, isSent() ? [] : ['voice-mail.out.0']);
    waits.push(host.timers.at(-1)?.ms ?? 0);
  }
  await left;
  t.like(host.sent[0], { ...RECORDING, user: BOB });
  t.true(waits.includes(600_000) && Math.max(...waits) === 600_000);
});

test('a recording of a former life is sent as it was, and nobody is told', async (t) => {
  const host = new Host();
  host.failures.push(...Array.from({ length: 50 }, () => new Error('nobody answers')));
  const left = host.outbox.leave(BOB, RECORDING);
  while (host.outbox.size === 0) await host.outbox.sendAll();
  await host.outbox.stop();
  await t.throwsAsync(left, { code: 'stopped' });
  t.deepEqual(host.files, ['voice-mail.out.0']);
  host.failures.length = 0;
  host.start();
  t.is(host.outbox.size, 1);
  await host.outbox.sendAll();
  t.deepEqual(host.sent[0]?.ogg, RECORDING.ogg);
  t.like(host.sent[0], { user: BOB, at: WALL, seconds: 4.2, from: 'carol@home.example' });
  t.deepEqual(host.files, []);
});

test('a message that finds no room is kept: it is tried after an hour, or when room is made, and the log says so once', async (t) => {
  for (const code of ['mailbox_full', 'mail_quota'])
    for (const how of ['an hour', 'room', 'a clock that is set back'] as const) {
      const host = new Host();
      host.failures.push(new IdlocError(code, 'the mailbox is full'));
      const left = host.outbox.leave(BOB, RECORDING);
      while (host.warnings.length === 0) await host.outbox.sendAll();
      for (let i = 0; i < 3; i++) await host.outbox.sendAll();
      t.deepEqual([host.files, host.sent, host.warnings], [['voice-mail.out.0'], [], ['a message waits for room']]);
      if (how === 'room') host.outbox.roomMade();
      else host.now += how === 'an hour' ? 3_600_000 : -DAY_MS;
      while (host.sent.length === 0) await host.outbox.sendAll();
      await left;
      t.deepEqual(host.files, []);
    }
});

test('what cannot be stored at all, or is too old, is told to whoever has left it and to the log, and is not kept', async (t) => {
  const host = new Host();
  host.failures.push(new IdlocError('bad_recording', 'the recording cannot be stored'));
  await t.throwsAsync(host.outbox.leave(BOB, RECORDING), { code: 'bad_recording' });
  t.deepEqual([host.files, host.warnings], [[], ['a message is lost']]);
  const late = new Host();
  late.now = WALL + 15 * DAY_MS;
  await t.throwsAsync(late.outbox.leave(BOB, RECORDING), { code: 'recording_expired' });
  t.deepEqual([late.files, late.sent], [[], []]);
});

test('sixteen recordings wait at most; one more is refused, and all are sent later', async (t) => {
  const host = new Host();
  host.failures.push(...Array.from({ length: 400 }, () => new Error('nobody answers')));
  const left = Array.from({ length: 16 }, () => host.outbox.leave(BOB, { ...RECORDING, ogg: oggOfBytes(262_144) }));
  await t.throwsAsync(host.outbox.leave(BOB, RECORDING), { code: 'outbox_full' });
  while (host.outbox.size < 16) await host.outbox.sendAll();
  t.false(host.outbox.hasRoom(0));
  const bytes = [...host.state.files.values()].reduce((sum, { length }) => sum + length, 0);
  t.is(host.files.length, 16);
  t.true(bytes < 4.1 * 1024 * 1024, `${bytes} bytes`);
  host.failures.length = 0;
  await host.outbox.sendAll();
  await host.outbox.sendAll();
  await Promise.all(left);
  t.deepEqual(
    [0, 15, 16].map((underWay) => host.outbox.hasRoom(underWay)),
    [true, true, false],
  );
  t.is(new Set(host.sent.map(({ id }) => id)).size, 16);
});

test('what was said when the agent ends is on the disk when the outbox has stopped, and sent in the next life', async (t) => {
  const host = new Host();
  const { state } = host;
  const write = state.writeSoon.bind(state);
  const disk = Promise.withResolvers<undefined>();
  state.writeSoon = async (name, content) => {
    await disk.promise;
    await write(name, content);
  };
  const left = t.throwsAsync(host.outbox.leave(BOB, RECORDING), { code: 'stopped' });
  const stopping = host.outbox.stop();
  disk.resolve(undefined);
  await stopping;
  t.deepEqual(host.files, ['voice-mail.out.0']);
  await left;
  host.start();
  await host.outbox.sendAll();
  t.is(host.sent.length, 1);
});

test('a disk that is slow to remove holds nothing up: what comes meanwhile is sent, and its file is not the one that goes', async (t) => {
  const host = new Host();
  const { state } = host;
  const disk = Promise.withResolvers<undefined>();
  const removed: string[] = [];
  state.removeSoon = async (name) => {
    state.files.delete(name);
    removed.push(name);
    await disk.promise;
  };
  const first = host.outbox.leave(BOB, RECORDING);
  while (removed.length === 0) await Promise.resolve();
  host.failures.push(new Error('nobody answers'));
  const second = host.outbox.leave(BOB, RECORDING);
  while (host.outbox.size === 0) await Promise.resolve();
  t.is(host.files.length, 1);
  disk.resolve(undefined);
  await first;
  await host.outbox.sendAll();
  t.is(host.files.length, 1, 'the second waits on the disk');
  while (host.sent.length < 2) await host.outbox.sendAll();
  await second;
  t.deepEqual(host.files, []);
});

test('what is no recording is refused at once', async (t) => {
  const host = new Host();
  for (const wrong of [
    { ...RECORDING, ogg: new Uint8Array(100) },
    { ...RECORDING, ogg: oggOfBytes(300_000) },
    { ...RECORDING, seconds: Number.NaN },
    { ...RECORDING, seconds: -1 },
    { ...RECORDING, from: 'x'.repeat(300) },
  ])
    await t.throwsAsync(host.outbox.leave(BOB, wrong), { code: 'bad_recording' });
  t.deepEqual([host.files, host.sent], [[], []]);
});

test('a disk without room costs the restart alone, and a file that was changed is not sent', async (t) => {
  const full = new Host();
  full.state.writeSoon = () => Promise.reject(new Error('no space'));
  await full.outbox.leave(BOB, RECORDING);
  t.is(full.sent.length, 1);
  t.deepEqual(full.warnings, ['a message does not outlive a restart until it is stored']);
  const host = new Host();
  const head = JSON.stringify({ id: '0123456789abcdef', user: BOB, at: WALL, seconds: 1, from: '' });
  const broken = ['', '\n', 'x', `${head}\n`, `${head}\nOggX`, `{"id":"../../x"}\n`];
  for (const [i, text] of broken.entries()) host.state.files.set(`voice-mail.out.${i}`, Buffer.from(text));
  host.start();
  t.is(host.outbox.size, 0);
  t.is(host.warnings.length, broken.length);
  await host.outbox.leave(BOB, RECORDING);
  t.is(host.sent.length, 1);
});
