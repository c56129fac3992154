import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { Renewal } from '../../../src/membership/renewal.ts';

const LIFE_MS = 120_000;
const [A, B] = ['a'.repeat(32), 'b'.repeat(32)];

/** A renewal whose inviters answer as a test says; wall and monotonic time are one until the clock is set. */
class World {
  now = 0;
  offset = 0;
  readonly asked: { inviter: string; at: number; failed: (now: number) => void }[] = [];
  inviters: readonly string[] = [A, B];
  readonly renewal: Renewal;

  /** @param age ms since the certificate was issued, in an earlier life; 0: just now. */
  constructor(seed = 1, age = 0) {
    this.renewal = new Renewal({
      ports: {
        inviters: () => this.inviters,
        begins: () => {},
        ask: (inviter, now, failed) => this.asked.push({ inviter, at: now, failed }),
      },
      random: seededRandom(seed),
      clock: { monotonic: () => this.now, wall: () => this.now + this.offset },
      logger: silentLogger,
    });
    if (age > 0) this.start(-age);
    else this.issue();
  }

  start(issuedAt: number): void {
    this.renewal.start({ issuedAt, notAfter: issuedAt + LIFE_MS }, this.now);
  }

  issue(): void {
    const issuedAt = this.now + this.offset;
    this.renewal.renewed({ issuedAt, notAfter: issuedAt + LIFE_MS }, this.now);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let next = this.renewal.nextTimeout(); next !== undefined && next <= end; next = this.renewal.nextTimeout()) {
      this.now = Math.max(this.now, next);
      this.renewal.handleTimeout(this.now);
    }
    this.now = end;
  }
}

test('an inviter is asked when two thirds of the life are over, and hosts do not ask in step', (t) => {
  const times = Array.from({ length: 50 }, (_, seed) => {
    const world = new World(seed);
    world.run(LIFE_MS);
    return world.asked[0]?.at ?? 0;
  });
  t.true(Math.max(...times) <= (LIFE_MS * 2) / 3 + 1);
  t.true(Math.min(...times) >= (LIFE_MS * 2) / 3 - LIFE_MS / 16 - 1);
  t.true(new Set(times.map(Math.round)).size > 40);
});

test('the first inviter fails, the second is asked at once; with the new certificate it rests again', (t) => {
  const world = new World();
  world.run(LIFE_MS * 0.7);
  t.is(world.asked.length, 1);
  t.true(world.renewal.due);
  world.asked[0]?.failed(world.now);
  t.deepEqual(world.asked.map(({ inviter }) => inviter).sort(), [A, B]);
  world.issue();
  t.false(world.renewal.due);
  world.run(LIFE_MS / 2);
  t.is(world.asked.length, 2);
  world.run(LIFE_MS / 4);
  t.is(world.asked.length, 3);
});

test('while no inviter answers it goes on asking, with pauses, beyond the end of the certificate', (t) => {
  const world = new World();
  for (let i = 0; i < 400; i++) {
    world.run(1_000);
    world.asked.at(-1)?.failed(world.now);
  }
  const after = world.asked.filter(({ at }) => at > LIFE_MS).length;
  t.true(after > 20, `${after}`);
  t.true(world.asked.length < 400);
});

test('a pause ends when there may be a way again', (t) => {
  const world = new World();
  world.inviters = [];
  world.run(LIFE_MS * 0.7);
  world.inviters = [A];
  t.is(world.asked.length, 0);
  world.renewal.wake(world.now);
  t.is(world.asked.length, 1);
});

test('the clock is set two days forward: it asks within a minute', (t) => {
  const world = new World();
  world.run(1_000);
  world.offset = 2 * 86_400_000;
  world.run(60_000);
  t.is(world.asked.length, 1);
});

test('whoever is no member any more asks nobody', (t) => {
  const world = new World();
  world.run(LIFE_MS * 0.7);
  world.renewal.stop();
  world.asked[0]?.failed(world.now);
  world.run(LIFE_MS * 10);
  t.is(world.asked.length, 1);
});

test('a certificate of an earlier life that is due, or has ended, is renewed at once', (t) => {
  for (const age of [LIFE_MS * 0.7, LIFE_MS * 3]) {
    const old = new World(1, age);
    old.run(10);
    t.is(old.asked.length, 1);
  }
  const young = new World(1, LIFE_MS / 2);
  t.is(young.asked.length, 0);
  young.run(LIFE_MS / 5);
  t.is(young.asked.length, 1);
});

test('a host that is started more often than a certificate rests is renewed all the same', (t) => {
  const world = new World(1, LIFE_MS / 2);
  for (let i = 0; i < 8; i++) {
    world.run(LIFE_MS / 20);
    if (world.asked.length > 0) break;
    world.start(-LIFE_MS / 2);
  }
  t.is(world.asked.length, 1);
});
