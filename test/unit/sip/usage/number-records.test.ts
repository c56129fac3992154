import test from 'ava';
import { silentLogger } from '../../../../src/base/logger.ts';
import type { Random } from '../../../../src/base/random.ts';
import { OverlayError } from '../../../../src/overlay/errors.ts';
import { overlaySettings } from '../../../../src/overlay/settings.ts';
import { numberOf, numberResourceName, numberToken } from '../../../../src/overlay/storage/number-value.ts';
import type { StoreResult } from '../../../../src/overlay/storage/storage-client.ts';
import { ERROR_CODES } from '../../../../src/reload/index.ts';
import { NumberRecords, type NumberRecordsOverlay } from '../../../../src/sip/usage/number-records.ts';

const HIT = '20010022'.padEnd(32, '1');
const OFFICE = 'office@home.example';
const [ONE, TWO] = ['+49301111111', '+49302222222'];
const GOOD: StoreResult = { ok: true, generation: 1n, replicas: [], responder: '', hops: 1 };
const BAD: StoreResult = { ok: false, error: new OverlayError(ERROR_CODES.unknown_kind, 'no') };
/** No jitter. */
const random: Random = { bytes: (count) => new Uint8Array(count), uint32: () => 0, float: () => 0.5 };

/** Records above an overlay that answers when the test says so. */
class Bench {
  readonly log: string[] = [];
  readonly waiting: ((result: StoreResult) => void)[] = [];
  readonly records: NumberRecords;
  readonly own = new Map<string, string>();
  user: string | null = OFFICE;
  now = 0;
  /** Answers of themselves. */
  result: StoreResult | undefined = GOOD;
  joined: (now: number) => void = () => undefined;

  constructor() {
    const user = (): string | null => this.user;
    const settings = overlaySettings({ name: 'home.example', sequence: 1 });
    const overlay: NumberRecordsOverlay = {
      nodeId: HIT,
      state: 'joined',
      get user() {
        return user();
      },
      settings,
      store: ({ value, lifetimeS, resource }, at, done) => {
        const number = [ONE, TWO].find((each) =>
          [OFFICE, 'shop@home.example'].some(
            (gateway) =>
              settings.ring.resourceIdOf(numberResourceName(numberToken('home.example', each), gateway)) === resource,
          ),
        );
        const said = numberOf(value.value)?.user?.split('@')[0] ?? 'nobody';
        this.log.push(`${at} ${number} ${value.exists ? said : `no more: ${said}`} ${lifetimeS}`);
        const answer = (result: StoreResult): void => done(result, this.now);
        if (this.result === undefined) this.waiting.push(answer);
        else answer(this.result);
      },
      onEvent: (handler) => {
        this.joined = (now) => handler({ type: 'joined' }, now);
      },
    };
    this.records = new NumberRecords({ overlay, ports: { own: () => this.own }, random, logger: silentLogger });
  }

  give(number: string, member: string | undefined): void {
    if (member === undefined) this.own.delete(number);
    else this.own.set(number, `${member}@home.example`);
    this.records.changed(this.now);
  }

  run(until: number): void {
    for (let at = this.records.nextTimeout(); at !== undefined && at <= until; at = this.records.nextTimeout()) {
      this.now = Math.max(this.now, at);
      this.records.handleTimeout(this.now);
    }
    this.now = until;
  }
}

test('a number is stored when it is given, for two hours, and refreshed at a third of it', (t) => {
  const bench = new Bench();
  bench.give(ONE, 'bob');
  t.false(bench.records.isStored(ONE));
  bench.run(5_000_000);
  t.deepEqual(bench.log, [`0 ${ONE} bob 7200`, `2400000 ${ONE} bob 7200`, `4800000 ${ONE} bob 7200`]);
  t.true(bench.records.isStored(ONE));
});

test('a number that is taken away is so in the overlay, once; that of another one stays', (t) => {
  const bench = new Bench();
  bench.give(ONE, 'bob');
  bench.give(TWO, 'carol');
  bench.run(1_000);
  bench.give(ONE, undefined);
  bench.run(3_000_000);
  t.deepEqual(bench.log, [
    `0 ${ONE} bob 7200`,
    `0 ${TWO} carol 7200`,
    `1000 ${ONE} no more: nobody 7200`,
    `2400000 ${TWO} carol 7200`,
  ]);
});

test('given to another one while it is stored: the other one is stored after it', (t) => {
  const bench = new Bench();
  bench.result = undefined;
  bench.give(ONE, 'bob');
  bench.run(10);
  bench.give(ONE, 'carol');
  bench.run(1_000);
  t.deepEqual(bench.log, [`0 ${ONE} bob 7200`], 'one at a time');
  bench.result = GOOD;
  bench.waiting[0]?.(GOOD);
  bench.run(2_000);
  t.is(bench.log.at(-1), `1000 ${ONE} carol 7200`);
});

test('what failed is tried again with longer pauses, and taken away all the same since it may be there', (t) => {
  const bench = new Bench();
  bench.result = BAD;
  bench.give(ONE, 'bob');
  bench.run(10_000);
  t.deepEqual(
    bench.log.map((line) => line.split(' ')[0]),
    ['0', '2000', '6000'],
  );
  bench.result = GOOD;
  bench.give(ONE, undefined);
  bench.run(1_000_000);
  t.is(bench.log.at(-1), `10000 ${ONE} no more: nobody 7200`);
});

test('of a former life: stored anew when the host comes in, and when it has come in again', (t) => {
  const bench = new Bench();
  bench.own.set(ONE, 'bob@home.example');
  bench.joined(0);
  bench.run(1_000);
  bench.joined(1_000);
  bench.run(2_000);
  t.deepEqual(bench.log, [`0 ${ONE} bob 7200`, `1000 ${ONE} bob 7200`]);
});

test('a gateway with another name takes its numbers off the first, and stores them under the second', (t) => {
  const bench = new Bench();
  bench.give(ONE, 'bob');
  bench.run(1_000);
  bench.records.releaseName(1_000);
  bench.user = 'shop@home.example';
  bench.records.changed(1_000);
  bench.run(2_000);
  t.deepEqual(bench.log.slice(1), [`1000 ${ONE} no more: nobody 7200`, `1000 ${ONE} bob 7200`]);
});

test('a host that leaves for good takes all away, says whether it could, and stores nothing more', (t) => {
  const bench = new Bench();
  bench.give(ONE, 'bob');
  bench.give(TWO, 'carol');
  bench.run(1_000);
  const heard: boolean[] = [];
  bench.records.giveBack(1_000, (complete) => void heard.push(complete));
  bench.give(ONE, 'carol');
  bench.run(5_000_000);
  t.deepEqual([heard, bench.log.length], [[true], 4]);
  const without = new Bench();
  without.records.giveBack(0, (complete) => void heard.push(complete));
  t.deepEqual(heard, [true, true]);
});
