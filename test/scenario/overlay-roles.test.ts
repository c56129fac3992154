import test, { type ExecutionContext } from 'ava';
import type { NodeId, ResourceId } from '../../src/base/node-id.ts';
import { DEFAULT_KINDS } from '../../src/overlay/storage/kinds.ts';
import { MESSAGE_CODES, decodeEnvelope } from '../../src/reload/index.ts';
import type { FetchResult } from '../../src/overlay/storage/storage-client.ts';
import { MANY, placeOf, storeMany } from '../sim/overlay/many-values.ts';
import { OverlayWorld, type SimNode } from '../sim/overlay/overlay-world.ts';
import { fetchFrom, settled } from '../sim/overlay/records.ts';

const SEEDS = [20261201, 20261202, 20261203];
const VALUES = 120;

/** Peers, clients that each came in through some peer, and values of the first peer all over the ring. */
class Ring extends OverlayWorld {
  readonly clients: readonly SimNode[];
  readonly places: readonly ResourceId[];

  constructor(t: ExecutionContext, seed: number, options: { peers: number; clients?: number; values?: number }) {
    t.log(`seed ${seed}`);
    super({ seed, signatures: 'fake', settings: { kinds: [...DEFAULT_KINDS, MANY], maxValuesPerWriter: 10_000 } });
    const peers = this.grow(options.peers);
    this.settle(30_000);
    this.clients = Array.from({ length: options.clients ?? 0 }, () => {
      const client = this.add('client');
      this.join(client, this.pick(peers) ?? client);
      this.loop.run(2_000);
      return client;
    });
    const [writer] = peers;
    this.places = writer === undefined ? [] : storeMany(this, writer, options.values ?? VALUES);
    this.loop.run(10_000);
  }

  /** Of all values, those that some node that was picked does not find. */
  get lost(): ResourceId[] {
    return this.places.filter((resource) => {
      const reader = this.pick(this.living);
      const found = reader && fetchFrom(this, reader, resource, MANY.id);
      return found?.ok !== true || found.values.length !== 1;
    });
  }

  /** Places whose value is not at each of the peers that are to have it: the responsible one and the two after it. */
  get incomplete(): ResourceId[] {
    const ids = this.peers.map(({ id }) => id).sort();
    return this.places.filter((resource) => {
      const first = Math.max(
        0,
        ids.findIndex((id) => id >= resource),
      );
      const keepers = [0, 1, 2].slice(0, ids.length).map((i) => ids[(first + i) % ids.length] ?? '');
      return !keepers.every((keeper) => this.holds(keeper, resource));
    });
  }

  /** Pings of `from` to `to`, one each 100 ms; counts what became of them. */
  pinging(from: SimNode, to: SimNode, ms: number): { sent: number; answered: number } {
    const count = { sent: 0, answered: 0 };
    for (let at = 0; at < ms; at += 100)
      this.loop.after(at, () => {
        count.sent += 1;
        this.run(from, (now) =>
          from.overlay.ping(to.id, now, (result) => {
            if (result.ok) count.answered += 1;
          }),
        );
      });
    return count;
  }

  /** Those that could not be reached by a Ping from some node. */
  unreachable(): NodeId[] {
    return this.living
      .filter((node) => {
        const from = this.pick(this.living.filter((other) => other !== node));
        return (
          from !== undefined &&
          !settled<{ ok: boolean }>(this, from, (now, done) => from.overlay.ping(node.id, now, done)).ok
        );
      })
      .map(({ id }) => id);
  }

  stepDown(node: SimNode): void {
    this.run(node, (now) => node.overlay.becomeClient(now));
  }

  stepUp(node: SimNode): void {
    this.run(node, (now) => node.overlay.becomePeer(now));
  }

  untilRole(node: SimNode, role: 'peer' | 'client', limitMs = 20_000): boolean {
    return this.loop.runUntil(() => node.overlay.role === role, limitMs);
  }

  private holds(keeper: NodeId, resource: ResourceId): boolean {
    const asker = this.living.find(({ id }) => id !== keeper);
    if (asker === undefined) return false;
    const result = settled<FetchResult>(this, asker, (now, done) =>
      asker.overlay.fetch({ resource, kind: MANY.id, from: keeper }, now, done),
    );
    return result.ok && result.values.length === 1;
  }
}

