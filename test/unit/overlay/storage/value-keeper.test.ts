import test from 'ava';
import type { Clock } from '../../../../src/base/clock.ts';
import { silentLogger } from '../../../../src/base/logger.ts';
import { resourceIdOf } from '../../../../src/overlay/chord/ring.ts';
import type { Signer } from '../../../../src/overlay/security/certificate-cache.ts';
import { ORIGINAL, type SignedValue } from '../../../../src/overlay/storage/admission.ts';
import { DEFAULT_KINDS, IDLOC_HOST, IDLOC_IPV4, type Kind } from '../../../../src/overlay/storage/kinds.ts';
import { ResourceStore } from '../../../../src/overlay/storage/resource-store.ts';
import { ValueKeeper } from '../../../../src/overlay/storage/value-keeper.ts';
import { EMPTY_SIGNATURE } from '../../../../src/reload/index.ts';
import { MemoryValueFile } from '../../../sim/overlay/memory-value-file.ts';

const WALL = 1_700_000_000_000;
const HIT = '20010022'.padEnd(32, 'a');
const OTHER = '20010022'.padEnd(32, 'b');

const placeOf = (i: number): string => resourceIdOf(`place ${i}`);
const signerOf = (nodeId: string): Signer => ({
  ...{ nodeId, user: null, spki: new Uint8Array(), hash: nodeId },
  chain: [Buffer.from(nodeId, 'hex')],
});

function signed(text: string, { time = 0, by = HIT, exists = true } = {}): SignedValue {
  const value = { model: 'single' as const, exists, value: exists ? Buffer.from(text) : new Uint8Array() };
  const data = { storageTime: BigInt(WALL + time), lifetime: 3_600, value, signature: EMPTY_SIGNATURE };
  return { data, signer: signerOf(by) };
}

/** A peer over its lives: its file stays. */
class Peer {
  readonly file = new MemoryValueFile();
  now = 0;
  revoked = false;
  responsible = true;
  /** What those say that keep copies. */
  elsewhere: SignedValue[] = [];
  restored: string[] = [];
  store = this.makeStore();
  keeper = this.makeKeeper();

  restart(): void {
    this.store = this.makeStore();
    this.keeper = this.makeKeeper();
    this.restored = [];
  }

  offer(i: number, value: SignedValue, kind: Kind = IDLOC_HOST, origin = { ...ORIGINAL, knowsPlace: true }): void {
    this.store.offer(placeOf(i), [{ kind, generation: 0n, values: [value] }], origin, this.now, WALL + this.now);
  }

  run(ms = 2_000): void {
    const end = this.now + ms;
    for (let at = this.keeper.nextTimeout(); at !== undefined && at <= end; at = this.keeper.nextTimeout()) {
      this.now = Math.max(this.now, at);
      this.keeper.handleTimeout(this.now);
      this.now += 1;
    }
    this.now = Math.max(this.now, end);
  }

  text(i: number, kind: Kind = IDLOC_HOST): string | undefined {
    const [found] = this.store.values(placeOf(i), kind.id, this.now);
    if (found === undefined) return undefined;
    return found.data.value.exists ? Buffer.from(found.data.value.value).toString() : 'removed';
  }

  private makeStore(): ResourceStore {
    return new ResourceStore({ maxBytes: 10_000_000, maxPerWriter: 1_000 });
  }

  private makeKeeper(): ValueKeeper {
    const clock: Clock = { monotonic: () => this.now, wall: () => WALL + this.now };
    return new ValueKeeper({
      file: this.file,
      store: this.store,
      replicator: { restored: (resource) => void this.restored.push(resource), stored: () => {} },
      place: { isResponsibleFor: () => this.responsible },
      verifier: {
        kind: (id) => DEFAULT_KINDS.find((kind) => kind.id === id),
        verify: (_, __, data, [certificate]) =>
          this.revoked
            ? undefined
            : { data, signer: signerOf(Buffer.from(certificate?.certificate ?? []).toString('hex')) },
      },
      incumbents: { isFull: false, ask: (_, __, now, done) => done(this.elsewhere, now, true) },
      clock,
      logger: silentLogger,
    });
  }
}

test('values, removals and counters are there after a restart, with the life that is left to them', (t) => {
  const peer = new Peer();
  peer.keeper.start(0);
  for (let i = 0; i < 100; i++) peer.offer(i, signed(`value ${i}`));
  peer.offer(3, signed('', { time: 5, exists: false }));
  peer.offer(4, signed('later', { time: 5 }));
  peer.run();
  peer.now += 1_000_000;
  peer.restart();
  peer.keeper.start(peer.now);
  peer.run();
  t.deepEqual([peer.text(0), peer.text(3), peer.text(4), peer.text(99)], ['value 0', 'removed', 'later', 'value 99']);
  t.is(peer.store.generation(placeOf(4), IDLOC_HOST.id), 2n);
  const left = peer.store.values(placeOf(0), IDLOC_HOST.id, peer.now)[0]?.data.lifetime ?? 0;
  t.true(left >= 2_595 && left <= 2_599, `${left}`);
  t.is(peer.restored.length, 100);
});

test('a write has so many changes at most, and what is restored is not written again', (t) => {
  const peer = new Peer();
  peer.keeper.start(0);
  peer.run(10);
  for (let i = 0; i < 200; i++) peer.offer(i, signed('x'));
  peer.run();
  t.is(peer.file.writes, 4);
  peer.restart();
  peer.keeper.start(peer.now);
  peer.run();
  t.is(peer.file.writes, 4);
  t.is(peer.text(7), 'x');
});

