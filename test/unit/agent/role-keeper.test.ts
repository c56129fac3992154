import test from 'ava';
import { RoleKeeper } from '../../../src/agent/role-keeper.ts';
import { silentLogger, type LogFields } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { Standing } from '../../../src/mobility/standing.ts';
import type { OverlayRole, OverlayState } from '../../../src/overlay/events.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

/** A host whose node changes its role when it is told to. */
class Bench {
  standing: Standing['type'] = 'unknown';
  role: OverlayRole;
  state: OverlayState = 'joined';
  othersStay = true;
  knownPeers = 1;
  /** What it is told to become is not what it becomes. */
  fails = false;
  now = 0;
  readonly asked: { readonly role: OverlayRole; readonly at: number }[] = [];
  readonly logged: LogFields[] = [];
  readonly keeper: RoleKeeper;

  constructor(
    options: {
      role?: OverlayRole;
      configured?: OverlayRole | 'auto';
      founder?: boolean;
      returning?: boolean;
      seed?: number;
    } = {},
  ) {
    this.role = options.role ?? 'client';
    const become = (role: OverlayRole): void => {
      this.asked.push({ role, at: this.now });
      if (this.fails) return;
      this.role = role;
      this.keeper.changed(role, this.now);
    };
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const bench = this;
    const node = {
      get role() {
        return bench.role;
      },
      get state() {
        return bench.state;
      },
      isChangingRole: false,
      get knownPeers() {
        return bench.knownPeers;
      },
      get mayBecomeClient() {
        return bench.othersStay;
      },
      becomePeer: () => become('peer'),
      becomeClient: () => become('client'),
    };
    this.keeper = new RoleKeeper(
      {
        node: () => node,
        standing: () => ({ type: this.standing, why: `it is ${this.standing}` }),
        random: seededRandom(options.seed ?? 1),
        logger: { ...silentLogger, info: (_, fields = {}) => void this.logged.push(fields) },
      },
      {
        role: options.configured ?? 'auto',
        founder: options.founder ?? false,
        returning: options.returning ?? true,
      },
    );
    this.keeper.start(0);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let at = this.keeper.nextTimeout(); at !== undefined && at <= end; at = this.keeper.nextTimeout()) {
      this.now = at;
      this.keeper.handleTimeout(at);
    }
    this.now = end;
  }

  is(standing: Standing['type'], ms: number): void {
    this.standing = standing;
    this.keeper.consider(this.now);
    this.run(ms);
  }
}

test('a client that others can come to for three minutes becomes a peer, with one line that says why', (t) => {
  const bench = new Bench();
  bench.is('open', 3 * MINUTE - SECOND);
  t.deepEqual(bench.asked, []);
  bench.run(MINUTE + 20 * SECOND);
  t.is(bench.role, 'peer');
  t.deepEqual(bench.logged, [{ role: 'peer', why: 'it is open' }]);
});

test('a break of a second begins the three minutes anew', (t) => {
  const bench = new Bench();
  bench.is('open', 2 * MINUTE + 50 * SECOND);
  bench.is('unknown', SECOND);
  bench.is('open', 2 * MINUTE + 50 * SECOND);
  t.deepEqual(bench.asked, []);
});

test('a peer that others cannot come to for five minutes becomes a client, where other peers are linked', (t) => {
  const bench = new Bench({ role: 'peer' });
  bench.othersStay = false;
  bench.is('closed', HOUR);
  t.deepEqual(bench.asked, []);
  bench.othersStay = true;
  bench.run(20 * SECOND);
  t.is(bench.role, 'client');
  const quick = new Bench({ role: 'peer' });
  quick.is('closed', 5 * MINUTE - SECOND);
  t.deepEqual(quick.asked, []);
});

test('a peer of which too little is known, or that is seen at its own address, stays one', (t) => {
  const bench = new Bench({ role: 'peer' });
  bench.is('unknown', HOUR);
  bench.is('open', HOUR);
  t.deepEqual(bench.asked, []);
  const client = new Bench();
  client.is('unknown', HOUR);
  client.is('closed', HOUR);
  t.deepEqual(client.asked, []);
});

test('whoever created the overlay stays a peer, and a role of the configuration stays', (t) => {
  const founder = new Bench({ role: 'peer', founder: true });
  founder.is('closed', HOUR);
  const peer = new Bench({ role: 'peer', configured: 'peer' });
  peer.is('closed', HOUR);
  const client = new Bench({ configured: 'client' });
  client.is('open', HOUR);
  t.deepEqual([founder.asked, peer.asked, client.asked], [[], [], []]);
});

