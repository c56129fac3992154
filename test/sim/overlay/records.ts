import { fromHex } from '../../../src/base/bytes.ts';
import type { NodeId, ResourceId } from '../../../src/base/node-id.ts';
import { orchidRing } from '../../../src/overlay/chord/ring.ts';
import { IDLOC_HOST } from '../../../src/overlay/storage/kinds.ts';
import type { FetchResult, StoreResult } from '../../../src/overlay/storage/storage-client.ts';
import { encodeHostValue } from '../../../src/overlay/storage/values.ts';
import type { OverlayWorld, SimNode } from './overlay-world.ts';

const REQUEST_LIMIT_MS = 20_000;

/** Where the record of a host is. */
export function hostRecord(nodeId: NodeId): ResourceId {
  return orchidRing.resourceIdOf(fromHex(nodeId));
}

/** Runs the world until a request of a node has its result. */
export function settled<T>(
  world: OverlayWorld,
  node: SimNode,
  request: (now: number, done: (result: T) => void) => void,
): T {
  let result: T | undefined;
  world.run(node, (now) =>
    request(now, (outcome) => {
      result = outcome;
    }),
  );
  world.loop.runUntil(() => result !== undefined, REQUEST_LIMIT_MS);
  if (result === undefined) throw new Error('the request has no result');
  return result;
}

export function storeHost(world: OverlayWorld, node: SimNode, ipv4: string, lifetimeS = 86_400): StoreResult {
  return settled<StoreResult>(world, node, (now, done) =>
    node.overlay.store(
      {
        resource: hostRecord(node.id),
        kind: IDLOC_HOST.id,
        value: { model: 'single', exists: true, value: encodeHostValue({ user: node.user, ipv4 }) },
        lifetimeS,
      },
      now,
      done,
    ),
  );
}

export function fetchFrom(world: OverlayWorld, node: SimNode, resource: ResourceId, kind: number): FetchResult {
  return settled<FetchResult>(world, node, (now, done) => node.overlay.fetch({ resource, kind }, now, done));
}
