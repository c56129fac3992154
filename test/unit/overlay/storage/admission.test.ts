import test from 'ava';
import { ABANDONED_AFTER_MS } from '../../../../src/identity/enrollment-register.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import {
  ORIGINAL,
  type Origin,
  type Place,
  type PlaceView,
  READ,
  type SignedValue,
  decodeVerdicts,
  encodeVerdicts,
  endOf,
  judge,
  originOf,
} from '../../../../src/overlay/storage/admission.ts';
import {
  IDLOC_HOST,
  IDLOC_IPV4,
  IDLOC_NAME,
  IDLOC_RESERVATION,
  type Kind,
} from '../../../../src/overlay/storage/kinds.ts';
import { encodeReservationValue } from '../../../../src/overlay/storage/values.ts';
import { EMPTY_SIGNATURE } from '../../../../src/reload/index.ts';

const WALL = 1_700_000_000_000;
const DAY_MS = 86_400_000;
const HIT = '20010022'.padEnd(32, 'a');
const OTHER = '20010022'.padEnd(32, 'b');
const THIRD = '20010022'.padEnd(32, 'c');
const RESOURCE = '20010022'.padEnd(32, '1');
const MIB = 1_048_576;

const COPY: Origin = { isOriginal: false, knowsPlace: false, decides: false };
const HAND_OVER: Origin = { ...COPY, knowsPlace: true };
const RESPONSIBLE: Origin = { isOriginal: false, knowsPlace: true, decides: true };
const FREE: Place = { current: undefined, countOfKind: 0, countOfWriter: 0, maxPerWriter: 4 };

const signer = (nodeId: string): Signer => ({ nodeId, user: null, spki: new Uint8Array(), chain: [], hash: nodeId });

/** `time` in milliseconds from now. */
function value(
  over: { time?: number; by?: string; lifetime?: number; exists?: boolean; bytes?: number } = {},
): SignedValue {
  const { time = 0, by = HIT, lifetime = 100, exists = true, bytes = 1 } = over;
  return {
    data: {
      storageTime: BigInt(WALL + time),
      lifetime,
      value: { model: 'single', exists, value: new Uint8Array(bytes) },
      signature: EMPTY_SIGNATURE,
    },
    signer: signer(by),
  };
}

const verdict = (kind: Kind, offered: SignedValue, origin: Origin, place: Partial<Place> = {}): string =>
  judge(kind, offered, origin, { ...FREE, ...place }, WALL);

test('a value that is later than what is there is taken, an earlier one is not, whoever brings it', (t) => {
  for (const origin of [ORIGINAL, COPY, HAND_OVER, RESPONSIBLE]) {
    t.is(verdict(IDLOC_HOST, value(), origin), 'taken');
    t.is(verdict(IDLOC_HOST, value({ time: 1 }), origin, { current: value() }), 'taken');
    t.is(verdict(IDLOC_HOST, value({ time: -1 }), origin, { current: value() }), 'older');
  }
  t.is(verdict(IDLOC_HOST, value(), COPY, { current: value() }), 'held');
  t.is(verdict(IDLOC_HOST, value(), ORIGINAL, { current: value() }), 'older');
});

test('size, data model and lifetime are bounded for originals and copies', (t) => {
  for (const origin of [ORIGINAL, COPY]) {
    t.is(verdict(IDLOC_HOST, value({ bytes: 513 }), origin), 'size');
    t.is(verdict(IDLOC_NAME, value(), origin), 'model');
    t.is(verdict(IDLOC_HOST, value({ lifetime: 0 }), origin), 'lifetime');
  }
  t.is(verdict(IDLOC_HOST, value({ lifetime: 31 * 86_400 }), ORIGINAL), 'lifetime');
});

test('a writer has so many values here and no more, as originals or as copies', (t) => {
  for (const origin of [ORIGINAL, COPY, RESPONSIBLE]) {
    t.is(verdict(IDLOC_HOST, value(), origin, { countOfWriter: 4 }), 'quota');
    t.is(verdict(IDLOC_HOST, value({ time: 1 }), origin, { countOfWriter: 4, current: value() }), 'taken');
    t.is(verdict(IDLOC_HOST, value(), origin, { countOfKind: 1 }), 'full');
  }
});

