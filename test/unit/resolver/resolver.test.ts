import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { addressToHit } from '../../../src/base/node-id.ts';
import { MAX_PENDING, REFUSAL_HOLD_MS, RESOLVE_TIMEOUT_MS } from '../../../src/resolver/constants.ts';
import type { ResolverPorts, ResolverResult } from '../../../src/resolver/resolver.ts';
import { Resolver } from '../../../src/resolver/resolver.ts';

const HIT_ADDRESS = '2001:22::1:2';
const HIT = addressToHit(HIT_ADDRESS);

class Ports implements ResolverPorts {
  readonly up = new Set<string>();
  readonly connects: { hit: string; done: (result: ResolverResult<undefined>) => void }[] = [];
  readonly lookups: { address: string; done: (result: ResolverResult<string>) => void }[] = [];
  readonly released: string[] = [];
  readonly refused: string[] = [];

  isUp(hit: string): boolean {
    return this.up.has(hit);
  }
  lookupIpv4(address: string, _now: number, done: (result: ResolverResult<string>) => void): void {
    this.lookups.push({ address, done });
  }
  connect(hit: string, _now: number, done: (result: ResolverResult<undefined>) => void): void {
    this.connects.push({ hit, done });
  }
  release(_hit: string, address: string): void {
    this.released.push(address);
  }
  refuse(address: string): void {
    this.refused.push(address);
  }
}

function setUp(): { ports: Ports; resolver: Resolver } {
  const ports = new Ports();
  return { ports, resolver: new Resolver({ ports, logger: silentLogger }) };
}

test('many packets to one host, by HIT and by IPv4, make one link and are released when it is up', (t) => {
  const { ports, resolver } = setUp();
  resolver.miss(HIT_ADDRESS, 0);
  resolver.miss(HIT_ADDRESS, 1);
  resolver.miss('198.18.0.7', 2);
  t.is(ports.lookups.length, 1);
  ports.lookups[0]?.done({ ok: true, value: HIT });
  t.deepEqual(
    ports.connects.map(({ hit }) => hit),
    [HIT],
  );
  ports.up.add(HIT);
  resolver.linkUp(HIT, 50);
  t.deepEqual(ports.released.toSorted(), ['198.18.0.7', HIT_ADDRESS].toSorted());
  t.is(resolver.nextTimeout(), undefined);
  t.is(resolver.setupOf(HIT)?.linkUpAt, 50);
});

test('a packet to a host whose link is up already is released at once', (t) => {
  const { ports, resolver } = setUp();
  ports.up.add(HIT);
  resolver.miss(HIT_ADDRESS, 0);
  t.deepEqual(ports.released, [HIT_ADDRESS]);
  t.is(ports.connects.length, 0);
});

test('an address that nobody claimed is refused, and again without a lookup for a second', (t) => {
  const { ports, resolver } = setUp();
  resolver.miss('198.18.0.7', 0);
  ports.lookups[0]?.done({ ok: false, reason: 'nobody claims it' });
  t.deepEqual(ports.refused, ['198.18.0.7']);
  resolver.miss('198.18.0.7', REFUSAL_HOLD_MS - 1);
  t.is(ports.refused.length, 2);
  t.is(ports.lookups.length, 1);
  resolver.miss('198.18.0.7', REFUSAL_HOLD_MS);
  t.is(ports.lookups.length, 2);
});

test('a host that never answers is asked again and refused when the time is up', (t) => {
  const { ports, resolver } = setUp();
  resolver.miss(HIT_ADDRESS, 0);
  let now = 0;
  for (let next = resolver.nextTimeout(); next !== undefined; next = resolver.nextTimeout()) {
    now = next;
    resolver.handleTimeout(now);
  }
  t.is(now, RESOLVE_TIMEOUT_MS);
  t.true(ports.connects.length > 1);
  t.deepEqual(ports.refused, [HIT_ADDRESS]);
});

test('a link that comes up after its address was refused changes nothing', (t) => {
  const { ports, resolver } = setUp();
  resolver.miss(HIT_ADDRESS, 0);
  ports.connects[0]?.done({ ok: false, reason: 'no such node' });
  t.deepEqual(ports.refused, [HIT_ADDRESS]);
  resolver.linkUp(HIT, 100);
  t.deepEqual(ports.released, []);
});

test('a scan of the whole range holds no more than its bound', (t) => {
  const { ports, resolver } = setUp();
  for (let i = 0; i < MAX_PENDING + 50; i++) resolver.miss(`198.18.${i >> 8}.${i & 255}`, 0);
  t.is(ports.lookups.length, MAX_PENDING);
  t.is(ports.refused.length, 50);
});
