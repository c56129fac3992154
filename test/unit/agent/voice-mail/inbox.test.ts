import test from 'ava';
import { Inbox } from '../../../../src/agent/voice-mail/inbox.ts';
import { VoiceMailJournal } from '../../../../src/agent/voice-mail/journal.ts';
import type { MailOverlay } from '../../../../src/agent/voice-mail/mail-overlay.ts';
import { PartStore } from '../../../../src/agent/voice-mail/part-store.ts';
import { headContext, recordingContext } from '../../../../src/agent/voice-mail/sealed-mail.ts';
import { fromHex } from '../../../../src/base/bytes.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { HostIdentity } from '../../../../src/identity/host-identity.ts';
import { sealDocument } from '../../../../src/identity/sealed-document.ts';
import {
  encodeMail,
  encodeMailHead,
  encodeMailPart,
  mailPartName,
  mailboxPlaceName,
} from '../../../../src/overlay/storage/mail-value.ts';
import type { FetchedValue } from '../../../../src/overlay/storage/storage-client.ts';
import type { StoredMetaData } from '../../../../src/reload/index.ts';
import { MemoryState } from '../../../sim/voice-mail/mail-host.ts';
import { oggOfBytes } from '../../../sim/voice-mail/ogg.ts';

const BOB = 'bob@home.example';
const CAROL = 'carol@home.example';
const WALL = 1_700_000_000_000;
const DAY_MS = 86_400_000;
const ID = '0123456789abcdef';
const random = seededRandom(20261130);
const writerOf = (i: number): string => `20010022${i.toString(16).padStart(24, '0')}`;

interface Left {
  readonly writer?: number;
  readonly place?: number;
  /** That the value says. */
  readonly says?: { readonly place?: number; readonly user?: string; readonly id?: string };
  readonly context?: string;
  readonly at?: number;
  readonly storageTime?: number;
  readonly sealed?: Uint8Array;
}

/** A mailbox, as a peer may tell of it. */
class Mailbox {
  readonly identity = HostIdentity.generate();
  readonly stored = new Map<string, { key: string; value: FetchedValue }[]>();
  /** More keys, of which nothing is stored. */
  madeUp = 0;
  wall = WALL;
  fetches = 0;
  readonly inbox = this.makeInbox();

  async leave({
    writer = 1,
    place = 0,
    says = {},
    context,
    at = WALL,
    storageTime = WALL,
    sealed,
  }: Left): Promise<void> {
    const key = writerOf(writer);
    const { user = BOB, id = ID } = says;
    const head = encodeMailHead({ at, seconds: 3, parts: { slot: 2, savedAt: 1, count: 1 }, from: '+4930' });
    const content =
      sealed ?? (await sealDocument(head, [this.identity.spki], context ?? headContext(BOB, key, ID), random));
    const name = mailboxPlaceName(place, BOB);
    const bytes = encodeMail({ place: says.place ?? place, user, id, sealed: content });
    const value = { model: 'dictionary' as const, key: fromHex(key), exists: true, value: bytes };
    const signer = { nodeId: key, user: CAROL };
    const entry = { key, value: { value, signer, certificate: undefined, storageTime, lifetimeS: 1 } };
    this.stored.set(name, [...(this.stored.get(name) ?? []).filter((other) => other.key !== key), entry]);
  }

  /** The part of what `leave` has left. */
  async record(ogg: Uint8Array, writer = 1): Promise<void> {
    const key = writerOf(writer);
    const context = recordingContext(BOB, key, ID, 1);
    const content = await sealDocument(ogg, [this.identity.spki], context, random);
    const part = encodeMailPart({ slot: 2, index: 0, count: 1, savedAt: 1, content });
    const value = { model: 'single' as const, exists: true, value: part };
    const signer = { nodeId: key, user: CAROL };
    const entry = { key, value: { value, signer, certificate: undefined, storageTime: WALL, lifetimeS: 1 } };
    this.stored.set(mailPartName(key, 2, 0), [entry]);
  }

  private makeInbox(): Inbox {
    const overlay: MailOverlay = {
      ...{ nodeId: this.identity.hit, user: BOB, overlay: 'home.example' },
      hosts: () => Promise.resolve([]),
      store: () => Promise.resolve(),
      stat: (name) => Promise.resolve(this.told(name)),
      fetch: ({ name, keys }) => {
        this.fetches += 1;
        const asked = keys?.map((key) => Buffer.from(key).toString('hex'));
        const found = (this.stored.get(name) ?? []).filter(({ key }) => asked?.includes(key) ?? true);
        return Promise.resolve({ values: found.map(({ value }) => value), removed: [] });
      },
    };
    return new Inbox({
      ...{ overlay, parts: new PartStore({ overlay }), identity: this.identity, logger: silentLogger },
      journal: new VoiceMailJournal({ state: new MemoryState(), logger: silentLogger }),
      clock: { wall: () => this.wall },
      ...{ gateways: [], isWelcome: () => true },
    });
  }

  private told(name: string): StoredMetaData[] {
    const made = Array.from({ length: this.madeUp }, (_, i) => ({ key: writerOf(1_000 + i), storageTime: WALL }));
    const there = (this.stored.get(name) ?? []).map(({ key, value }) => ({ key, storageTime: value.storageTime }));
    return [...there, ...made].map(({ key, storageTime }) => ({
      ...{ storageTime: BigInt(storageTime), lifetime: 1 },
      metadata: {
        ...{ model: 'dictionary', key: fromHex(key), exists: true },
        ...{ valueLength: 1, hashAlgorithm: 4, hash: new Uint8Array(32) },
      },
    }));
  }
}

