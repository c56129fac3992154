import test from 'ava';
import { ByteWriter, fromHex } from '../../../../src/base/bytes.ts';
import { orchidRing } from '../../../../src/overlay/chord/ring.ts';
import { OverlayError, OverlayTimeoutError } from '../../../../src/overlay/errors.ts';
import type { LookupDone, NamedHost } from '../../../../src/overlay/naming.ts';
import { overlaySettings } from '../../../../src/overlay/settings.ts';
import type { FetchResult, FetchedValue } from '../../../../src/overlay/storage/storage-client.ts';
import { ERROR_CODES, type SipRegistration, encodeSipRegistration } from '../../../../src/reload/index.ts';
import { withAdaptorPort } from '../../../../src/sip/usage/contact-preferences.ts';
import { KnownPorts } from '../../../../src/sip/usage/known-ports.ts';
import { SipDirectory, type SipDirectoryComponents } from '../../../../src/sip/usage/sip-directory.ts';

const ALICE = 'alice@home.example';
const HITS = Array.from({ length: 10 }, (_, i) => `20010022${'0'.repeat(23)}${i}`);
const SOURCE = { responder: '', signer: '', ageMs: 0, hops: 1 };

/** A directory above an overlay that answers when the test says so. */
class Bench {
  readonly fetches: ((result: FetchResult) => void)[] = [];
  readonly names: ((hosts: readonly NamedHost[] | OverlayError) => void)[] = [];
  readonly answers: string[] = [];
  readonly ports = new KnownPorts();
  readonly directory: SipDirectory;
  now = 0;

  constructor() {
    const overlay: SipDirectoryComponents['overlay'] = {
      settings: overlaySettings({ name: 'home.example', sequence: 1 }),
      fetch: ({ resource }, _, done) => {
        if (resource === orchidRing.resourceIdOf(ALICE)) this.fetches.push((result) => done(result, this.now));
      },
    };
    const lookupName = (_: string, __: number, done: LookupDone<readonly NamedHost[]>): void => {
      this.names.push((hosts) => {
        done(hosts instanceof OverlayError ? { ok: false, error: hosts } : { ok: true, value: hosts }, this.now);
      });
    };
    this.directory = new SipDirectory({ overlay, names: { lookupName }, ports: this.ports });
  }

  ask(aor = ALICE): void {
    this.directory.lookUp(aor, this.now, (result) => {
      const hits = result.ok ? result.value.hosts.map(({ hit }) => hit.slice(-1)).join('') : '';
      this.answers.push(result.ok ? `${result.value.from} ${hits}` : result.error.code);
    });
  }
}

function value(hit: string, storageTime: number, registration?: Partial<SipRegistration>, user = ALICE): FetchedValue {
  const writer = new ByteWriter();
  const route = { type: 'route' as const, contactPrefs: '', destinationList: [{ type: 'node' as const, nodeId: hit }] };
  encodeSipRegistration(writer, { ...route, ...registration } as SipRegistration);
  return {
    value: { model: 'dictionary', key: fromHex(hit), exists: true, value: writer.finish() },
    signer: { nodeId: hit, user },
    certificate: undefined,
    storageTime,
    lifetimeS: 600,
  };
}

function fetched(...values: FetchedValue[]): FetchResult {
  return { ok: true, values, removed: [], refused: 0, generation: 1n, responder: '', hops: 1 };
}

const failed = (code: number): FetchResult => ({ ok: false, error: new OverlayError(code, 'no') });

test('one Fetch serves all who ask for a user at a time, and those who ask within five seconds after', (t) => {
  const bench = new Bench();
  for (let i = 0; i < 3; i++) bench.ask();
  bench.fetches[0]?.(fetched(value(HITS[1] ?? '', 1)));
  t.deepEqual(
    bench.answers,
    Array.from({ length: 3 }, () => 'registrations 1'),
  );
  bench.now = 4_999;
  bench.ask();
  t.is(bench.answers.length, 4);
  t.is(bench.fetches.length, 1);
  bench.now = 5_000;
  bench.ask();
  t.is(bench.fetches.length, 2);
});

test('that nobody is there is remembered for two seconds; what failed is asked again at once', (t) => {
  const bench = new Bench();
  bench.ask();
  bench.fetches[0]?.(fetched());
  bench.names[0]?.(new OverlayError(ERROR_CODES.not_found, 'none'));
  bench.ask();
  t.deepEqual(bench.answers, ['not_found', 'not_found']);
  t.is(bench.fetches.length, 1);
  bench.now = 2_000;
  bench.ask();
  bench.fetches[1]?.({ ok: false, error: new OverlayTimeoutError('Fetch') });
  t.is(bench.answers.at(-1), 'request_timeout');
  t.is(bench.names.length, 1, 'who does not answer for one Kind does not for another');
  bench.ask();
  t.is(bench.fetches.length, 3);
});

