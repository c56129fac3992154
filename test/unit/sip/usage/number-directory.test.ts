import test from 'ava';
import { fromHex } from '../../../../src/base/bytes.ts';
import { OverlayError, OverlayTimeoutError } from '../../../../src/overlay/errors.ts';
import { overlaySettings } from '../../../../src/overlay/settings.ts';
import { IDLOC_NUMBER, IDLOC_NUMBERS } from '../../../../src/overlay/storage/kinds.ts';
import {
  encodeNumberMarks,
  encodeNumberValue,
  numberMark,
  numberResourceName,
  numberToken,
} from '../../../../src/overlay/storage/number-value.ts';
import type { FetchedValue, FetchResult } from '../../../../src/overlay/storage/storage-client.ts';
import { ERROR_CODES } from '../../../../src/reload/index.ts';
import { NumberDirectory } from '../../../../src/sip/usage/number-directory.ts';

const [OFFICE, ATTIC, BOB, CAROL] = [
  'office@home.example',
  'attic@home.example',
  'bob@home.example',
  'carol@home.example',
];
const NUMBER = '+49301234567';
const TOKEN = numberToken('home.example', NUMBER);
const HITS = ['1', '2'].map((digit) => `20010022${'0'.repeat(23)}${digit}`);
const NONE: FetchResult = { ok: false, error: new OverlayError(ERROR_CODES.not_found, 'none') };

function record(user: string, { gateway = OFFICE, host = 0, storageTime = 1, token = TOKEN } = {}): FetchedValue {
  const nodeId = HITS[host] ?? '';
  return {
    value: { model: 'dictionary', key: fromHex(nodeId), exists: true, value: encodeNumberValue({ token, user }) },
    signer: { nodeId, user: gateway },
    certificate: undefined,
    ...{ storageTime, lifetimeS: 7_200 },
  };
}

/** What a gateway has given, as its host lists it. */
function list(gateway: string, numbers: readonly string[], host = 0): FetchedValue {
  const marks = numbers.map((number) => numberMark(numberToken('home.example', number))).join('');
  const { value, ...rest } = record(BOB, { gateway, host });
  return { ...rest, value: { ...value, value: encodeNumberMarks(marks) } };
}

function fetched(...values: FetchedValue[]): FetchResult {
  return { ok: true, values, removed: [], refused: 0, generation: 1n, responder: '', hops: 1 };
}

/** Above an overlay that answers when the test says so. */
class Bench {
  /** Of records of numbers. */
  readonly fetches: { readonly resource: string; readonly answer: (result: FetchResult) => void }[] = [];
  /** Of lists. */
  readonly lists: { readonly resource: string; readonly answer: (result: FetchResult) => void }[] = [];
  /** What each list says of itself. */
  given: readonly string[] | undefined = [NUMBER];
  readonly heard: (string | undefined)[] = [];
  readonly timers: (() => void)[] = [];
  readonly own = new Map<string, string>();
  isJoined = true;
  now = 0;
  readonly settings = overlaySettings({ name: 'home.example', sequence: 1 });
  readonly directory: NumberDirectory;

  constructor(gateways: readonly string[] = [OFFICE, ATTIC]) {
    this.directory = new NumberDirectory(
      {
        overlay: () =>
          this.isJoined
            ? {
                ...{ state: 'joined', settings: this.settings },
                fetch: ({ resource, kind }, _, done) => {
                  const asked = { resource, answer: (result: FetchResult) => done(result, this.now) };
                  (kind === IDLOC_NUMBERS.id ? this.lists : this.fetches).push(asked);
                  const gateway = gateways.find((name) => this.settings.ring.resourceIdOf(name) === resource);
                  if (kind !== IDLOC_NUMBER.id && gateway !== undefined && this.given !== undefined)
                    asked.answer(fetched(list(gateway, this.given)));
                },
              }
            : undefined,
        after: (_, then) => void this.timers.push(() => then(this.now)),
        own: (number) => this.own.get(number),
      },
      gateways,
    );
  }

  ask(number = NUMBER): void {
    this.directory.lookUp(number, this.now, (user) => void this.heard.push(user));
  }

  /** To the questions of one lookup, in the order of the gateways. */
  answer(...results: FetchResult[]): void {
    for (const [i, { answer }] of this.fetches.splice(0).entries()) answer(results[i] ?? NONE);
  }
}

test('each named gateway is asked once at its own place, and what the first one says counts', (t) => {
  const bench = new Bench();
  bench.ask();
  bench.ask();
  t.deepEqual(
    bench.fetches.map(({ resource }) => resource),
    [OFFICE, ATTIC].map((gateway) => bench.settings.ring.resourceIdOf(numberResourceName(TOKEN, gateway))),
  );
  bench.answer(fetched(record(BOB)), fetched(record(CAROL, { gateway: ATTIC })));
  t.deepEqual(bench.heard, [BOB, BOB]);
});

