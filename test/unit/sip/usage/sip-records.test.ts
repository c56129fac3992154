import test from 'ava';
import { silentLogger } from '../../../../src/base/logger.ts';
import type { Random } from '../../../../src/base/random.ts';
import { OverlayError } from '../../../../src/overlay/errors.ts';
import { overlaySettings } from '../../../../src/overlay/settings.ts';
import type { FetchResult, StoreResult } from '../../../../src/overlay/storage/storage-client.ts';
import { ERROR_CODES, decodeSipRegistration } from '../../../../src/reload/index.ts';
import { SipRecords, type SipRecordsOverlay } from '../../../../src/sip/usage/sip-records.ts';

const HIT = '20010022'.padEnd(32, '1');
const ALICE = 'alice@home.example';
const GOOD: StoreResult = { ok: true, generation: 1n, replicas: [], responder: '', hops: 1 };
const BAD: StoreResult = { ok: false, error: new OverlayError(ERROR_CODES.unknown_kind, 'no') };
/** No jitter. */
const random: Random = { bytes: (count) => new Uint8Array(count), uint32: () => 0, float: () => 0.5 };

/** Records above an overlay that answers when the test says so. */
class Bench {
  readonly stores: { readonly said: string; readonly at: number; readonly answer: (result: StoreResult) => void }[] =
    [];
  readonly fetches: { readonly at: number; readonly answer: (result: FetchResult) => void }[] = [];
  readonly records: SipRecords;
  phones: string | undefined;
  user: string | null = ALICE;
  now = 0;
  /** Answers of themselves. */
  result: StoreResult | undefined = GOOD;
  joined: (now: number) => void = () => undefined;

  constructor() {
    const user = (): string | null => this.user;
    const overlay: SipRecordsOverlay = {
      nodeId: HIT,
      state: 'joined',
      get user() {
        return user();
      },
      settings: overlaySettings({ name: 'home.example', sequence: 1 }),
      store: ({ value, lifetimeS }, at, done) => {
        const registration = value.exists ? decodeSipRegistration(value.value) : undefined;
        const said = registration?.type === 'route' ? `${registration.contactPrefs} ${lifetimeS}` : 'none';
        const answer = (result: StoreResult): void => done(result, this.now);
        this.stores.push({ said, at, answer });
        if (this.result !== undefined) answer(this.result);
      },
      fetch: (_, at, done) => this.fetches.push({ at, answer: (result) => done(result, this.now) }),
      onEvent: (handler) => {
        this.joined = (now) => handler({ type: 'joined' }, now);
      },
    };
    this.records = new SipRecords({ overlay, ports: { own: () => this.phones }, random, logger: silentLogger });
    this.joined(0);
  }

  register(phones: string | undefined): void {
    this.phones = phones;
    this.records.changed(this.now);
  }

  run(until: number): void {
    for (let at = this.records.nextTimeout(); at !== undefined && at <= until; at = this.records.nextTimeout()) {
      this.now = Math.max(this.now, at);
      this.records.handleTimeout(this.now);
    }
    this.now = until;
  }

  get log(): string[] {
    return this.stores.map(({ said, at }) => `${at} ${said}`);
  }
}

test('a record is stored when the first phone comes, for ten minutes, and refreshed at a third of it', (t) => {
  const bench = new Bench();
  bench.register('a');
  bench.run(500_000);
  t.deepEqual(bench.log, ['300 a 600', '200300 a 600', '400300 a 600']);
});

test('more phones change nothing but what they would have of callers; the last that goes takes the record away', (t) => {
  const bench = new Bench();
  bench.register('a');
  bench.run(10_000);
  bench.register('a');
  bench.run(20_000);
  bench.register('b');
  bench.run(30_000);
  bench.register(undefined);
  bench.run(1_000_000);
  t.deepEqual(bench.log, ['300 a 600', '20300 b 600', '30300 none']);
  t.is(bench.records.nextTimeout(), undefined);
});

test('a phone that comes and goes all the time is written every two seconds at most', (t) => {
  const bench = new Bench();
  for (let at = 0; at < 60_000; at += 100) {
    bench.run(at);
    bench.register(at % 200 === 0 ? 'a' : undefined);
  }
  t.true(bench.stores.length <= 30, `${bench.stores.length} writes in a minute`);
});

test('what fails is tried again, every two minutes in the end, and told the latest', (t) => {
  const bench = new Bench();
  bench.result = BAD;
  bench.register('a');
  bench.run(60_000);
  t.deepEqual(bench.log, ['300 a 600', '2300 a 600', '6300 a 600', '14300 a 600', '30300 a 600']);
  bench.register('b');
  bench.run(900_000);
  const gaps = bench.stores.slice(-2).map(({ at }) => at);
  t.is((gaps[1] ?? 0) - (gaps[0] ?? 0), 120_000);
  bench.result = GOOD;
  bench.run(1_100_000);
  t.is(bench.stores.at(-1)?.said, 'b 600');
});

test('a former life’s record is looked for after two minutes without phones, once, and only ours is taken away', (t) => {
  const none: FetchResult = { ok: true, values: [], removed: [], refused: 0, generation: 1n, responder: '', hops: 1 };
  const ours = { value: {}, signer: { nodeId: HIT, user: ALICE } } as (FetchResult & { ok: true })['values'][number];
  const others = { value: {}, signer: { nodeId: HIT.replace('1', '2'), user: ALICE } } as typeof ours;
  for (const [values, written] of [
    [[ours], ['120000 none']],
    [[others], []],
    [[], []],
  ] as const) {
    const bench = new Bench();
    bench.run(130_000);
    t.deepEqual(
      bench.fetches.map(({ at }) => at),
      [120_000],
    );
    bench.now = 120_000;
    bench.fetches[0]?.answer({ ...none, values });
    bench.run(10_000_000);
    t.deepEqual(bench.log, written);
    t.is(bench.fetches.length, 1);
  }
  const early = new Bench();
  early.run(60_000);
  early.register('a');
  early.run(130_000);
  t.is(early.fetches.length, 0, 'a phone has registered meanwhile');
});

test('after the overlay was joined anew the record is written anew', (t) => {
  const bench = new Bench();
  bench.register('a');
  bench.run(10_000);
  // Another ring may have nothing of it.
  bench.joined(10_000);
  bench.run(11_000);
  t.deepEqual(bench.log, ['300 a 600', '10300 a 600']);
});

test('a name is released under the certificate that still has it, and the next one’s record is its own', (t) => {
  const bench = new Bench();
  bench.register('a');
  bench.run(10_000);
  bench.records.releaseName(10_000);
  t.is(bench.stores.at(-1)?.said, 'none');
  bench.user = 'alina@home.example';
  bench.register('a');
  bench.run(13_000);
  t.is(bench.stores.at(-1)?.said, 'a 600');
});

test('who leaves while a record is being written takes it away behind it, and writes no more', (t) => {
  const bench = new Bench();
  bench.result = undefined;
  bench.register('a');
  bench.run(1_000);
  let complete: boolean | undefined;
  bench.records.giveBack(1_000, (ok) => (complete = ok));
  bench.stores[0]?.answer(GOOD);
  bench.stores[1]?.answer(GOOD);
  t.true(complete);
  bench.register('b');
  bench.run(1_000_000);
  t.deepEqual(bench.log, ['300 a 600', '1000 none']);
});

test('a host without a name stores nothing', (t) => {
  const bench = new Bench();
  bench.user = null;
  bench.register('a');
  bench.run(1_000_000);
  t.deepEqual([bench.stores.length, bench.fetches.length], [0, 0]);
});
