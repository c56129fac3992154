import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import {
  REPAIR_LIMIT_MS,
  REPAIR_OTHER_REFLEXIVES_MS,
  REPAIR_REFLEXIVE_GRACE_MS,
  REPAIR_ROUNDS,
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
    clock: { monotonic: () => this.now },
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

/** A thousand links that break at once, and nobody can be asked. */
class Many {
  now = 0;
  /** What it takes to ask for one. */
  askMs = 0;
  working = false;
  looked = 0;
  readonly asked: Hit[] = [];
  readonly links = Array.from({ length: 1_000 }, (_, i): Repairable => ({
    ...new World().link,
    hit: `2001:20::${i.toString(16)}`,
    link: i,
  }));
  readonly repairs = new Repairs<Repairable>({
    table: {
      hasWorkingLink: () => this.working,
      isNegotiating: () => {
        this.looked += 1;
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
    ask: (hit) => {
      this.asked.push(hit);
      this.now += this.askMs;
    },
    giveUp: () => undefined,
    settled: () => undefined,
    packetsOf: () => 0n,
    clock: { monotonic: () => this.now },
  });

  constructor() {
    for (const link of this.links) {
      this.repairs.begin(link, 'broken', 0);
      this.repairs.begun(link, 0);
    }
  }

  /** What each turn of the event loop does until nothing is left for that moment. @returns of each how many were asked and looked at */
  turns(): { readonly asked: number; readonly looked: number; readonly settled: number }[] {
    const turns = [];
    for (let at = this.repairs.nextTimeout(); at !== undefined; at = this.repairs.nextTimeout()) {
      const [asked, looked] = [this.asked.length, this.looked];
      this.now = Math.max(this.now, at);
      const settled = this.repairs.handleTimeout(at).length;
      turns.push({ asked: this.asked.length - asked, looked: this.looked - looked, settled });
    }
    return turns;
  }
}

test('of a thousand links that break at once each is looked at when it breaks', (t) => {
  t.is(new Many().looked, 1_000);
});

test('when somebody can be asked for a thousand links, each is asked for, few in one turn, those that broke first before others', (t) => {
  const many = new Many();
  many.working = true;
  const { length } = many.repairs.consider(10);
  t.is(length, REPAIR_ROUNDS.atOnce);
  const turns = many.turns();
  t.is(Math.max(...turns.map(({ asked }) => asked)), REPAIR_ROUNDS.atOnce);
  t.true(turns.every(({ asked, settled }) => asked === settled));
  t.deepEqual(
    many.asked,
    many.links.map(({ hit }) => hit),
  );
});

test('where it takes a millisecond to ask for one, as it does the first time, one is asked for in a turn, and each of them', (t) => {
  const many = new Many();
  many.askMs = REPAIR_ROUNDS.turnMs;
  many.working = true;
  t.is(many.repairs.consider(0).length, 1);
  t.is(Math.max(...many.turns().map(({ asked }) => asked)), 1);
  t.is(many.asked.length, 1_000);
});

test('what happens meanwhile begins no round in that turn, and one more afterwards, in which nothing is asked twice', (t) => {
  const many = new Many();
  many.working = true;
  many.repairs.consider(10);
  const { looked } = many;
  for (let i = 0; i < 1_000; i++) t.is(many.repairs.consider(10).length, 0);
  t.is(many.looked, looked);
  const turns = many.turns();
  t.true(Math.max(...turns.map((turn) => turn.looked)) <= REPAIR_ROUNDS.looks);
  t.is(many.looked - looked, 1_000 - REPAIR_ROUNDS.atOnce + 1_000);
  t.is(many.asked.length, 1_000);
});

test('of a thousand links that are given up at once few end in one turn', (t) => {
  const many = new Many();
  const before = many.repairs.open.length;
  many.repairs.consider(REPAIR_LIMIT_MS);
  t.is(before - many.repairs.open.length, REPAIR_ROUNDS.atOnce);
});
