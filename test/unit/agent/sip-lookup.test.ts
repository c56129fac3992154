import test from 'ava';
import { SipLookup } from '../../../src/agent/sip-lookup.ts';
import type { Member } from '../../../src/agent/engine.ts';
import { OverlayError, OverlayTimeoutError } from '../../../src/overlay/errors.ts';
import type { NamedHost, NameService } from '../../../src/overlay/naming.ts';
import type { OverlayNode } from '../../../src/overlay/overlay-node.ts';
import { overlaySettings } from '../../../src/overlay/settings.ts';
import type { FetchResult } from '../../../src/overlay/storage/storage-client.ts';
import { ByteWriter, fromHex } from '../../../src/base/bytes.ts';
import { ERROR_CODES, encodeSipRegistration } from '../../../src/reload/index.ts';

const BOB = 'bob@home.example';
const [FIRST, SECOND] = ['2001002200000000000000000000000a', '2001002200000000000000000000000b'];
const SOURCE = { responder: '', signer: '', ageMs: 0, hops: 1 };

function registered(...hits: string[]): FetchResult {
  const values = hits.map((hit) => {
    const writer = new ByteWriter();
    encodeSipRegistration(writer, {
      ...{ type: 'route', contactPrefs: '' },
      destinationList: [{ type: 'node', nodeId: hit }],
    });
    return {
      value: { model: 'dictionary' as const, key: fromHex(hit), exists: true, value: writer.finish() },
      ...{ signer: { nodeId: hit, user: BOB }, certificate: undefined, storageTime: 0, lifetimeS: 600 },
    };
  });
  return { ok: true, values, removed: [], refused: 0, generation: 1n, responder: '', hops: 1 };
}

/** A lookup above an overlay that answers when the test says so. */
class Bench {
  linked: Member[] = [];
  state: 'joined' | 'joining' = 'joined';
  fetched: FetchResult | undefined;
  named: readonly NamedHost[] = [];
  readonly answers: (readonly string[] | undefined)[] = [];
  readonly timers: { readonly ms: number; readonly then: () => void }[] = [];
  private answer: ((result: FetchResult) => void) | undefined;
  private readonly lookup: SipLookup;

  constructor() {
    const engine = {
      linkedMembersOf: () => this.linked,
      overlay: this.overlay(),
      names: {
        lookupName: (_: string, now: number, done: Parameters<NameService['lookupName']>[2]) =>
          done(
            this.named.length > 0
              ? { ok: true, value: this.named }
              : { ok: false, error: new OverlayError(ERROR_CODES.not_found, 'nobody') },
            now,
          ),
      } as unknown as NameService,
    };
    const driver = { run: <T>(input: (now: number) => T): T => input(0) };
    const after = (ms: number, then: () => void): void => void this.timers.push({ ms, then });
    this.lookup = new SipLookup({ engine, driver, after });
  }

  ask(): void {
    this.lookup.lookUp(BOB, 0, (hosts) =>
      this.answers.push(
        hosts?.map(({ hit, isRegistered, ipv4 }) =>
          [hit.slice(-1), isRegistered ? 'adaptor' : 'phone', ...(ipv4 === undefined ? [] : [ipv4])].join(' '),
        ),
      ),
    );
  }

  says(result: FetchResult): void {
    this.answer?.(result);
  }

  private overlay(): OverlayNode {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- a getter has its own this
    const bench = this;
    return {
      get state() {
        return bench.state;
      },
      settings: overlaySettings({ name: 'home.example', sequence: 1 }),
      fetch: (_: unknown, now: number, done: (result: FetchResult, at: number) => void) => {
        this.answer = (result) => done(result, now);
      },
    } as unknown as OverlayNode;
  }
}

const linked = (hit: string): Member => ({ hit, user: BOB, ipv4: undefined });

test('where a member is registered its adaptors are told; where it is not, its hosts by name, where a phone may listen', (t) => {
  const bench = new Bench();
  bench.ask();
  bench.says(registered(FIRST, SECOND));
  t.deepEqual(bench.answers, [['a adaptor', 'b adaptor']]);
  const unregistered = new Bench();
  unregistered.named = [
    { hit: FIRST, ipv4: '198.18.0.9', source: SOURCE },
    { hit: SECOND, ipv4: undefined, source: SOURCE },
  ];
  unregistered.ask();
  unregistered.says(registered());
  t.deepEqual(unregistered.answers, [['a phone 198.18.0.9', 'b phone']]);
});

test('what the overlay has said of a member is told at once a moment later, with no timer set', (t) => {
  const bench = new Bench();
  bench.linked = [linked(FIRST)];
  bench.ask();
  t.is(bench.timers.length, 1);
  bench.says(registered(SECOND));
  bench.ask();
  t.deepEqual(bench.answers, [['b adaptor'], ['b adaptor']]);
  t.is(bench.timers.length, 1);
});

test('a user that nobody knows has no hosts; an overlay that does not answer says nothing', (t) => {
  const bench = new Bench();
  bench.ask();
  bench.says(registered());
  t.deepEqual(bench.answers, [[]]);
  const silent = new Bench();
  silent.ask();
  silent.says({ ok: false, error: new OverlayTimeoutError('fetch') });
  t.deepEqual(silent.answers, [undefined]);
});

test('outside of the overlay linked hosts are told, and without them nobody can say', (t) => {
  const bench = new Bench();
  bench.state = 'joining';
  bench.ask();
  bench.linked = [linked(FIRST)];
  bench.ask();
  t.deepEqual(bench.answers, [undefined, ['a adaptor']]);
});

test('with a linked host the overlay is waited for a second, and what it says later is not told again', (t) => {
  const bench = new Bench();
  bench.linked = [linked(FIRST)];
  bench.ask();
  t.deepEqual(bench.answers, []);
  t.is(bench.timers[0]?.ms, 1_000);
  bench.timers[0]?.then();
  t.deepEqual(bench.answers, [['a adaptor']]);
  bench.says(registered(SECOND));
  t.is(bench.answers.length, 1);
});

test('what the overlay says in time goes before what is linked, but its failure does not', (t) => {
  const bench = new Bench();
  bench.linked = [linked(FIRST)];
  bench.ask();
  bench.says(registered(SECOND));
  bench.timers[0]?.then();
  t.deepEqual(bench.answers, [['b adaptor']]);
  const failing = new Bench();
  failing.linked = [linked(FIRST)];
  failing.ask();
  failing.says({ ok: false, error: new OverlayTimeoutError('fetch') });
  t.deepEqual(failing.answers, [['a adaptor']]);
});
