import test from 'ava';
import { fromHex } from '../../../../src/base/bytes.ts';
import { OverlayTimeoutError } from '../../../../src/overlay/errors.ts';
import { overlaySettings } from '../../../../src/overlay/settings.ts';
import type { FetchedValue, FetchResult } from '../../../../src/overlay/storage/storage-client.ts';
import { KnownPorts } from '../../../../src/sip/usage/known-ports.ts';
import { GatewayDirectory, GATEWAY_RECORD, gatewayText } from '../../../../src/sip/usage/gateway-directory.ts';

const [OFFICE, HOME] = ['office@home.example', 'attic@home.example'];
const HITS = Array.from({ length: 10 }, (_, i) => `20010022${'0'.repeat(23)}${i}`);

function record(hit: string, storageTime: number, user = OFFICE, says = 'sip.example.org'): FetchedValue {
  const value = GATEWAY_RECORD.encode(says, hit);
  return {
    value: { model: 'dictionary', key: fromHex(hit), exists: true, value },
    signer: { nodeId: hit, user },
    certificate: undefined,
    ...{ storageTime, lifetimeS: 600 },
  };
}

function fetched(...values: FetchedValue[]): FetchResult {
  return { ok: true, values, removed: [], refused: 0, generation: 1n, responder: '', hops: 1 };
}

/** Above an overlay that answers when the test says so. */
class Bench {
  readonly fetches: { resource: string; answer: (result: FetchResult) => void }[] = [];
  readonly heard: string[] = [];
  readonly timers: (() => void)[] = [];
  now = 0;
  readonly settings = overlaySettings({ name: 'home.example', sequence: 1 });
  readonly ports = new KnownPorts();
  readonly directory: GatewayDirectory;

  constructor(names: readonly string[] = [OFFICE, HOME]) {
    this.directory = new GatewayDirectory(
      {
        overlay: () => ({
          ...{ state: 'joined', settings: this.settings },
          fetch: ({ resource }, _, done) => {
            this.fetches.push({ resource, answer: (result) => done(result, this.now) });
          },
        }),
        after: (_, then) => void this.timers.push(() => then(this.now)),
        ports: this.ports,
      },
      names,
    );
  }

  ask(): void {
    this.directory.lookUp(this.now, (hosts) => void this.heard.push(hosts.map((hit) => hit.slice(-1)).join('')));
  }
}

test('gateways come in the order of their names, of each the latest host first, and each name is asked once', (t) => {
  const bench = new Bench();
  bench.ask();
  bench.ask();
  t.deepEqual(
    bench.fetches.map(({ resource }) => resource),
    [OFFICE, HOME].map((name) => bench.settings.ring.resourceIdOf(name)),
  );
  bench.fetches[1]?.answer(fetched(record(HITS[3] ?? '', 1, HOME)));
  t.deepEqual(bench.heard, []);
  bench.fetches[0]?.answer(fetched(record(HITS[1] ?? '', 1), record(HITS[2] ?? '', 2)));
  t.deepEqual(bench.heard, ['213', '213']);
});

test('a record of another user at that place is not followed', (t) => {
  const bench = new Bench([OFFICE]);
  bench.ask();
  bench.fetches[0]?.answer(fetched(record(HITS[1] ?? '', 1, 'mallory@home.example')));
  t.deepEqual(bench.heard, ['']);
});

test('what is known is told at once, and asked for anew when it is older than a minute; silence takes nothing away', (t) => {
  const bench = new Bench([OFFICE]);
  bench.ask();
  bench.fetches[0]?.answer(fetched(record(HITS[1] ?? '', 1)));
  bench.now = 30_000;
  bench.ask();
  t.is(bench.fetches.length, 1);
  bench.now = 100_000;
  bench.ask();
  t.deepEqual(bench.heard, ['1', '1', '1']);
  t.is(bench.fetches.length, 2);
  bench.fetches[1]?.answer({ ok: false, error: new OverlayTimeoutError('fetch') });
  bench.ask();
  t.is(bench.heard.at(-1), '1');
});

test('an overlay that says nothing costs a caller no more than its patience', (t) => {
  const bench = new Bench([OFFICE]);
  bench.ask();
  t.deepEqual(bench.heard, []);
  bench.timers[0]?.();
  t.deepEqual(bench.heard, ['']);
});

test('where no gateway is named nothing is asked', (t) => {
  const bench = new Bench([]);
  bench.ask();
  t.deepEqual([bench.heard, bench.fetches.length], [[''], 0]);
});

test('a gateway says where its adaptor listens, beside its domain; one of an earlier version does not', (t) => {
  const bench = new Bench([OFFICE]);
  bench.ask();
  const [first = '', second = '', third = ''] = HITS;
  bench.fetches[0]?.answer(
    fetched(
      record(first, 3, OFFICE, gatewayText('sip.example.org', 5070)),
      record(second, 2),
      record(third, 1, OFFICE, 'sip.example.org;port=70000'),
    ),
  );
  t.deepEqual(
    HITS.slice(0, 3).map((hit) => bench.ports.of(hit)),
    [5070, undefined, undefined],
  );
  t.deepEqual(new Set(bench.directory.known.map(({ domain }) => domain)), new Set(['sip.example.org']));
});
