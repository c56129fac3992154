import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Wire, whyNoNetwork } from './network.ts';
import type { WireOptions } from './network.ts';

const reason = whyNoNetwork();
if (reason !== undefined) console.log(`tests on a wire are skipped: ${reason}`);
let laid = 0;

/** A test with two hosts of its own; skipped where this machine cannot make them. */
export function onWire(
  title: string,
  run: (t: ExecutionContext, wire: Wire) => Promise<void>,
  options: WireOptions = {},
): void {
  (reason === undefined ? test.serial : test.skip)(title, async (t) => {
    const wire = await Wire.lay(String(laid++), options);
    try {
      await run(t, wire);
    } finally {
      await wire.remove();
    }
  });
}

/**
 * Until `probe` holds; the network itself is awaited here, so there is no event to wait for.
 * @throws {Error} when it does not within a minute, which is long also with sanitizers.
 */
export async function until(probe: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await probe())) if (performance.now() > end) throw new Error(`did not happen within 60 s: ${String(probe)}`);
}