test('an original from ten minutes ahead is refused as the future; a copy of one is not, within a day', (t) => {
  t.is(verdict(IDLOC_HOST, value({ time: 601_000 }), ORIGINAL), 'future');
  t.is(verdict(IDLOC_HOST, value({ time: 599_000 }), ORIGINAL), 'taken');
  t.is(verdict(IDLOC_HOST, value({ time: 901_000 }), COPY), 'taken');
  t.is(verdict(IDLOC_HOST, value({ time: 25 * 3_600_000 }), COPY), 'future');
  t.is(verdict(IDLOC_HOST, value({ time: 25 * 3_600_000 }), READ), 'future');
});

test('a value that is older than its Kind lives has expired, whatever lifetime it comes with', (t) => {
  const old = value({ time: -30 * DAY_MS, lifetime: 30 * 86_400 });
  for (const origin of [ORIGINAL, COPY, RESPONSIBLE, READ]) t.is(verdict(IDLOC_HOST, old, origin), 'expired');
  const short: Kind = { ...IDLOC_HOST, maxLifetimeS: 60 };
  t.is(verdict(short, value({ time: -60_000 }), COPY), 'expired');
  t.is(verdict(short, value({ time: -59_000 }), COPY), 'taken');
});

test('a value ends with its lifetime, but not after the longest of its Kind; what was taken away is remembered that long', (t) => {
  const short: Kind = { ...IDLOC_HOST, maxLifetimeS: 60 };
  t.is(endOf(short, value({ lifetime: 10 }).data, 5_000, WALL), 15_000);
  t.is(endOf(short, value({ lifetime: 1_000, time: -20_000 }).data, 5_000, WALL), 45_000);
  t.is(endOf(short, value({ lifetime: 1, exists: false }).data, 5_000, WALL), 65_000);
});

test('the incumbent of an address stays, whoever sends another claim, however early it is dated', (t) => {
  const current = value({ by: HIT });
  for (const time of [-DAY_MS, 0, 1])
    for (const origin of [ORIGINAL, { ...ORIGINAL, knowsPlace: true }, COPY, HAND_OVER])
      t.is(verdict(IDLOC_IPV4, value({ by: OTHER, time }), origin, { current }), 'claimed');
  t.is(verdict(IDLOC_IPV4, value({ by: OTHER }), RESPONSIBLE, { current }), 'taken');
  t.is(verdict(IDLOC_IPV4, value({ by: HIT, time: 1 }), ORIGINAL, { current }), 'taken');
  t.is(verdict(IDLOC_IPV4, value({ by: HIT, time: -1 }), COPY, { current }), 'older');
});

test('a claim on a place of which nothing is known is asked for first, unless its sender knows the place', (t) => {
  t.is(verdict(IDLOC_IPV4, value(), ORIGINAL), 'ask');
  t.is(verdict(IDLOC_IPV4, value(), COPY), 'ask');
  t.is(verdict(IDLOC_IPV4, value(), HAND_OVER), 'taken');
  t.is(verdict(IDLOC_IPV4, value(), { ...ORIGINAL, knowsPlace: true }), 'taken');
});

test('only the holder gives an address back, and that does not keep others from claiming it', (t) => {
  const gone = value({ by: OTHER, exists: false, time: 500_000 });
  t.is(verdict(IDLOC_IPV4, gone, ORIGINAL), 'unclaimed');
  t.is(verdict(IDLOC_IPV4, gone, ORIGINAL, { current: value({ by: HIT }) }), 'claimed');
  t.is(verdict(IDLOC_IPV4, gone, RESPONSIBLE, { current: value({ by: HIT }) }), 'claimed');
  t.is(verdict(IDLOC_IPV4, gone, ORIGINAL, { current: value({ by: OTHER }) }), 'taken');
  t.is(verdict(IDLOC_IPV4, value({ by: HIT }), { ...ORIGINAL, knowsPlace: true }, { current: gone }), 'taken');
  t.is(verdict(IDLOC_IPV4, value({ by: OTHER }), HAND_OVER, { current: gone }), 'older');
});

test('verdicts come back from the error_info they were sent in, and no bytes of a stranger break that', (t) => {
  t.deepEqual(decodeVerdicts(Buffer.from(encodeVerdicts(['taken', 'older', 'held']))), ['taken', 'older', 'held']);
  t.deepEqual(decodeVerdicts(new Uint8Array()), []);
  t.deepEqual(decodeVerdicts(new Uint8Array(MIB)), []);
});

