import test from 'ava';
import { Acquaintances } from '../../../src/agent/acquaintances.ts';
import { OwnAddresses } from '../../../src/agent/own-addresses.ts';
import { PeerFinder } from '../../../src/agent/peer-finder.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { formatSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import { orchidRing } from '../../../src/overlay/chord/ring.ts';
import type { OverlayEvent, OverlayRole } from '../../../src/overlay/events.ts';
import type { OverlayNode } from '../../../src/overlay/overlay-node.ts';
import { encodeLocatorsValue } from '../../../src/overlay/storage/values.ts';

const SELF = '20010022'.padEnd(32, 'a');
const PEER = '20010022'.padEnd(32, 'b');
const CLIENT = '20010022'.padEnd(32, 'c');
const WALL = Date.UTC(2026, 0, 1);
const OWN = { address: '203.0.113.1', port: 6084 };

/** A host whose overlay knows one record, of PEER. */
class Host {
  now = 0;
  role: OverlayRole = 'peer';
  timeIsKnown = true;
  stores = 0;
  fetches = 0;
  readonly dialed: { hit: Hit; to: string }[] = [];
  readonly linked = new Set<Hit>();
  readonly acquaintances: Acquaintances;
  readonly addresses: OwnAddresses;
  readonly finder: PeerFinder;
  private tell: (event: OverlayEvent, now: number) => void = () => {};

  /** @param record what PEER says, `ageMs` after WALL */
  constructor(record: readonly SocketAddress[] = [], ageMs = 1_000) {
    this.acquaintances = new Acquaintances({ self: SELF, start: [], contacts: [] });
    this.addresses = new OwnAddresses(
      { seen: { whereSeen: () => [], standing: () => ({ type: 'unknown', why: '' }) }, port: () => OWN.port },
      { streams: [] },
    );
    this.addresses.hosts = [OWN.address];
    this.finder = new PeerFinder({
      links: {
        addresses: { isOwn: (address) => formatSocketAddress(address) === formatSocketAddress(OWN) },
        isUp: (hit) => this.linked.has(hit),
        isAnswering: (hit) => this.linked.has(hit),
      },
      members: { has: (hit) => this.linked.has(hit) },
      acquaintances: this.acquaintances,
      addresses: this.addresses,
      random: seededRandom(1),
      logger: silentLogger,
      ports: {
        timeIsKnown: () => this.timeIsKnown,
        wall: () => WALL + 3_600_000,
        dial: (remote, _, hit) => void this.dialed.push({ hit, to: formatSocketAddress(remote) }),
        learned: () => {},
      },
    });
    const getRole = (): OverlayRole => this.role;
    const value = { model: 'single' as const, exists: true, value: encodeLocatorsValue(record) };
    const fetched = { value, signer: { nodeId: PEER, user: null }, certificate: undefined, lifetimeS: 60 };
    const answer = { ok: true as const, removed: [], refused: 0, generation: 1n, responder: PEER, hops: 1 };
    const overlay: Pick<
      OverlayNode,
      'nodeId' | 'role' | 'state' | 'settings' | 'toldPeers' | 'onEvent' | 'store' | 'fetch'
    > = {
      nodeId: SELF,
      get role(): OverlayRole {
        return getRole();
      },
      state: 'joined',
      settings: { ring: orchidRing } as OverlayNode['settings'],
      toldPeers: [],
      onEvent: (handler) => void (this.tell = handler),
      store: (_, now, done) => {
        this.stores += 1;
        done({ ok: true } as Parameters<typeof done>[0], now);
      },
      fetch: (_, now, done) => {
        this.fetches += 1;
        done({ ...answer, values: record.length > 0 ? [{ ...fetched, storageTime: WALL + ageMs }] : [] }, now);
      },
    };
    this.finder.enter(overlay as OverlayNode);
  }

  join(): void {
    this.tell({ type: 'joined' }, this.now);
  }

  know(hit: Hit, { peer, at }: { peer: boolean; at: SocketAddress }): void {
    this.acquaintances.remember(hit, { peer, locators: [at] }, WALL);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let at = this.finder.nextTimeout(); at !== undefined && at <= end; at = this.finder.nextTimeout()) {
      this.now = Math.max(this.now, at);
      this.finder.handleTimeout(this.now);
    }
    this.now = end;
  }

  /** Where was dialed since the last time that this was asked. */
  takeDialed(): string[] {
    return this.dialed.splice(0).map(({ to }) => to);
  }
}

