import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { orchidRing } from '../../../src/overlay/chord/ring.ts';
import type { OverlayEvent } from '../../../src/overlay/events.ts';
import type { FetchResult, StoreResult, StoreSpec } from '../../../src/overlay/storage/storage-client.ts';
import { decodeLocatorsValue, encodeLocatorsValue } from '../../../src/overlay/storage/values.ts';
import { Whereabouts, type WhereaboutsOverlay, type WhereaboutsRecord } from '../../../src/overlay/whereabouts.ts';

const SELF = `20010022${'1'.repeat(24)}`;
const PEER = `20010022${'2'.repeat(24)}`;
const at = (last: number): SocketAddress => ({ address: `203.0.113.${last}`, port: 6084 });

interface World {
  readonly whereabouts: Whereabouts;
  readonly stored: { readonly at: number; readonly addresses: string[] | undefined }[];
  readonly learned: WhereaboutsRecord[];
  readonly overlay: { role: 'peer' | 'client' };
  own: SocketAddress[];
  refuses: boolean;
  answer: FetchResult;
  join: () => void;
  run: (until: number) => void;
}

function world(): World {
  let now = 0;
  let onEvent: (event: OverlayEvent, now: number) => void = () => {};
  const overlay = {
    nodeId: SELF,
    role: 'peer' as 'peer' | 'client',
    state: 'joined',
    settings: { ring: orchidRing },
    onEvent: (handler: typeof onEvent) => (onEvent = handler),
    store: ({ value }: StoreSpec, when: number, done: (result: StoreResult, now: number) => void) => {
      if (value.model !== 'single') throw new Error('of another model');
      const addresses = value.exists ? decodeLocatorsValue(value.value).map(({ address }) => address) : undefined;
      w.stored.push({ at: when, addresses });
      if (w.refuses) done({ ok: false, error: new Error('refused') as never }, when);
      else done({ ok: true, generation: 1n, replicas: [], responder: PEER, hops: 1 }, when);
    },
    fetch: (_spec: unknown, when: number, done: (result: FetchResult, now: number) => void) => done(w.answer, when),
  };
  const w: World = {
    whereabouts: new Whereabouts({
      overlay: overlay as unknown as WhereaboutsOverlay,
      ports: { own: () => w.own, wanted: () => [PEER], learned: (_hit, record) => w.learned.push(record) },
      random: seededRandom(1),
      logger: silentLogger,
    }),
    stored: [],
    learned: [],
    overlay,
    own: [at(1)],
    refuses: false,
    answer: { ok: true, values: [], removed: [], refused: 0, generation: 0n, responder: PEER, hops: 1 },
    join: () => onEvent({ type: 'joined' }, now),
    run: (until) => {
      for (
        let next = w.whereabouts.nextTimeout();
        next !== undefined && next <= until;
        next = w.whereabouts.nextTimeout()
      ) {
        now = next;
        w.whereabouts.handleTimeout(now);
      }
      now = until;
    },
  };
  return w;
}

function answerOf(signer: string, value: Uint8Array): FetchResult {
  const single = { model: 'single' as const, exists: true, value };
  const fetched = {
    value: single,
    signer: { nodeId: signer, user: null },
    certificate: undefined,
    storageTime: 5,
    lifetimeS: 1,
  };
  return { ok: true, values: [fetched], removed: [], refused: 0, generation: 1n, responder: PEER, hops: 1 };
}

test('a peer writes its record soon after it came in, and again before its end', (t) => {
  const w = world();
  w.join();
  w.run(10_000);
  t.deepEqual(
    w.stored.map(({ addresses }) => addresses),
    [['203.0.113.1']],
  );
  w.run(3_600_000);
  t.true(w.stored.length >= 3);
  w.stored.reduce((before, record) => {
    t.true(record.at - before.at < 1_800_000);
    return record;
  });
});

test('a move is told within two seconds; addresses that change every second cost a few records a minute', (t) => {
  const w = world();
  w.join();
  w.run(300_000);
  w.own = [at(2)];
  w.whereabouts.changed(300_000);
  w.run(302_000);
  t.deepEqual(w.stored.at(-1)?.addresses, ['203.0.113.2']);
  const before = w.stored.length;
  for (let now = 303_000; now < 903_000; now += 1_000) {
    w.own = [at((now / 1_000) % 200)];
    w.whereabouts.changed(now);
    w.run(now);
  }
  t.true(w.stored.length - before <= 18, `${w.stored.length - before} records in ten minutes`);
});

test('refused records are tried again at growing pauses, whatever changes meanwhile', (t) => {
  const w = world();
  w.refuses = true;
  w.join();
  for (let now = 0; now < 600_000; now += 1_000) {
    w.whereabouts.changed(now);
    w.run(now);
  }
  t.true(w.stored.length <= 8, `${w.stored.length} tries in ten minutes`);
});

test('who becomes a client takes its record away and writes no other one; as a peer again it does', (t) => {
  const w = world();
  w.join();
  w.run(10_000);
  w.overlay.role = 'client';
  w.whereabouts.changed(10_000);
  w.run(7_200_000);
  t.deepEqual(
    w.stored.slice(1).map(({ addresses }) => addresses),
    [undefined],
  );
  w.overlay.role = 'peer';
  w.whereabouts.changed(7_200_000);
  w.run(7_205_000);
  t.deepEqual(w.stored.at(-1)?.addresses, ['203.0.113.1']);
});

test('who leaves takes its record away, and does not write it again', (t) => {
  const w = world();
  w.join();
  w.run(10_000);
  const answers: boolean[] = [];
  w.whereabouts.giveBack(10_000, (complete) => answers.push(complete));
  w.own = [at(3)];
  w.whereabouts.changed(10_001);
  w.run(7_200_000);
  t.deepEqual(answers, [true]);
  t.deepEqual(
    w.stored.slice(1).map(({ addresses }) => addresses),
    [undefined],
  );
});

test('of what is fetched only a well-formed record of the host itself is learned', (t) => {
  const w = world();
  const record = encodeLocatorsValue([at(7)]);
  const asked: (readonly SocketAddress[])[] = [];
  for (const answer of [answerOf(SELF, record), answerOf(PEER, record.subarray(1)), answerOf(PEER, new Uint8Array())]) {
    w.answer = answer;
    w.whereabouts.lookup(PEER, 1, (locators) => asked.push(locators));
  }
  t.deepEqual(asked, [[], [], []]);
  t.deepEqual(w.learned, []);
  w.answer = answerOf(PEER, record);
  w.whereabouts.lookup(PEER, 1, (locators) => asked.push(locators));
  t.deepEqual(asked.at(-1), [at(7)]);
  t.deepEqual(w.learned, [{ locators: [at(7)], writtenAt: 5 }]);
});