/** HIT is this peer; the ring is HIT < OTHER < THIRD, and the place lies before HIT. */
function view(over: Partial<PlaceView> = {}): PlaceView {
  return {
    isMember: true,
    isJoining: false,
    isResponsibleFor: () => false,
    isInReplicaRange: () => true,
    isPeer: (id) => id === OTHER,
    likelyResponsible: () => OTHER,
    successor: THIRD,
    isCloser: () => false,
    isSettled: () => true,
    ...over,
  };
}

test('a joining peer takes copies from the peer that hands over to it alone', (t) => {
  const joining = view({ isMember: false, isJoining: true });
  t.deepEqual(originOf(THIRD, RESOURCE, joining, 0), HAND_OVER);
  t.is(originOf(OTHER, RESOURCE, joining, 0), undefined);
  t.is(originOf(THIRD, RESOURCE, view({ isMember: false }), 0), undefined);
});

test('a responsible peer takes copies from anyone, and nobody’s word for what an address is', (t) => {
  const responsible = view({ isResponsibleFor: () => true });
  t.deepEqual(originOf(OTHER, RESOURCE, responsible, 0), COPY);
  t.deepEqual(originOf(THIRD, RESOURCE, responsible, 0), HAND_OVER);
  // Anyone may pass for the next peer for a while.
  const unsettled = view({ isResponsibleFor: () => true, isSettled: () => false });
  t.deepEqual(originOf(THIRD, RESOURCE, unsettled, 0), COPY);
});

test('a replica takes copies from peers it knows; the responsible one knows and decides once it is settled', (t) => {
  t.deepEqual(originOf(OTHER, RESOURCE, view(), 0), RESPONSIBLE);
  t.deepEqual(originOf(OTHER, RESOURCE, view({ isSettled: () => false }), 0), COPY);
  t.is(originOf(THIRD, RESOURCE, view(), 0), undefined);
  t.deepEqual(originOf(THIRD, RESOURCE, view({ isCloser: () => true }), 0), COPY);
  t.is(originOf(OTHER, RESOURCE, view({ isInReplicaRange: () => false }), 0), undefined);
});

test('the inviter that keeps a name first keeps it, whatever another one dates its own; its own word is renewed', (t) => {
  const current = value();
  for (const time of [-1, 1]) {
    t.is(verdict(IDLOC_RESERVATION, value({ time, by: OTHER }), ORIGINAL, { current }), 'claimed');
    t.is(verdict(IDLOC_RESERVATION, value({ time, by: OTHER, exists: false }), ORIGINAL, { current }), 'claimed');
  }
  t.is(verdict(IDLOC_RESERVATION, value(), ORIGINAL), 'ask');
  t.is(verdict(IDLOC_RESERVATION, value(), HAND_OVER), 'taken');
  t.is(verdict(IDLOC_RESERVATION, value({ time: 1 }), ORIGINAL, { current }), 'taken');
});

test('a name that is kept for a host is another inviter’s after ten minutes, that for a ticket is not; a replay takes nothing back', (t) => {
  const kept = (hit: string | null, time: number, by = HIT): SignedValue => {
    const signed = value({ time, by });
    const bytes = encodeReservationValue({ user: 'alice@x.example', hit });
    return { ...signed, data: { ...signed.data, value: { model: 'single', exists: true, value: bytes } } };
  };
  const [waiting, over] = [kept(THIRD, 1 - ABANDONED_AFTER_MS), kept(THIRD, -ABANDONED_AFTER_MS)];
  const next = kept(OTHER, 0, OTHER);
  for (const origin of [HAND_OVER, COPY, ORIGINAL])
    t.is(verdict(IDLOC_RESERVATION, next, origin, { current: waiting }), 'claimed');
  t.is(verdict(IDLOC_RESERVATION, next, ORIGINAL, { current: over }), 'ask');
  t.is(verdict(IDLOC_RESERVATION, next, HAND_OVER, { current: over }), 'taken');
  t.is(verdict(IDLOC_RESERVATION, next, HAND_OVER, { current: kept(null, -DAY_MS) }), 'claimed');
  const replaced = kept(THIRD, -2 * ABANDONED_AFTER_MS);
  t.is(
    verdict(IDLOC_RESERVATION, replaced, HAND_OVER, { current: kept(OTHER, -ABANDONED_AFTER_MS, OTHER) }),
    'claimed',
  );
});
