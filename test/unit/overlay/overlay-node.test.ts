import test from 'ava';
import { concatBytes, fromHex } from '../../../src/base/bytes.ts';
import type { RequestResult } from '../../../src/overlay/requester.ts';
import { toNode } from '../../../src/overlay/requester.ts';
import { IDLOC_NAME } from '../../../src/overlay/storage/kinds.ts';
import type { StoreResult } from '../../../src/overlay/storage/storage-client.ts';
import { OverlayWorld, resourceOf, type SimNode } from '../../sim/overlay/overlay-world.ts';
import { fetchFrom, settled } from '../../sim/overlay/records.ts';

const OLD = 'alice@overlay.example.net';
const NEW = 'anna@overlay.example.net';

/** Three peers with certificates that are as quickly made as read. */
function ring(): { world: OverlayWorld; nodes: readonly [SimNode, SimNode, SimNode] } {
  const world = new OverlayWorld({ seed: 11, signatures: 'fake' });
  const [first, second] = [world.add('peer', OLD), world.add()];
  const third = world.add();
  world.create(first);
  world.join(second, first);
  world.loop.run(2_000);
  world.join(third, first);
  if (!world.settle(30_000)) throw new Error('no ring');
  return { world, nodes: [first, second, third] };
}

function storeName(world: OverlayWorld, node: SimNode, user: string): StoreResult {
  const value = { model: 'dictionary' as const, key: fromHex(node.id), exists: true, value: Uint8Array.of(1) };
  return settled<StoreResult>(world, node, (now, done) =>
    node.overlay.store({ resource: resourceOf(user), kind: IDLOC_NAME.id, value, lifetimeS: 3_600 }, now, done),
  );
}

test('a certificate that names another user is in force at once, without a new link', (t) => {
  const { world, nodes } = ring();
  const [node, other] = nodes;
  t.true(storeName(world, node, OLD).ok);
  t.false(storeName(world, node, NEW).ok);
  const connections = node.overlay.snapshot(world.now).connections;
  node.overlay.setCertificates([concatBytes(node.enrolled.identity.spki, Buffer.from(NEW))]);
  t.is(node.overlay.user, NEW);
  t.true(storeName(world, node, NEW).ok);
  t.false(storeName(world, node, OLD).ok);
  const found = fetchFrom(world, other, resourceOf(NEW), IDLOC_NAME.id);
  t.deepEqual(found.ok && found.values.map(({ signer }) => signer), [{ nodeId: node.id, user: NEW }]);
  // What the old certificate signed stays good as long as that one is.
  const before = fetchFrom(world, other, resourceOf(OLD), IDLOC_NAME.id);
  t.is(before.ok && before.values.length, 1);
  t.deepEqual(node.overlay.snapshot(world.now).connections, connections);
});

test('a certificate that is no good changes nothing', (t) => {
  const { nodes } = ring();
  t.throws(() => nodes[0].overlay.setCertificates([Uint8Array.of(1)]));
  t.is(nodes[0].overlay.user, OLD);
});

test('an experimental request is answered by whoever drives the node, also after the call and through others', (t) => {
  const world = new OverlayWorld({ seed: 12, signatures: 'fake' });
  const [asker, hop] = [world.add(), world.add()];
  const answering = world.add('peer', null, {
    experimental: (request) => {
      const { bytes } = request.body;
      world.loop.after(1_000, () => request.answer({ type: 'exp_a_ans', bytes: concatBytes(bytes, Uint8Array.of(9)) }));
    },
  });
  world.create(hop);
  world.join(answering, hop);
  world.loop.run(3_000);
  world.join(asker, hop);
  world.loop.run(10_000);
  const ask = (to: SimNode): RequestResult =>
    settled<RequestResult>(world, asker, (now, done) =>
      asker.overlay.requester.request(
        { destination: [toNode(to.id)], body: { type: 'exp_a_req', bytes: Uint8Array.of(7) } },
        now,
        done,
      ),
    );
  const answer = ask(answering);
  t.deepEqual(answer.ok && answer.body, { type: 'exp_a_ans', bytes: Uint8Array.of(7, 9) });
  t.false(ask(hop).ok);
});