function at(n: number, port = 6084): SocketAddress {
  return { address: `192.0.2.${n}`, port };
}

test('a peer that no message gets to is dialed where it was last, then where it says it is, as itself', (t) => {
  const host = new Host([at(2)]);
  host.know(PEER, { peer: true, at: at(1) });
  host.finder.seek(PEER, 0);
  t.deepEqual([...new Set(host.dialed.map(({ hit }) => hit))], [PEER]);
  const dialed = host.takeDialed();
  t.is(dialed[0], '192.0.2.1:6084');
  t.true(dialed.includes('192.0.2.2:6084'));
});

test('a record that names us, loopback, multicast, broadcast or the overlay itself sends nothing there, and nothing is kept of it', (t) => {
  const host = new Host([
    OWN,
    { address: '127.0.0.1', port: 25 },
    { address: '::1', port: 25 },
    { address: '0.0.0.0', port: 25 },
    { address: '255.255.255.255', port: 25 },
    { address: '224.0.0.251', port: 5353 },
    { address: 'ff02::1', port: 5353 },
    { address: '2001:22::1', port: 6084 },
  ]);
  host.know(PEER, { peer: true, at: at(1) });
  host.finder.seek(PEER, 0);
  t.deepEqual([...new Set(host.takeDialed())], ['192.0.2.1:6084']);
  t.deepEqual(host.acquaintances.byHit(PEER)?.locators, [at(1)]);
});

test('however many addresses a record names, a few datagrams go out for each search', (t) => {
  const host = new Host(Array.from({ length: 8 }, (_, i) => at(66, 1_000 + i)));
  host.know(PEER, { peer: true, at: at(1) });
  for (let i = 0; i < 10; i++) host.finder.seek(PEER, i);
  t.true(host.dialed.length <= 10 * 4, `${host.dialed.length} dials in ten searches`);
  t.true((host.acquaintances.byHit(PEER)?.locators.length ?? 0) <= 4);
});

test('an old record does not put what a link has shown since in second place', (t) => {
  const host = new Host([at(2)], -1_000);
  host.know(PEER, { peer: true, at: at(1) });
  host.finder.seek(PEER, 0);
  t.deepEqual(host.acquaintances.byHit(PEER)?.locators[0], at(1));
});

test('nobody looks for the record of a client, or of a peer that is linked', (t) => {
  const host = new Host([at(2)]);
  host.know(CLIENT, { peer: false, at: at(3) });
  host.know(PEER, { peer: true, at: at(1) });
  host.linked.add(PEER);
  host.finder.seekAtRecord(CLIENT, 0);
  host.finder.seekAtRecord(PEER, 0);
  t.is(host.fetches, 0);
  t.deepEqual(host.takeDialed(), []);
});

test('a peer an address of which is gone calls those that do not know, not those that are linked; a new one beside it, or none for a while, is no move', (t) => {
  const host = new Host();
  host.know(CLIENT, { peer: false, at: at(3) });
  host.know(PEER, { peer: true, at: at(1) });
  host.linked.add(PEER);
  host.finder.changed(0);
  host.addresses.hosts = [OWN.address, '203.0.113.2'];
  host.finder.changed(0);
  host.addresses.hosts = [];
  host.finder.changed(0);
  host.run(60_000);
  t.deepEqual(host.takeDialed(), []);
  host.addresses.hosts = ['203.0.113.2'];
  host.finder.changed(host.now);
  host.run(60_000);
  t.deepEqual([...new Set(host.takeDialed())], ['192.0.2.3:6084']);
  host.role = 'client';
  host.run(3_600_000);
  host.takeDialed();
  host.run(3_600_000);
  t.deepEqual(host.takeDialed(), []);
});

test('nothing is said of where we are before the time is known: it would be dated wrong', (t) => {
  const host = new Host();
  host.timeIsKnown = false;
  host.join();
  host.run(60_000);
  t.is(host.stores, 0);
  host.timeIsKnown = true;
  host.finder.changed(host.now);
  host.run(60_000);
  t.is(host.stores, 1);
});