for (const seed of SEEDS) {
  test(`a client becomes a peer: the ring has it in its place, no value is lost, and it was reachable all along (seed ${seed})`, (t) => {
    const world = new Ring(t, seed, { peers: 10, clients: 5 });
    const [client, ...others] = world.clients;
    const [peer] = world.peers;
    if (client === undefined || peer === undefined) return t.fail();
    const pings = world.pinging(peer, client, 10_000);
    world.loop.run(1_000);
    world.stepUp(client);
    t.is(client.overlay.role, 'client');
    t.true(world.untilRole(client, 'peer'));
    t.deepEqual(
      client.events.filter(({ type }) => type === 'joined' || type === 'roleChanged'),
      [{ type: 'joined' }, { type: 'roleChanged', role: 'peer' }],
    );
    world.loop.run(30_000);
    t.deepEqual(pings, { sent: 100, answered: 100 });
    t.true(world.settle(30_000));
    world.loop.run(40_000);
    t.deepEqual(world.lost, []);
    t.deepEqual(world.incomplete, []);
    t.deepEqual(world.unreachable(), []);
    for (const other of others)
      t.is(other.overlay.snapshot(world.now).responsiblePeer, world.responsible(other.id), 'a client changed over');
  });

  test(`a peer becomes a client: no value is lost, each is where it belongs, and it is reachable through its new peer (seed ${seed})`, (t) => {
    const world = new Ring(t, seed, { peers: 10, clients: 8 });
    // One that clients are attached to.
    const peer = world.peers.find(({ id }) => world.clients.some((client) => world.responsible(client.id) === id));
    const other = world.peers.find((node) => node !== peer);
    if (peer === undefined || other === undefined) return t.fail();
    const attached = world.clients.filter((client) => world.responsible(client.id) === peer.id);
    const pings = world.pinging(other, peer, 10_000);
    world.loop.run(1_000);
    world.stepDown(peer);
    t.true(world.untilRole(peer, 'client'));
    t.is(peer.overlay.state, 'joined');
    world.loop.run(1_000);
    for (const client of attached)
      t.is(client.overlay.snapshot(world.now).responsiblePeer, world.responsible(client.id), 'it was told at once');
    t.true(world.settle(5_000));
    world.loop.run(10_000);
    t.deepEqual(pings, { sent: 100, answered: 100 });
    t.is(peer.overlay.snapshot(world.now).responsiblePeer, world.responsible(peer.id));
    t.is(peer.overlay.snapshot(world.now).storedResources, 0);
    t.deepEqual(world.lost, []);
    world.loop.run(40_000);
    t.deepEqual(world.incomplete, []);
    t.deepEqual(world.unreachable(), []);
    t.true(other.events.some((event) => event.type === 'becameClient' && event.nodeId === peer.id));
  });

  test(`a node that changes back and forth has its place each time, and no value is lost (seed ${seed})`, (t) => {
    const world = new Ring(t, seed, { peers: 6, clients: 3 });
    const [node] = world.peers;
    if (node === undefined) return t.fail();
    for (const role of ['client', 'peer', 'client', 'peer'] as const) {
      if (role === 'client') world.stepDown(node);
      else world.stepUp(node);
      t.true(world.untilRole(node, role));
      t.true(world.settle(10_000), `the ring is whole after it became a ${role}`);
      t.deepEqual(world.lost, []);
      world.loop.run(40_000);
    }
    t.deepEqual(world.incomplete, []);
    t.deepEqual(world.unreachable(), []);
  });

  test(`all peers want to be clients in the same instant: two or more stay, in one ring, with every value (seed ${seed})`, (t) => {
    const world = new Ring(t, seed, { peers: 7, clients: 2 });
    for (const peer of world.peers) world.stepDown(peer);
    world.loop.run(60_000);
    t.log(`${world.peers.length} peers stay`);
    t.true(world.peers.length >= 2);
    t.true(world.settle(60_000));
    t.deepEqual(world.lost, []);
    t.deepEqual(world.unreachable(), []);
  });

  test(`values that are stored while a peer becomes a client are found afterwards (seed ${seed})`, (t) => {
    const world = new Ring(t, seed, { peers: 6, values: 0 });
    const [writer, peer] = world.peers;
    if (writer === undefined || peer === undefined) return t.fail();
    let stored = 0;
    world.stepDown(peer);
    const resources: ResourceId[] = [];
    for (let i = 0; i < 100; i++)
      world.loop.after(i * 5, () => {
        const resource = placeOf(writer.id, i);
        world.run(writer, (now) =>
          writer.overlay.store(
            {
              resource,
              kind: MANY.id,
              value: { model: 'single', exists: true, value: Uint8Array.of(1) },
              lifetimeS: 86_400,
            },
            now,
            ({ ok }) => {
              if (!ok) return;
              stored += 1;
              resources.push(resource);
            },
          ),
        );
      });
    t.true(world.untilRole(peer, 'client'));
    world.loop.run(20_000);
    t.log(`${stored} of 100 stores were answered well`);
    t.true(stored >= 95);
    for (const resource of resources) {
      const found = fetchFrom(world, writer, resource, MANY.id);
      t.true(found.ok && found.values.length === 1);
    }
  });
}

