import test from 'ava';
import { Entry, type EntryPorts } from '../../../src/agent/entry.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { OverlayRole } from '../../../src/overlay/events.ts';
import type { OverlayNode } from '../../../src/overlay/overlay-node.ts';

const SELF = '20010022000000000000000000000001';
const MEMBER = '20010022000000000000000000000002';

/** An agent of any role that is linked with one member at time 0; a guess is written down as one. */
function linked({ returning = true } = {}): { entry: Entry; decided: string[] } {
  const decided: string[] = [];
  let isMade = false;
  const node = { state: 'joining', knowsPeers: true, join: () => {} } as unknown as OverlayNode;
  const ports: EntryPorts = {
    dial: () => {},
    startAddresses: () => [{ address: '192.0.2.1', port: 6084 }],
    strangers: () => [],
    node: () => (isMade ? node : undefined),
    roleGuessed: () => void decided.push('guess'),
    makeNode: (role: OverlayRole) => {
      decided.push(role);
      isMade = true;
      return node;
    },
    nodeStarted: () => {},
    hasWorkingLink: () => true,
    members: () => [MEMBER],
    isPeer: () => true,
    entersRingLater: () => void decided.push('later'),
    takesPlace: () => {},
    stoodAlone: () => {},
    wayInFound: () => {},
  };
  const entry = new Entry({ ports, random: seededRandom(1), self: SELF }, { role: 'auto', founder: false, returning });
  entry.start(0);
  entry.linkUp(MEMBER, 0);
  return { entry, decided };
}

test('the first answer decides the role', (t) => {
  for (const [atOwnAddress, role] of [
    [true, 'peer'],
    [false, 'client'],
  ] as const) {
    const { entry, decided } = linked();
    entry.seen(atOwnAddress, 20);
    entry.seen(!atOwnAddress, 30);
    entry.handleTimeout(10_000);
    t.deepEqual(decided, [role]);
  }
});

test('a newcomer that others see at its own address is a client at first, and a peer later', (t) => {
  const { entry, decided } = linked({ returning: false });
  entry.seen(true, 20);
  t.deepEqual(decided, ['later', 'client']);
});

test('when nobody tells in time, the host is a client for a guess', (t) => {
  const { entry, decided } = linked();
  entry.handleTimeout(499);
  t.deepEqual(decided, []);
  entry.handleTimeout(500);
  t.deepEqual(decided, ['guess', 'client']);
});

/** A client that was in, with other members linked; `peer` is whether a linked peer has shown itself. */
function cutOff(): {
  entry: Entry;
  node: { peer: boolean };
  places: number[];
  run: (from: number, to: number) => void;
} {
  const places: number[] = [];
  const known = { peer: false };
  const node = {
    state: 'joined',
    role: 'client',
    get knowsPeers() {
      return known.peer;
    },
    join: () => {},
    create: () => {},
  } as unknown as OverlayNode;
  let now = 0;
  const ports: EntryPorts = {
    dial: () => {},
    startAddresses: () => [],
    strangers: () => [],
    node: () => node,
    roleGuessed: () => {},
    makeNode: () => node,
    nodeStarted: () => {},
    hasWorkingLink: () => true,
    members: () => [MEMBER],
    isPeer: () => false,
    entersRingLater: () => {},
    takesPlace: () => void places.push(now),
    stoodAlone: () => {},
    wayInFound: () => {},
  };
  const entry = new Entry(
    { ports, random: seededRandom(1), self: SELF },
    { role: 'auto', founder: false, returning: true },
  );
  const run = (from: number, to: number): void => {
    for (now = from; now < to; now += 100) entry.handleTimeout(now);
  };
  return { entry, node: known, places, run };
}

test('a client that has lost its last peer takes the place of the peers after ten to twenty seconds', (t) => {
  const { entry, places, run } = cutOff();
  entry.onOverlayEvent({ type: 'isolated' }, 0);
  run(0, 30_000);
  t.true((places[0] ?? 0) >= 10_000 && (places[0] ?? 0) <= 22_000, String(places));
});

test('a peer that showed itself and was lost before it let the client in does not end its waiting', (t) => {
  const { entry, node, places, run } = cutOff();
  entry.onOverlayEvent({ type: 'isolated' }, 0);
  run(0, 1_000);
  node.peer = true;
  run(1_000, 30_000);
  t.deepEqual(places, []);
  node.peer = false;
  entry.onOverlayEvent({ type: 'isolated' }, 30_000);
  run(30_000, 60_000);
  t.true(places.length > 0);
});

test('an agent that stops takes no place', (t) => {
  const { entry, places, run } = cutOff();
  entry.onOverlayEvent({ type: 'isolated' }, 0);
  entry.stop();
  run(0, 60_000);
  t.deepEqual(places, []);
});

test('when no link works the known addresses are tried until one works again, and a new loss begins the search anew', (t) => {
  const dialed: number[] = [];
  let [now, works] = [0, true];
  const node = { state: 'joined', role: 'client', knowsPeers: true } as unknown as OverlayNode;
  const ports: EntryPorts = {
    dial: () => void dialed.push(now),
    startAddresses: () => [{ address: '192.0.2.1', port: 6084 }],
    strangers: () => [],
    node: () => node,
    roleGuessed: () => {},
    makeNode: () => node,
    nodeStarted: () => {},
    hasWorkingLink: () => works,
    members: () => [MEMBER],
    isPeer: () => true,
    entersRingLater: () => {},
    takesPlace: () => {},
    stoodAlone: () => {},
    wayInFound: () => {},
  };
  const options = { role: 'client', founder: false, returning: true } as const;
  const entry = new Entry({ ports, random: seededRandom(1), self: SELF }, options);
  const run = (from: number, to: number): void => {
    for (now = from; now < to; now += 100) entry.handleTimeout(now);
  };
  works = false;
  entry.noneWorks(0);
  entry.noneWorks(0);
  t.deepEqual(dialed, [0]);
  run(100, 3_000);
  t.true(dialed.length > 3);
  works = true;
  const before = dialed.length;
  run(3_000, 60_000);
  t.is(dialed.length, before);
  t.false(entry.searching);
  works = false;
  now = 60_000;
  entry.noneWorks(now);
  t.is(dialed.at(-1), 60_000);
});
