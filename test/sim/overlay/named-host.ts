import { silentLogger } from '../../../src/base/logger.ts';
import { NameService } from '../../../src/overlay/naming.ts';
import type { OverlayWorld, SimNode } from './overlay-world.ts';

/** A simulated host with its name and address. */
export interface SimHost {
  readonly node: SimNode;
  readonly names: NameService;
}

/** Name services are driven by their node's timer in the agent; here by a tick of their own. */
export function named(world: OverlayWorld, node: SimNode): SimHost {
  const names = new NameService({ overlay: node.overlay, clock: world.clockOf(node.id), logger: silentLogger });
  const tick = (): void => {
    if (!node.alive) return;
    if ((names.nextTimeout() ?? Infinity) <= world.now) world.run(node, (now) => names.handleTimeout(now));
    world.loop.after(100, tick);
  };
  tick();
  return { node, names };
}

/** A ring of hosts that join one after the other. */
export function growNamed(world: OverlayWorld, users: readonly (string | null)[]): SimHost[] {
  const out: SimHost[] = [];
  for (const user of users) {
    const node = world.add('peer', user);
    const [first] = out;
    if (first === undefined) world.create(node);
    else world.join(node, first.node);
    out.push(named(world, node));
    world.loop.run(1_500);
  }
  world.settle(30_000);
  return out;
}