test('a message is fetched once, and again when its writer has left another one there', async (t) => {
  const mailbox = new Mailbox();
  await mailbox.leave({});
  for (let i = 0; i < 3; i++) await mailbox.inbox.look(BOB);
  t.is(mailbox.fetches, 1);
  t.like(mailbox.inbox.messages, [{ from: CAROL, at: WALL, seconds: 3, isNew: true }]);
  await mailbox.leave({ at: WALL + 1, storageTime: WALL + 1 });
  await mailbox.inbox.look(BOB);
  t.like(mailbox.inbox.messages, [{ at: WALL + 1 }]);
});

test('what is sealed for another purpose, says another place or user, or is no head, is no message', async (t) => {
  for (const wrong of [
    { context: headContext(CAROL, writerOf(1), ID) },
    { context: headContext(BOB, writerOf(2), ID) },
    { says: { id: 'ffffffffffffffff' } },
    { says: { place: 1 } },
    { says: { user: CAROL } },
    { sealed: new Uint8Array(200) },
    { sealed: await sealDocument(new Uint8Array(3), [HostIdentity.generate().spki], 'x', random) },
  ]) {
    const mailbox = new Mailbox();
    await mailbox.leave(wrong);
    await mailbox.leave({ writer: 2, place: 3, context: headContext(BOB, writerOf(2), ID) });
    await mailbox.inbox.look(BOB);
    t.is(mailbox.inbox.messages.length, 1, JSON.stringify(wrong));
  }
});

test('a peer that makes up a thousand messages costs as many questions as a full mailbox', async (t) => {
  const mailbox = new Mailbox();
  await mailbox.leave({});
  mailbox.madeUp = 1_000;
  await mailbox.inbox.look(BOB);
  t.is(mailbox.fetches, 8 * 32);
  t.is(mailbox.inbox.messages.length, 1);
});

test('a time that cannot be is the one when the message was stored', async (t) => {
  for (const at of [0, WALL - 15 * DAY_MS, WALL + DAY_MS, Number.MAX_SAFE_INTEGER]) {
    const mailbox = new Mailbox();
    await mailbox.leave({ at });
    await mailbox.inbox.look(BOB);
    t.like(mailbox.inbox.messages, [{ at: WALL }], `${at}`);
  }
});

test('a message of which parts are missing is told as such, counts as heard when they do not come for an hour, and can be removed', async (t) => {
  const mailbox = new Mailbox();
  await mailbox.leave({});
  await mailbox.inbox.look(BOB);
  const [{ id } = { id: '' }] = mailbox.inbox.messages;
  const read = (): Promise<Uint8Array> => mailbox.inbox.read(id);
  t.like(mailbox.inbox.messages, [{ isNew: true, isWhole: true }]);
  const error = await t.throwsAsync(read(), { code: 'mail_broken' });
  t.regex(error.message, /parts of it are missing/);
  mailbox.wall += 3_599_000;
  await t.throwsAsync(read(), { code: 'mail_broken' });
  await mailbox.inbox.look(BOB);
  t.like(mailbox.inbox.messages, [{ isNew: true, isWhole: false }]);
  mailbox.wall += 1_000;
  await t.throwsAsync(read(), { code: 'mail_broken' });
  t.like(mailbox.inbox.messages, [{ isNew: false, isWhole: false }]);
  await mailbox.record(oggOfBytes(500));
  t.deepEqual(await read(), oggOfBytes(500), 'they have come after all');
  t.like(mailbox.inbox.messages, [{ isNew: false, isWhole: true }]);
  t.deepEqual(await mailbox.inbox.remove([id]), [id]);
});

test('what is no recording behind a good head is told as such, too', async (t) => {
  const mailbox = new Mailbox();
  await mailbox.leave({});
  await mailbox.record(new Uint8Array(500));
  await mailbox.inbox.look(BOB);
  const [{ id } = { id: '' }] = mailbox.inbox.messages;
  const error = await t.throwsAsync(mailbox.inbox.read(id), { code: 'mail_broken' });
  t.regex(error.message, /no recording/);
  t.like(mailbox.inbox.messages, [{ isWhole: false }]);
});

test('two messages with the same id by different hosts have different ids here, and each is named by what its id begins with', async (t) => {
  const mailbox = new Mailbox();
  for (const writer of [1, 2]) await mailbox.leave({ writer, context: headContext(BOB, writerOf(writer), ID) });
  await mailbox.inbox.look(BOB);
  const [first, second] = mailbox.inbox.messages.map(({ id }) => id);
  if (first === undefined || second === undefined) return void t.fail();
  t.not(first, second);
  t.is(mailbox.inbox.idOf(first.slice(0, 6)), first);
  for (const text of ['', first.slice(0, 3), 'fffffffffffffff0'])
    t.throws(() => mailbox.inbox.idOf(text), { code: 'no_such_message' });
  await t.throwsAsync(mailbox.inbox.remove([first, 'fffffffffffffff0']), { code: 'no_such_message' });
  t.is(mailbox.inbox.messages.length, 2, 'none is removed when one is not known');
  t.deepEqual(await mailbox.inbox.remove([first.slice(0, 6)]), [first]);
  t.deepEqual(
    mailbox.inbox.messages.map(({ id }) => id),
    [second],
  );
});
