import { concatBytes, fromHex } from '../../../src/base/bytes.ts';
import type { NodeId, ResourceId } from '../../../src/base/node-id.ts';
import { resourceIdOf } from '../../../src/overlay/chord/ring.ts';
import { DEFAULT_KINDS, type Kind } from '../../../src/overlay/storage/kinds.ts';
import { OverlayWorld, type SimNode, type WorldOptions } from './overlay-world.ts';

/** A Kind of which one writer has values at many places. */
export const MANY: Kind = {
  id: 0xf0001fff,
  name: 'TEST-MANY',
  dataModel: 'single',
  accessPolicy: 'NODE-MULTIPLE',
  maxNodeMultiple: 255,
  maxCount: 1,
  maxSize: 64,
};

export function placeOf(writer: NodeId, i: number): ResourceId {
  return resourceIdOf(concatBytes(fromHex(writer), Uint8Array.of(i)));
}

export function ringOf(count: number, seed: number, options: Pick<WorldOptions, 'valuesOf'> = {}): OverlayWorld {
  const world = new OverlayWorld({
    ...options,
    seed,
    signatures: 'fake',
    settings: { kinds: [...DEFAULT_KINDS, MANY], maxValuesPerWriter: 10_000 },
  });
  world.grow(count);
  world.settle(30_000);
  return world;
}

/** Stores at up to `count` places of the writer those that `isGood`; returns where. */
export function storeMany(
  world: OverlayWorld,
  writer: SimNode,
  count: number,
  isGood: (resource: ResourceId) => boolean = () => true,
): ResourceId[] {
  const places = Array.from({ length: count }, (_, i) => placeOf(writer.id, i + 1)).filter(isGood);
  let stored = 0;
  for (const resource of places)
    world.run(writer, (now) => {
      const value = { model: 'single' as const, exists: true, value: Uint8Array.of(1) };
      writer.overlay.store({ resource, kind: MANY.id, value, lifetimeS: 86_400 }, now, (result) => {
        if (result.ok) stored += 1;
      });
    });
  world.loop.runUntil(() => stored === places.length, 10_000);
  if (stored !== places.length) throw new Error(`stored ${stored} of ${places.length}`);
  return places;
}