test('what another one than the gateway has signed, of another number, or that leads out of the overlay, is not followed', (t) => {
  for (const theft of [
    record(BOB, { gateway: 'mallory@home.example' }),
    record(BOB, { token: numberToken('home.example', '+49307654321') }),
    record('bob@elsewhere.example'),
    record('bob'),
    { ...record(BOB), value: { model: 'dictionary', key: new Uint8Array(16), exists: true, value: new Uint8Array(3) } },
  ] as FetchedValue[]) {
    const bench = new Bench([OFFICE]);
    bench.ask();
    bench.answer(fetched(theft));
    t.deepEqual(bench.heard, [undefined]);
  }
});

test("of a gateway's hosts the latest word counts", (t) => {
  const bench = new Bench([OFFICE]);
  bench.ask();
  bench.answer(fetched(record(BOB, { storageTime: 5 }), record(CAROL, { host: 1, storageTime: 6 })));
  t.deepEqual(bench.heard, [CAROL]);
});

test('an answer is kept for a while, that nobody has it for a shorter one; what failed is asked again', (t) => {
  const bench = new Bench([OFFICE]);
  bench.ask();
  bench.answer(fetched(record(BOB)));
  bench.now = 29_000;
  bench.ask();
  t.deepEqual([bench.heard, bench.fetches.length], [[BOB, BOB], 0]);
  bench.now = 31_000;
  bench.ask();
  bench.answer(NONE);
  bench.now = 31_900;
  bench.ask();
  t.deepEqual([bench.heard.slice(2), bench.fetches.length], [[undefined, undefined], 0]);
  bench.now = 32_100;
  bench.ask();
  bench.answer({ ok: false, error: new OverlayTimeoutError('fetch') });
  bench.ask();
  t.is(bench.fetches.length, 1);
});

test('a gateway whose place is silent costs a caller no more than his patience, and what another one says is heard', (t) => {
  const bench = new Bench();
  bench.ask();
  bench.fetches[1]?.answer(fetched(record(CAROL, { gateway: ATTIC })));
  t.deepEqual(bench.heard, []);
  bench.timers[0]?.();
  t.deepEqual(bench.heard, [CAROL]);
  bench.fetches[0]?.answer(NONE);
  t.is(bench.heard.length, 1);
});

test('what this host’s own gateway has given needs no overlay, and where no gateway is named nothing is asked', (t) => {
  const bench = new Bench([]);
  bench.own.set(NUMBER, BOB);
  bench.ask();
  bench.ask('+49307654321');
  const apart = new Bench();
  apart.isJoined = false;
  apart.ask();
  t.deepEqual([bench.heard, bench.fetches.length, apart.heard], [[BOB, undefined], 0, [undefined]]);
});

test('a number of the world is told to no peer: its mark is in no list, and the lists are asked for once for many calls', (t) => {
  const bench = new Bench();
  for (let i = 0; i < 20; i++) bench.ask(`+4930${1_000_000 + i}`);
  t.deepEqual(bench.heard, Array(20).fill(undefined));
  t.is(bench.fetches.length, 0);
  t.deepEqual(
    bench.lists.map(({ resource }) => resource),
    [OFFICE, ATTIC].map((gateway) => bench.settings.ring.resourceIdOf(gateway)),
  );
  bench.now = 1_100;
  bench.ask(NUMBER);
  t.deepEqual([bench.lists.length, bench.fetches.length], [4, 2], 'what was given a second ago can be called');
});

test('lists of all hosts of a gateway count, one that another member has signed does not, and a silent overlay knows none', (t) => {
  const bench = new Bench([OFFICE]);
  bench.given = undefined;
  bench.ask();
  bench.lists[0]?.answer(fetched(list(OFFICE, []), list(OFFICE, [NUMBER], 1)));
  t.is(bench.fetches.length, 1);
  const theft = new Bench([OFFICE]);
  theft.given = undefined;
  theft.ask();
  theft.lists[0]?.answer(fetched(list('mallory@home.example', [NUMBER])));
  t.deepEqual([theft.heard, theft.fetches.length], [[undefined], 0]);
  const silent = new Bench([OFFICE]);
  silent.given = undefined;
  silent.ask();
  silent.lists[0]?.answer({ ok: false, error: new OverlayTimeoutError('fetch') });
  silent.ask();
  t.deepEqual([silent.heard, silent.lists.length], [[undefined], 2], 'asked again');
});

test('more lookups than a few at a time are answered without the overlay', (t) => {
  const bench = new Bench([OFFICE]);
  bench.given = Array.from({ length: 64 }, (_, i) => `+4930${1_000_000 + i}`);
  for (let i = 0; i < 100; i++) bench.ask(`+4930${1_000_000 + i}`);
  t.is(bench.fetches.length, 64);
  t.is(bench.heard.length, 36);
});