test('the only peer, and each of the last two, stay peers', (t) => {
  for (const peers of [1, 2]) {
    const world = new Ring(t, 20261204, { peers, clients: 2 });
    for (const peer of world.peers) {
      t.false(peer.overlay.mayBecomeClient);
      world.stepDown(peer);
    }
    world.loop.run(120_000);
    t.is(world.peers.length, peers);
    t.deepEqual(world.lost, []);
  }
});

test('a peer that cannot hand over what it holds stays a peer', (t) => {
  const world = new Ring(t, 20261205, { peers: 5, values: 0 });
  const [peer, writer] = world.peers;
  if (peer === undefined || writer === undefined) return t.fail();
  const { successors } = peer.overlay.snapshot(world.now);
  // Its copies get to nobody; everything else does.
  const carry = world.carry.bind(world);
  world.carry = (from, to, message) => {
    const isCopy = from === peer.id && codeOf(message) === MESSAGE_CODES.store_req;
    if (!isCopy || !successors.includes(to)) carry(from, to, message);
  };
  storeMany(world, writer, 100, (resource) => world.responsible(resource) === peer.id);
  world.stepDown(peer);
  world.loop.run(120_000);
  t.is(peer.overlay.role, 'peer');
  t.false(peer.overlay.isChangingRole);
  t.deepEqual(world.misplaced(), []);
  world.carry = carry;
  world.loop.run(300_000);
  world.stepDown(peer);
  t.true(world.untilRole(peer, 'client'));
});

test('a peer that did not hear the goodbye is told again when its Update names the one that left', (t) => {
  const world = new Ring(t, 20261206, { peers: 6 });
  const [peer] = world.peers;
  const deaf = world.peers.find(({ id }) => peer?.overlay.snapshot(world.now).predecessors[0] === id);
  if (peer === undefined || deaf === undefined) return t.fail();
  const carry = world.carry.bind(world);
  world.carry = (from, to, message) => {
    if (from !== peer.id || to !== deaf.id || codeOf(message) !== MESSAGE_CODES.leave_req) carry(from, to, message);
  };
  world.stepDown(peer);
  t.true(world.untilRole(peer, 'client'));
  world.carry = carry;
  world.loop.run(100_000);
  t.deepEqual(world.misplaced(), []);
  t.deepEqual(world.lost, []);
});

test('whoever leaves the overlay while it becomes a client, or a peer, is gone in a moment, and nothing is lost', (t) => {
  for (const ms of [1, 50, 150, 400]) {
    const world = new Ring(t, 20261207, { peers: 6, clients: 2 });
    const [peer] = world.peers;
    const [client] = world.clients;
    if (peer === undefined || client === undefined) return t.fail();
    world.stepDown(peer);
    world.stepUp(client);
    world.loop.run(ms);
    for (const node of [peer, client]) world.leave(node);
    world.loop.run(4_000);
    t.deepEqual([peer.overlay.state, client.overlay.state], ['left', 'left'], `after ${ms} ms`);
    t.true(world.settle(30_000));
    t.deepEqual(world.lost, []);
  }
});

function codeOf(message: Uint8Array): number {
  return decodeEnvelope(message).code;
}