test('that a user has hosts and no registration is remembered for one second: a phone may have registered meanwhile', (t) => {
  const bench = new Bench();
  bench.ask();
  bench.fetches[0]?.(fetched());
  bench.names[0]?.(HITS.map((hit) => ({ hit, ipv4: '198.18.0.1', source: SOURCE })));
  bench.now = 999;
  bench.ask();
  t.is(bench.fetches.length, 1);
  bench.now = 1_000;
  bench.ask();
  bench.fetches[1]?.(fetched(value(HITS[1] ?? '', 1)));
  t.is(bench.answers.at(-1), 'registrations 1');
});

test('hosts by name are the answer where there is no registration, nor one that could be', (t) => {
  for (const none of [fetched(), failed(ERROR_CODES.not_found), failed(ERROR_CODES.unknown_kind)]) {
    const bench = new Bench();
    bench.ask();
    bench.fetches[0]?.(none);
    bench.names[0]?.(HITS.map((hit) => ({ hit, ipv4: '198.18.0.1', source: SOURCE })));
    t.deepEqual(bench.answers, ['names 01234567']);
  }
  const bench = new Bench();
  bench.ask();
  bench.fetches[0]?.(failed(ERROR_CODES.forbidden));
  t.deepEqual([...bench.answers, bench.names.length], ['forbidden', 0]);
});

test('a name that was not renewed for three times is overdue, and a registration never is', (t) => {
  const hour = 3_600_000;
  const bench = new Bench();
  const ages = [0, 36 * hour, 36 * hour + 1];
  let hosts: readonly { readonly isOverdue: boolean; readonly storedAt: number | undefined }[] = [];
  bench.directory.lookUp('alice@home.example', 0, (result) => {
    if (result.ok) ({ hosts } = result.value);
  });
  bench.fetches[0]?.(fetched());
  bench.names[0]?.(
    ages.map((ageMs, index) => ({
      ...{ hit: HITS[index] ?? '', ipv4: undefined, storedAt: 40 * hour - ageMs, source: { ...SOURCE, ageMs } },
    })),
  );
  t.deepEqual(
    hosts.map(({ isOverdue, storedAt }) => [isOverdue, storedAt]),
    [
      [false, 40 * hour],
      [false, 4 * hour],
      [true, 4 * hour - 1],
    ],
  );
});

test('of many registrations the eight latest count; those of others, to others and to nobody are passed over', (t) => {
  const bench = new Bench();
  bench.ask();
  const wrong = [
    value(HITS[9] ?? '', 99, {}, 'bob@home.example'),
    value(HITS[9] ?? '', 99, { destinationList: [{ type: 'node', nodeId: HITS[1] ?? '' }] }),
    value(HITS[9] ?? '', 99, {
      destinationList: [HITS[9] ?? '', HITS[1] ?? ''].map((nodeId) => ({ type: 'node', nodeId })),
    }),
    value(HITS[9] ?? '', 99, { destinationList: [{ type: 'resource', resourceId: 'abcd' }] }),
    value(HITS[9] ?? '', 99, { type: 'uri', uri: 'bob@home.example' }),
  ];
  bench.fetches[0]?.(fetched(...wrong, ...HITS.slice(0, 9).map((hit, i) => value(hit, i))));
  t.deepEqual(bench.answers, ['registrations 87654321']);
});

test('what is no name of a user is not looked up', (t) => {
  const bench = new Bench();
  for (const aor of ['', 'alice', 'Alice@home.example', 'a b@home.example', `${'a'.repeat(64)}@home.example`])
    bench.ask(aor);
  t.deepEqual(
    bench.answers,
    Array.from({ length: 5 }, () => 'not_found'),
  );
  t.is(bench.fetches.length, 0);
});

test('so many users are looked up at a time, and so many wait for one; more are told that it is busy', (t) => {
  const bench = new Bench();
  for (let i = 0; i < 65; i++) bench.ask();
  t.deepEqual(bench.answers, ['request_timeout']);
  for (let i = 0; i < 64; i++) bench.ask(`u${i}@home.example`);
  t.is(bench.answers.length, 2);
  bench.fetches[0]?.(fetched(value(HITS[1] ?? '', 1)));
  t.is(bench.answers.length, 66);
});

test('where the adaptor of a host listens is learnt from its own record, and forgotten with a record that does not say', (t) => {
  const bench = new Bench();
  const [first = '', second = '', third = ''] = HITS;
  const says = (port: number): Partial<SipRegistration> => ({ contactPrefs: withAdaptorPort('', port) });
  bench.ask();
  bench.fetches[0]?.(
    fetched(value(first, 1, says(5070)), value(second, 2), value(third, 3, says(5071), 'mallory@home.example')),
  );
  const known = (): (number | undefined)[] => [first, second, third].map((hit) => bench.ports.of(hit));
  t.deepEqual(known(), [5070, undefined, undefined]);
  bench.now = 5_000;
  bench.ask();
  bench.fetches[1]?.(fetched(value(first, 4), value(second, 4, says(5072))));
  t.deepEqual(known(), [undefined, 5072, undefined]);
});