test('what was handed over before stays where it is later, and yields where the file has the later one', (t) => {
  const peer = new Peer();
  peer.keeper.start(0);
  for (const i of [1, 2]) peer.offer(i, signed('kept', { time: 10 }));
  peer.run();
  peer.restart();
  peer.offer(1, signed('', { time: 20, exists: false }));
  peer.offer(2, signed('older', { time: 5 }));
  // It takes its time to get into the ring.
  peer.run(60_000);
  peer.keeper.start(peer.now);
  peer.run();
  t.deepEqual([peer.text(1), peer.text(2)], ['removed', 'kept']);
  t.deepEqual(peer.restored, [placeOf(2)]);
  peer.restart();
  peer.keeper.start(peer.now);
  peer.run();
  t.deepEqual([peer.text(1), peer.text(2)], ['removed', 'kept']);
});

test('what nobody may have written, what is over and what is of no Kind any more leaves the file', (t) => {
  const peer = new Peer();
  peer.keeper.start(0);
  for (let i = 0; i < 40; i++) peer.offer(i, signed('x'));
  peer.run();
  t.is(peer.file.values.size, 40);
  peer.restart();
  peer.revoked = true;
  peer.keeper.start(peer.now);
  peer.run();
  t.is(peer.store.size, 0);
  t.is(peer.file.values.size, 0);
  for (const [name, value] of [
    ['a', { packed: 'no stored data' }],
    ['b', { kind: 4_711 }],
    ['c', { expiresAt: WALL }],
  ] as const)
    peer.file.values.set(name, {
      ...{ resource: placeOf(1), kind: IDLOC_HOST.id, key: name, packed: '', chain: [], certificateHash: '' },
      ...{ generation: 1n, expiresAt: WALL + 1e9, ...value },
    });
  peer.restart();
  peer.revoked = false;
  peer.keeper.start(peer.now);
  peer.run();
  t.is(peer.store.size, 0);
});

test('who asks before all is restored is told what is there', (t) => {
  const peer = new Peer();
  peer.keeper.start(0);
  for (let i = 0; i < 100; i++) peer.offer(i, signed(`value ${i}`));
  peer.run();
  peer.restart();
  peer.keeper.hurry(placeOf(50), peer.now);
  t.is(peer.text(50), undefined, 'it is not in the ring yet');
  peer.keeper.start(peer.now);
  for (const i of [50, 0, 99]) {
    peer.keeper.hurry(placeOf(i), peer.now);
    t.is(peer.text(i), `value ${i}`);
  }
  t.is(peer.store.size, 3);
});

const CLAIM = 'claim';
for (const [what, prepare, expected] of [
  ['is restored where nothing stands and nobody knows of another', () => {}, CLAIM],
  [
    'is not restored by a peer that only keeps copies',
    (peer: Peer) => {
      peer.responsible = false;
    },
    undefined,
  ],
  [
    'yields to what the others hold',
    (peer: Peer) => {
      peer.elsewhere = [signed('theirs', { time: 5, by: OTHER })];
    },
    'theirs',
  ],
  [
    'yields to one that another host has given back since: its own end is not remembered behind that',
    (peer: Peer) => {
      const copy = { isOriginal: false, knowsPlace: true, decides: true };
      peer.offer(1, signed('', { time: 9, by: OTHER, exists: false }), IDLOC_IPV4, copy);
    },
    'removed',
  ],
] as const)
  test(`a claim of a former life ${what}`, (t) => {
    const peer = new Peer();
    peer.keeper.start(0);
    peer.offer(1, signed(CLAIM), IDLOC_IPV4);
    peer.run();
    t.is(peer.file.values.size, 1);
    peer.restart();
    prepare(peer);
    peer.keeper.start(peer.now);
    peer.run();
    t.is(peer.text(1, IDLOC_IPV4), expected);
  });

test('a file that is lost gets all that is here, and one that takes nothing is asked at growing pauses', (t) => {
  const peer = new Peer();
  peer.keeper.start(0);
  for (let i = 0; i < 100; i++) peer.offer(i, signed('x'));
  peer.run();
  peer.file.isBroken = true;
  peer.offer(100, signed('x'));
  peer.run();
  t.is(peer.file.values.size, 101);
  peer.file.room = 0;
  peer.offer(101, signed('x'));
  let asked = 0;
  const write = peer.file.write.bind(peer.file);
  peer.file.write = (changes) => {
    asked += 1;
    return write(changes);
  };
  peer.run(3_600_000);
  t.true(asked > 100 && asked < 150, `${asked}`);
  peer.file.room = Infinity;
  peer.run(60_000);
  t.is(peer.file.values.size, 102);
});

test('what is not written when the process ends is written then, and nothing of a store that holds less than the file', (t) => {
  const peer = new Peer();
  peer.keeper.start(0);
  peer.run(10);
  for (let i = 0; i < 300; i++) peer.offer(i, signed('x'));
  peer.keeper.flush();
  t.is(peer.file.values.size, 300);
  peer.restart();
  peer.offer(1, signed('older', { time: -5 }));
  peer.keeper.flush();
  peer.restart();
  peer.keeper.start(peer.now);
  peer.run();
  t.is(peer.text(1), 'x');
});

test('what expires, and what is not this peer’s to keep any more, leaves the file', (t) => {
  const peer = new Peer();
  peer.keeper.start(0);
  for (let i = 0; i < 3; i++) peer.offer(i, signed('x'));
  peer.run();
  peer.store.remove(placeOf(0));
  peer.run();
  t.is(peer.file.values.size, 2);
  peer.now += 4_000_000;
  for (let i = 1; i < 3; i++) peer.store.sweep(placeOf(i), peer.now);
  peer.run();
  t.is(peer.file.values.size, 0);
});
