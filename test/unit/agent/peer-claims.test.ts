import test from 'ava';
import { parseIpv4Prefix } from '../../../src/base/ipv4-prefix.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { PeerClaims } from '../../../src/agent/peer-claims.ts';
import { OverlayError } from '../../../src/overlay/errors.ts';
import { ipv4Choice } from '../../../src/overlay/ipv4-choice.ts';
import type { NameService } from '../../../src/overlay/naming.ts';
import { ERROR_CODES } from '../../../src/reload/index.ts';

const PREFIX = '198.18.0.0/15';
const PEER = '20010020000000000000000000000001';
const FIRST_CHOICE = ipv4Choice(parseIpv4Prefix(PREFIX), PEER, 0);
const OTHER = '198.18.0.77';
const SOURCE = { responder: PEER, signer: PEER, ageMs: 0, hops: 1 };

/** Claims that peers hold in the overlay, and a host that looks them up; answers come at once. */
class Bench {
  readonly holders = new Map<string, Hit>();
  readonly questions: string[] = [];
  readonly changes: (string | null)[] = [];
  readonly claims: PeerClaims;
  now = 0;
  isJoined = true;

  constructor() {
    const notFound = { ok: false as const, error: new OverlayError(ERROR_CODES.not_found, 'nothing there') };
    const names: Pick<NameService, 'lookupIpv4' | 'lookupHit'> = {
      lookupIpv4: (address, now, done) => {
        this.questions.push(address);
        const hit = this.holders.get(address);
        done(
          hit === undefined ? notFound : { ok: true, value: { hit, user: undefined, lifetimeS: 60, source: SOURCE } },
          now,
        );
      },
      lookupHit: (hit, now, done) => {
        this.questions.push('host');
        const [ipv4] = [...this.holders].find(([, holder]) => holder === hit) ?? [];
        done(ipv4 === undefined ? notFound : { ok: true, value: { user: undefined, ipv4, source: SOURCE } }, now);
      },
    };
    this.claims = new PeerClaims(
      {
        ports: {
          names: () => (this.isJoined ? (names as NameService) : undefined),
          isLinked: () => true,
          changed: (_hit, ipv4) => this.changes.push(ipv4),
        },
      },
      { ipv4Prefix: PREFIX },
    );
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let next = this.claims.nextTimeout(); next !== undefined && next <= end; next = this.claims.nextTimeout()) {
      this.now = Math.max(this.now, next);
      this.claims.handleTimeout(this.now);
    }
    this.now = end;
  }
}

test('a newcomer that is linked before it has claimed its address is asked for once, a second later', (t) => {
  const bench = new Bench();
  bench.claims.linkUp(PEER, 0);
  bench.run(900);
  t.deepEqual(bench.questions, []);
  bench.holders.set(FIRST_CHOICE, PEER);
  bench.run(20_000);
  t.deepEqual(bench.questions, [FIRST_CHOICE]);
  t.deepEqual(bench.changes, [FIRST_CHOICE]);
});

test('links from before this host was in the overlay are asked for once too', (t) => {
  const bench = new Bench();
  bench.holders.set(FIRST_CHOICE, PEER);
  bench.isJoined = false;
  bench.claims.linkUp(PEER, 0);
  bench.run(5_000);
  t.deepEqual(bench.questions, []);
  bench.isJoined = true;
  bench.claims.joined([PEER], bench.now);
  bench.run(20_000);
  t.deepEqual(bench.questions, [FIRST_CHOICE]);
});

test('who asks for a link to send packets is looked up at once, and its other choice is found', (t) => {
  const bench = new Bench();
  bench.holders.set(OTHER, PEER);
  bench.claims.lookupSoon(PEER, 0);
  bench.run(0);
  t.deepEqual(bench.questions, [FIRST_CHOICE, 'host']);
  t.deepEqual(bench.changes, [OTHER]);
});

test('an address that is known is confirmed by the host, and follows it to another one', (t) => {
  const bench = new Bench();
  bench.claims.learn(PEER, FIRST_CHOICE);
  bench.holders.set(OTHER, PEER);
  bench.claims.linkUp(PEER, 0);
  bench.run(20_000);
  t.deepEqual(bench.questions, ['host']);
  t.deepEqual(bench.changes, [FIRST_CHOICE, OTHER]);
});

test('a claim that is not there is looked up five times, less and less often', (t) => {
  const bench = new Bench();
  bench.claims.linkUp(PEER, 0);
  const times: number[] = [];
  for (let i = 0; i < 60; i++) {
    const before = bench.questions.length;
    bench.run(1_000);
    if (bench.questions.length > before) times.push(bench.now);
  }
  t.deepEqual(times, [1_000, 2_000, 4_000, 7_000, 11_000]);
});
