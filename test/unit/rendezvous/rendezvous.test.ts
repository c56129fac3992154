import test from 'ava';
import { toHex } from '../../../src/base/bytes.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import { MAX_TICKETS, MAX_TOLD_A_MINUTE, TELL_AGAIN_MS } from '../../../src/rendezvous/constants.ts';
import { meetingDays, meetingKey, type Topic } from '../../../src/rendezvous/meeting-key.ts';
import type { MeetingPlace } from '../../../src/rendezvous/meeting-place.ts';
import { Rendezvous } from '../../../src/rendezvous/rendezvous.ts';

const SECRET = new Uint8Array(16).fill(3);
const NOON = Date.UTC(2026, 5, 1, 12);
const DAY = Math.floor(NOON / 86_400_000);

class RecordingPlace implements MeetingPlace {
  readonly name: string;
  readonly leastPauseMs: number;
  readonly visits: { at: number; key: string }[] = [];
  find: (address: SocketAddress) => void = () => undefined;
  private readonly clock: { now: number };

  constructor(clock: { now: number }, name: string, leastPauseMs: number) {
    this.clock = clock;
    this.name = name;
    this.leastPauseMs = leastPauseMs;
  }

  onFound(handler: (address: SocketAddress) => void): void {
    this.find = handler;
  }

  visit(key: Uint8Array): void {
    this.visits.push({ at: this.clock.now, key: toHex(key) });
  }
}

function world(wallStart = NOON): {
  clock: { now: number };
  place: RecordingPlace;
  slow: RecordingPlace;
  rendezvous: Rendezvous;
  told: { at: number; address: string }[];
  run: (ms: number) => void;
  linked: Set<string>;
} {
  const clock = { now: 0 };
  const place = new RecordingPlace(clock, 'board', 1_000);
  const slow = new RecordingPlace(clock, 'slow', 60_000);
  const told: { at: number; address: string }[] = [];
  const linked = new Set<string>();
  const rendezvous = new Rendezvous(
    {
      places: [place, slow],
      tell: (address, at) => {
        if (linked.has(formatSocketAddress(address))) return false;
        told.push({ at, address: formatSocketAddress(address) });
        return true;
      },
      random: seededRandom(5),
      clock: { monotonic: () => clock.now, wall: () => wallStart + clock.now },
    },
    { secret: SECRET },
  );
  const run = (ms: number): void => {
    const end = clock.now + ms;
    for (let next = rendezvous.nextTimeout(); next !== undefined && next <= end; next = rendezvous.nextTimeout()) {
      clock.now = Math.max(clock.now, next);
      rendezvous.handleTimeout(clock.now);
    }
    clock.now = end;
  };
  return { clock, place, slow, rendezvous, told, run, linked };
}

const keyOf = (place: string, topic: Topic, day = DAY): string => toHex(meetingKey(SECRET, place, topic, day));

test('whoever arrives looks at once and every few seconds, then less and less', (t) => {
  const { place, slow, rendezvous, run } = world();
  rendezvous.attend('overlay', 'arrive', 0);
  t.deepEqual(place.visits, [{ at: 0, key: keyOf('board', 'overlay') }]);
  run(60_000);
  t.true(place.visits.length >= 11 && place.visits.length <= 15, `${place.visits.length} in the first minute`);
  t.is(slow.visits.length, 1);
  run(3_600_000);
  const before = place.visits.length;
  run(600_000);
  t.true(place.visits.length - before <= 12);
  // With the way in found it only watches.
  rendezvous.attend('overlay', 'watch', 4_260_000);
  const found = place.visits.length;
  run(3_600_000);
  t.true(place.visits.length - found >= 5 && place.visits.length - found <= 7);
});

test('the inviter waits at the key of each open ticket, often while it is young, and no more once it is used', (t) => {
  const { clock, place, rendezvous, run } = world();
  rendezvous.attend('overlay', 'watch', 0);
  rendezvous.attend('ticket 01', 'wait', 0);
  run(60_000);
  const visits = place.visits.filter(({ key }) => key === keyOf('board', 'ticket 01')).length;
  t.true(visits >= 11, `${visits} visits`);
  t.not(keyOf('board', 'ticket 01'), keyOf('board', 'overlay'));
  rendezvous.attend('ticket 01', undefined, clock.now);
  place.visits.length = 0;
  run(300_000);
  t.deepEqual(place.visits, []);
});

