import test from 'ava';
import { Offers } from '../../../../src/agent/voice-mail/offers.ts';
import { PartStore } from '../../../../src/agent/voice-mail/part-store.ts';
import type { FetchedMail, MailOverlay } from '../../../../src/agent/voice-mail/mail-overlay.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import {
  type MailboxValue,
  encodeMailPart,
  encodeMailbox,
  mailPartsOf,
} from '../../../../src/overlay/storage/mail-value.ts';
import { oggOfBytes } from '../../../sim/voice-mail/ogg.ts';

const BOB = 'bob@home.example';
const HIT = '20010022'.padEnd(32, 'b');

interface Stored {
  readonly value: Uint8Array;
  readonly user?: string | null;
  readonly storageTime?: number;
}

/** An overlay that holds what a test says, under its names. */
class Overlay {
  readonly stored = new Map<string, Stored[]>();
  fetches = 0;
  answers: 'all' | 'refuses' | 'never' = 'all';
  now = 0;
  timers: { readonly ms: number; readonly then: () => void }[] = [];

  readonly offers = (() => {
    const overlay: MailOverlay = {
      ...{ nodeId: HIT, user: 'carol@home.example', overlay: 'home.example' },
      hosts: () => Promise.resolve([]),
      store: () => Promise.resolve(),
      stat: () => Promise.resolve([]),
      fetch: ({ name }) => this.fetch(name),
    };
    return new Offers({
      ...{ overlay, parts: new PartStore({ overlay }), clock: { monotonic: () => this.now }, logger: silentLogger },
      after: (ms, then) => {
        const timer = { ms, then };
        this.timers.push(timer);
        return () => void (this.timers = this.timers.filter((other) => other !== timer));
      },
    });
  })();

  says(mailbox: Partial<MailboxValue>, over: Partial<Stored> = {}): void {
    const value = encodeMailbox({ ringSeconds: 25, maxSeconds: 120, greeting: null, ...mailbox });
    this.stored.set(BOB, [...(this.stored.get(BOB) ?? []), { value, ...over }]);
  }

  greets(content: Uint8Array, slot = 0): MailboxValue['greeting'] {
    const parts = mailPartsOf(content, slot, 7);
    for (const part of parts)
      this.stored.set(`mail-part:${HIT}:${slot}:${part.index}`, [{ value: encodeMailPart(part) }]);
    return { slot, savedAt: 7, count: parts.length };
  }

  private fetch(name: string): Promise<FetchedMail> {
    this.fetches += 1;
    if (this.answers === 'never') return new Promise(() => {});
    if (this.answers === 'refuses') return Promise.reject(new Error('nobody answers'));
    const values = (this.stored.get(name) ?? []).map(({ value, user = BOB, storageTime = 1 }) => ({
      value: { model: 'single' as const, exists: true, value },
      ...{ signer: { nodeId: HIT, user }, certificate: undefined, storageTime, lifetimeS: 1 },
    }));
    return Promise.resolve({ values, removed: [] });
  }
}

test('what a member says is asked once a minute, however often and however many at once ask', async (t) => {
  const overlay = new Overlay();
  overlay.says({});
  const offers = await Promise.all(Array.from({ length: 10 }, () => overlay.offers.of(BOB)));
  t.true(offers.every((offer) => offer?.ringMs === 25_000 && offer.maxSeconds === 120));
  overlay.now = 59_000;
  await overlay.offers.of(BOB);
  t.is(overlay.fetches, 1);
  overlay.now = 61_000;
  overlay.stored.clear();
  t.is(await overlay.offers.of(BOB), undefined);
  t.is(overlay.fetches, 2);
  t.deepEqual(overlay.timers, []);
});

test('a mailbox that was switched on is known five seconds after somebody has heard that there was none', async (t) => {
  const overlay = new Overlay();
  t.is(await overlay.offers.of(BOB), undefined);
  overlay.says({});
  overlay.now = 4_900;
  t.is(await overlay.offers.of(BOB), undefined);
  t.is(overlay.fetches, 1);
  overlay.now = 5_000;
  t.is((await overlay.offers.of(BOB))?.ringMs, 25_000);
});

test('an overlay that does not answer, or refuses, costs a call two seconds at most, and what was known before holds', async (t) => {
  const overlay = new Overlay();
  overlay.answers = 'never';
  const asked = overlay.offers.of(BOB);
  await Promise.resolve();
  t.deepEqual(
    overlay.timers.map(({ ms }) => ms),
    [2_000],
  );
  for (const { then } of overlay.timers) then();
  t.is(await asked, undefined);
  const other = new Overlay();
  other.answers = 'refuses';
  t.is(await other.offers.of(BOB), undefined);
  other.answers = 'all';
  other.says({ ringSeconds: 10 });
  t.is((await other.offers.of(BOB))?.ringMs, 10_000, 'a refusal is not remembered');
  other.answers = 'refuses';
  other.now = 120_000;
  t.is((await other.offers.of(BOB))?.ringMs, 10_000);
});

test('of several hosts the one counts that has said it last; what others have signed, and what is no mailbox, does not', async (t) => {
  const overlay = new Overlay();
  overlay.says({ ringSeconds: 10 }, { storageTime: 5 });
  overlay.says({ ringSeconds: 20 }, { storageTime: 9 });
  overlay.says({ ringSeconds: 30 }, { storageTime: 11, user: 'mallory@home.example' });
  overlay.says({ ringSeconds: 40 }, { storageTime: 12, user: null });
  overlay.stored.get(BOB)?.push({ value: Uint8Array.of(1, 2), storageTime: 13 });
  t.is((await overlay.offers.of(BOB))?.ringMs, 20_000);
});

test('a greeting is fetched once; one that is not whole, not Opus or too long is none', async (t) => {
  const overlay = new Overlay();
  const greeting = oggOfBytes(5_000);
  overlay.says({ greeting: overlay.greets(greeting) });
  const offer = await overlay.offers.of(BOB);
  const before = overlay.fetches;
  t.deepEqual(await offer?.greeting(), greeting);
  t.deepEqual(await offer?.greeting(), greeting);
  t.is(overlay.fetches, before + 3);
  for (const spoil of [
    (other: Overlay): MailboxValue['greeting'] => other.greets(new Uint8Array(5_000)),
    (other: Overlay): MailboxValue['greeting'] => other.greets(oggOfBytes(80_000)),
    (other: Overlay): MailboxValue['greeting'] => {
      const name = other.greets(oggOfBytes(5_000));
      other.stored.delete(`mail-part:${HIT}:0:1`);
      return name;
    },
    (other: Overlay): MailboxValue['greeting'] => ({ slot: 0, savedAt: 8, count: other.greets(greeting)?.count ?? 1 }),
  ]) {
    const other = new Overlay();
    other.says({ greeting: spoil(other) });
    t.is(await (await other.offers.of(BOB))?.greeting(), undefined);
  }
});
