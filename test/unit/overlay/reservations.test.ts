import test from 'ava';
import type { Hit } from '../../../src/base/node-id.ts';
import { OverlayError } from '../../../src/overlay/errors.ts';
import type { OverlayNode } from '../../../src/overlay/overlay-node.ts';
import { Reservations } from '../../../src/overlay/reservations.ts';
import { encodeVerdicts, type Verdict } from '../../../src/overlay/storage/admission.ts';
import { encodeReservationValue, reservationOf } from '../../../src/overlay/storage/values.ts';
import { ERROR_CODES } from '../../../src/reload/index.ts';

const [ME, OTHER, ALICE, BOB] = ['1', '2', 'a', 'b'].map((digit) => `20010022${digit.repeat(24)}`) as [
  Hit,
  Hit,
  Hit,
  Hit,
];
const USER = 'alice@home.example';

/** An overlay that holds one reservation, and what it says of another. */
function setUp(held?: { readonly by: Hit; readonly hit: Hit | null }, verdict?: Verdict | 'silence') {
  const stored: { hit: Hit | null | undefined; lifetimeS: number }[] = [];
  const overlay = {
    nodeId: ME,
    state: 'joined',
    settings: { ring: { resourceIdOf: (name: string) => name } },
    onEvent: () => {},
    fetch: (_spec: unknown, now: number, done: (result: unknown, now: number) => void) => {
      const value = { exists: true, value: encodeReservationValue({ user: USER, hit: held?.hit ?? null }) };
      done({ ok: true, values: held === undefined ? [] : [{ value, signer: { nodeId: held.by } }] }, now);
    },
    store: (
      spec: { lifetimeS: number; value: { value: Uint8Array } },
      now: number,
      done: (result: unknown, now: number) => void,
    ) => {
      stored.push({ hit: reservationOf(spec.value.value)?.hit, lifetimeS: spec.lifetimeS });
      const info =
        verdict === undefined || verdict === 'silence' ? new Uint8Array() : Buffer.from(encodeVerdicts([verdict]));
      const error = new OverlayError(ERROR_CODES.forbidden, 'refused', info);
      done(verdict === undefined ? { ok: true } : { ok: false, error }, now);
    },
  } as unknown as OverlayNode;
  const reservations = new Reservations({ overlay });
  const reserve = (...hits: Hit[]): unknown[] => {
    let answer: unknown[] = [];
    reservations.reserve(USER, hits, 0, (outcome, _now, former) => (answer = [outcome, former]));
    return answer;
  };
  return { reservations, reserve, stored };
}

test('a free name is kept for the host, and for whom is remembered for a week', (t) => {
  const { reserve, stored } = setUp();
  t.deepEqual(reserve(ALICE), ['kept', undefined]);
  t.deepEqual(stored, [{ hit: ALICE, lifetimeS: 604_800 }]);
});

test('for whom another inviter kept the name before is told, not whom this one let in itself', (t) => {
  t.deepEqual(setUp({ by: OTHER, hit: BOB }).reserve(ALICE), ['kept', BOB]);
  t.deepEqual(setUp({ by: ME, hit: BOB }).reserve(ALICE), ['kept', undefined]);
  t.deepEqual(setUp({ by: OTHER, hit: null }).reserve(ALICE), ['kept', undefined]);
});

test('a name that another inviter keeps is not this one’s to give, unless it is kept for one of these hosts', (t) => {
  t.deepEqual(setUp({ by: OTHER, hit: BOB }, 'claimed').reserve(ALICE), ['others', BOB]);
  t.deepEqual(setUp({ by: OTHER, hit: null }, 'claimed').reserve(ALICE), ['others', undefined]);
  t.deepEqual(setUp({ by: OTHER, hit: BOB }, 'claimed').reserve(ALICE, BOB), ['kept', undefined]);
});

test('an inviter of whom a peer keeps no more names goes on; while nobody answers it does not', (t) => {
  t.deepEqual(setUp(undefined, 'quota').reserve(ALICE), ['kept', undefined]);
  t.deepEqual(setUp(undefined, 'silence').reserve(ALICE), ['unknown', undefined]);
});

test('a name that waited for a ticket is given up for five minutes when the ticket ends, not when its host has come', (t) => {
  const ended = setUp();
  ended.reservations.keep([{ user: USER, lifetimeS: 3_600 }], 0);
  ended.reservations.keep([], 0);
  t.deepEqual(ended.stored, [
    { hit: null, lifetimeS: 3_600 },
    { hit: null, lifetimeS: 300 },
  ]);
  const used = setUp();
  used.reservations.keep([{ user: USER, lifetimeS: 3_600 }], 0);
  used.reserve(ALICE);
  used.reservations.keep([], 0);
  t.deepEqual(
    used.stored.map(({ hit }) => hit),
    [null, ALICE],
  );
});