test('a ticket of half an hour ago is still attended every few seconds; of very many, each as seldom as is bearable', (t) => {
  const { place, rendezvous, run } = world();
  rendezvous.attend('ticket 01', 'wait', 0);
  run(1_800_000);
  place.visits.length = 0;
  run(60_000);
  t.true(place.visits.length >= 7 && place.visits.length <= 10, `${place.visits.length} visits in a minute`);
  for (let i = 2; i <= MAX_TICKETS; i++) rendezvous.attend(`ticket ${i}`, 'wait', 1_860_000);
  run(600_000);
  place.visits.length = 0;
  run(60_000);
  t.true(place.visits.length <= 150, `${place.visits.length} visits in a minute`);
});

test('each place has keys of its own, and near midnight those of both days are good', (t) => {
  const late = Date.UTC(2026, 5, 1, 23, 30);
  const { place, slow, rendezvous } = world(late);
  rendezvous.attend('overlay', 'arrive', 0);
  const [today, tomorrow] = meetingDays(late);
  t.is(tomorrow, (today ?? 0) + 1);
  t.deepEqual(
    place.visits.map(({ key }) => key),
    [keyOf('board', 'overlay', today), keyOf('board', 'overlay', tomorrow)],
  );
  t.is(new Set([...place.visits, ...slow.visits].map(({ key }) => key)).size, 4);
  t.deepEqual(meetingDays(Date.UTC(2026, 5, 2, 0, 30)), [tomorrow, today]);
  t.deepEqual(meetingDays(NOON), [DAY]);
});

test('an address that is found again and again is told no more often than it is dialed', (t) => {
  const { clock, place, rendezvous, told, linked } = world();
  rendezvous.attend('overlay', 'arrive', 0);
  const address = { address: '198.51.100.7', port: 6084 };
  for (clock.now = 0; clock.now < 100_000; clock.now += 500) place.find(address);
  t.deepEqual(
    told.map(({ at }) => at),
    [0, TELL_AGAIN_MS, 3 * TELL_AGAIN_MS],
  );
  linked.add('198.51.100.7:6084');
  place.find(address);
  t.is(told.length, 3);
});

test('thousands of addresses that a stranger leaves cost a few dials a minute', (t) => {
  const { clock, place, rendezvous, told } = world();
  rendezvous.attend('overlay', 'arrive', 0);
  for (let i = 0; i < 5_000; i++) {
    clock.now = i * 12;
    place.find({ address: `203.0.${i >> 8}.${i & 255}`, port: 7 });
  }
  t.is(told.length, MAX_TOLD_A_MINUTE);
  clock.now = 61_000;
  place.find({ address: '198.51.100.7', port: 6084 });
  t.is(told.at(-1)?.address, '198.51.100.7:6084');
  place.find({ address: '198.51.100.8', port: 0 });
  t.is(told.length, MAX_TOLD_A_MINUTE + 1);
});

test('what is found when nobody is looked for is not told', (t) => {
  const { place, told } = world();
  place.find({ address: '198.51.100.7', port: 6084 });
  t.deepEqual(told, []);
});

test('of very many open tickets the youngest are looked after', (t) => {
  const { place, rendezvous, run } = world();
  rendezvous.attend('overlay', 'watch', 0);
  for (let i = 0; i < 3 * MAX_TICKETS; i++) rendezvous.attend(`ticket ${i}`, 'wait', 0);
  place.visits.length = 0;
  run(10_000);
  const keys = new Set(place.visits.map(({ key }) => key));
  t.is(keys.size, MAX_TICKETS);
  t.true(keys.has(keyOf('board', `ticket ${3 * MAX_TICKETS - 1}`)));
});

test('another network is told everywhere at once', (t) => {
  const { clock, place, slow, rendezvous, run } = world();
  rendezvous.attend('overlay', 'watch', 0);
  run(30_000);
  t.is(place.visits.length + slow.visits.length, 2);
  rendezvous.visitAnew(clock.now);
  t.is(place.visits.length + slow.visits.length, 4);
});
