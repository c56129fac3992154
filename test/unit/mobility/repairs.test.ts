import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import {
  REPAIR_LIMIT_MS,
  REPAIR_OTHER_REFLEXIVES_MS,
  REPAIR_REFLEXIVE_GRACE_MS,
} from '../../../src/mobility/constants.ts';
import type { Repairable } from '../../../src/mobility/repairs.ts';
import { Repairs } from '../../../src/mobility/repairs.ts';
import { hostCandidates } from '../../../src/ice/candidates.ts';

const HIT = '2001:20::1' as Hit;

/** The repairs of one link to a host behind a NAT. */
class World {
  readonly asked: number[] = [];
  readonly given: string[] = [];
  settled = 0;
  paused = 0;
  working = true;
  negotiating = false;
  complete = true;
  bestKnown = false;
  firstWordAt: number | undefined;
  packets = 0n;
  now = 0;
  readonly link: Repairable = {
    hit: HIT,
    link: 1,
    path: { remote: { address: '198.51.100.1', port: 1 }, ice: { remoteType: 'srflx' } },
    framing: { pause: () => (this.paused += 1) },
    pathWorks: true,
    repair: undefined,
  };
  readonly repairs = new Repairs<Repairable>({
    table: { hasWorkingLink: () => this.working, isNegotiating: () => this.negotiating },
    addresses: this.addresses(),
    logger: silentLogger,
    ask: () => this.asked.push(this.now),
    giveUp: (_, reason) => this.given.push(reason),
    settled: () => (this.settled += 1),
    packetsOf: () => this.packets,
  });

  private addresses(): {
    readonly complete: boolean;
    readonly bestKnown: boolean;
    readonly firstWordAt: number | undefined;
    candidates: ReturnType<typeof hostCandidates>;
    mayReach: () => true;
  } {
    const isComplete = (): boolean => this.complete;
    const isBestKnown = (): boolean => this.bestKnown;
    const firstWordAt = (): number | undefined => this.firstWordAt;
    return {
      get complete() {
        return isComplete();
      },
      get bestKnown() {
        return isBestKnown();
      },
      get firstWordAt() {
        return firstWordAt();
      },
      candidates: hostCandidates(['10.0.0.2'], 1),
      mayReach: () => true,
    };
  }

  at(now: number): void {
    this.now = now;
    this.repairs.consider(now);
  }
}

test('a broken path is asked for as soon as some link works and it is known how others see us', (t) => {
  const world = new World();
  world.working = false;
  world.complete = false;
  world.repairs.begin(world.link, 'broken', 0);
  t.false(world.link.pathWorks);
  t.is(world.paused, 1);
  world.at(0);
  t.deepEqual(world.asked, []);
  world.working = true;
  world.at(100);
  t.deepEqual(world.asked, []);
  world.complete = true;
  world.at(200);
  t.deepEqual(world.asked, [200]);
});

test('one address of ours is seen, another one has no way out: the overlay is asked a moment later', (t) => {
  const world = new World();
  world.complete = false;
  world.repairs.begin(world.link, 'silent', 0);
  world.at(0);
  world.firstWordAt = 60;
  world.at(60);
  t.deepEqual(world.asked, []);
  t.is(world.repairs.nextTimeout(), 60 + REPAIR_OTHER_REFLEXIVES_MS);
  world.at(60 + REPAIR_OTHER_REFLEXIVES_MS);
  t.deepEqual(world.asked, [60 + REPAIR_OTHER_REFLEXIVES_MS]);
});

test('the address that the kernel sends from is seen: the overlay is asked at once, and told of the others later', (t) => {
  const world = new World();
  world.complete = false;
  world.repairs.begin(world.link, 'silent', 0);
  world.at(0);
  world.firstWordAt = 60;
  world.bestKnown = true;
  world.at(60);
  t.deepEqual(world.asked, [60]);
});

test('how others see us is not waited for without end', (t) => {
  const world = new World();
  world.complete = false;
  world.repairs.begin(world.link, 'broken', 0);
  world.at(0);
  t.deepEqual(world.asked, []);
  t.is(world.repairs.nextTimeout(), REPAIR_REFLEXIVE_GRACE_MS);
  world.now = REPAIR_REFLEXIVE_GRACE_MS;
  world.repairs.handleTimeout(world.now);
  t.deepEqual(world.asked, [REPAIR_REFLEXIVE_GRACE_MS]);
});

test('while a new path is being negotiated nobody is asked, and at the limit the link is given up', (t) => {
  const world = new World();
  world.negotiating = true;
  world.repairs.begin(world.link, 'broken', 0);
  for (let now = 0; now < REPAIR_LIMIT_MS; now += 1_000) world.at(now);
  t.deepEqual(world.asked, []);
  t.deepEqual(world.given, []);
  world.at(REPAIR_LIMIT_MS);
  t.deepEqual(world.given, ['its path is lost']);
  t.is(world.link.repair, undefined);
  t.deepEqual(world.repairs.open, []);
});

test('a peer that is said to have forgotten the link and sends on it all the same has not', (t) => {
  const world = new World();
  world.repairs.begin(world.link, 'forgotten', 0);
  t.true(world.link.pathWorks);
  world.packets += 1n;
  world.at(100);
  t.is(world.settled, 1);
  t.deepEqual(world.asked, []);
  t.is(world.link.repair, undefined);
});

test('of a thousand links that break at once each is looked at when it breaks, and all when somebody can be asked', (t) => {
  const links = Array.from({ length: 1_000 }, (_, i): Repairable => ({
    ...new World().link,
    hit: `2001:20::${i.toString(16)}`,
    link: i,
  }));
  const state = { working: false, looked: 0, asked: 0 };
  const repairs = new Repairs<Repairable>({
    table: {
      hasWorkingLink: () => state.working,
      isNegotiating: () => {
        state.looked += 1;
        return false;
      },
    },
    addresses: {
      complete: true,
      bestKnown: false,
      firstWordAt: undefined,
      candidates: hostCandidates(['10.0.0.2'], 1),
      mayReach: () => true,
    },
    logger: silentLogger,
    ask: () => (state.asked += 1),
    giveUp: () => t.fail(),
    settled: () => t.fail(),
    packetsOf: () => 0n,
  });
  for (const link of links) {
    repairs.begin(link, 'broken', 0);
    repairs.begun(link, 0);
  }
  t.is(state.looked, 1_000);
  t.is(repairs.consider(10).length, 0);
  state.working = true;
  t.is(repairs.consider(20).length, 1_000);
  t.is(state.asked, 1_000);
  // Nothing has changed for any of them.
  t.is(repairs.consider(30).length, 0);
});