test('before it is in the overlay nothing changes', (t) => {
  const bench = new Bench();
  bench.state = 'joining';
  bench.is('open', HOUR);
  t.deepEqual(bench.asked, []);
});

for (const seed of [1, 2, 3])
  test(`what flaps all day changes three times an hour at most (seed ${seed})`, (t) => {
    const bench = new Bench({ seed });
    for (let i = 0; i < 144; i++) {
      bench.is('open', 5 * MINUTE);
      bench.is('closed', 7 * MINUTE);
    }
    t.true(bench.asked.length > 24);
    for (const { at } of bench.asked)
      t.true(bench.asked.filter((other) => other.at >= at && other.at < at + HOUR).length <= 3);
  });

test('an attempt that comes to nothing is made again after a minute or more', (t) => {
  const bench = new Bench({ role: 'peer' });
  bench.fails = true;
  bench.is('closed', HOUR);
  t.true(bench.asked.length > 20 && bench.asked.length <= 55);
  t.deepEqual(bench.logged, []);
});

test('hosts that lose their addresses together do not change together', (t) => {
  const times = [1, 2, 3, 4, 5, 6].map((seed) => {
    const bench = new Bench({ role: 'peer', seed });
    bench.is('closed', 10 * MINUTE);
    return bench.asked[0]?.at;
  });
  t.true(new Set(times).size >= 3);
});

test('hosts that were started together do not try at the same time, nor again after they have stood in each other’s way', (t) => {
  const tries = [1, 2, 3, 4, 5, 6].map((seed) => {
    const bench = new Bench({ role: 'peer', seed });
    bench.fails = true;
    bench.is('closed', 15 * MINUTE);
    return bench.asked.map(({ at }) => at);
  });
  t.true(tries.every(({ length }) => length >= 4));
  const all = tries.flat();
  t.is(new Set(all).size, all.length);
});

test('a role that was guessed follows the first answer at once, and only that one', (t) => {
  const bench = new Bench();
  bench.state = 'joining';
  bench.keeper.guessed(0);
  bench.now = 700;
  bench.keeper.seen(true, 700);
  t.deepEqual(bench.asked, [{ role: 'peer', at: 700 }]);

  const behindNat = new Bench();
  behindNat.keeper.guessed(0);
  behindNat.keeper.seen(false, 700);
  behindNat.keeper.seen(true, 800);
  t.deepEqual(behindNat.asked, []);

  const late = new Bench();
  late.keeper.guessed(0);
  late.keeper.seen(true, 2 * MINUTE);
  t.deepEqual(late.asked, []);

  const known = new Bench();
  known.keeper.seen(true, 700);
  t.deepEqual(known.asked, []);
});

for (const seed of [1, 2, 3])
  test(`a newcomer is a peer after two to four seconds where few peers are known, and after ten to twenty otherwise (seed ${seed})`, (t) => {
    const few = new Bench({ returning: false, seed });
    few.keeper.entersLater(0);
    few.run(MINUTE);
    t.deepEqual(few.logged, [{ role: 'peer', why: 'others see this host at its own address' }]);
    t.true((few.asked[0]?.at ?? 0) >= 2 * SECOND && (few.asked[0]?.at ?? 0) <= 4 * SECOND);
    const enough = new Bench({ returning: false, seed });
    enough.knownPeers = 4;
    enough.keeper.entersLater(0);
    enough.run(MINUTE);
    t.is(enough.asked.length, 1);
    t.true((enough.asked[0]?.at ?? 0) >= 10 * SECOND && (enough.asked[0]?.at ?? 0) <= 20 * SECOND);
  });

test('a newcomer that is found to be behind a NAT meanwhile stays a client', (t) => {
  const bench = new Bench({ returning: false });
  bench.keeper.entersLater(0);
  bench.is('closed', HOUR);
  t.deepEqual(bench.asked, []);
});

test('a newcomer for which nobody spoke in time enters the ring as if somebody had, and that is none of its three changes an hour', (t) => {
  const bench = new Bench({ returning: false });
  bench.keeper.guessed(0);
  bench.keeper.seen(true, 700);
  t.deepEqual(bench.asked, []);
  bench.run(MINUTE);
  t.is(bench.role, 'peer');
  for (let i = 0; i < 2; i++) {
    bench.is('closed', 7 * MINUTE);
    bench.is('open', 5 * MINUTE);
  }
  t.deepEqual(
    bench.asked.map(({ role }) => role),
    ['peer', 'client', 'peer', 'client'],
  );
});
