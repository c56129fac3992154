import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScriptError } from './command.ts';
import type { Lab } from './lab.ts';
import { Internet } from './topology.ts';
import type { Host, NatRouter } from './topology.ts';

const MAINLINE_ADDRESS = '203.0.113.20';
const FIRST_PORT = 6881;
const NODES = 20;
const START_TIMEOUT_MS = 30_000;

/**
 * Two homes, and nothing public but nodes of BitTorrent's DHT, which know nothing of overlays:
 *
 *       20 nodes of Mainline 203.0.113.20       nat a 203.0.113.1      nat b 203.0.113.2
 *                   |                                 |                      |
 *     --------------+----------- internet ------------+----------------------+------
 *                                                     |                      |
 *                                              192.168.1.0/24         192.168.2.0/24
 *                                                host a .10             host b .10
 */
export interface HomesOnly {
  readonly internet: Internet;
  readonly a: Host;
  readonly b: Host;
  readonly natA: NatRouter;
  readonly natB: NatRouter;
  /** The settings of an agent that starts from those nodes. */
  readonly configuration: string;
}

export async function homesOnly(lab: Lab): Promise<HomesOnly> {
  const internet = await Internet.create(lab);
  const mainline = await internet.publicHost('mainline', MAINLINE_ADDRESS);
  const natA = await internet.natRouter('nat-a', '203.0.113.1', '192.168.1');
  const natB = await internet.natRouter('nat-b', '203.0.113.2', '192.168.2');
  const a = await internet.mobileHost('a');
  const b = await internet.mobileHost('b');
  await natA.plug(a);
  await natB.plug(b);
  await startMainline(mainline);
  const configuration = join(lab.directory, 'homes-only.toml');
  const nodes = [0, 1].map((i) => `"${MAINLINE_ADDRESS}:${FIRST_PORT + i}"`);
  writeFileSync(configuration, `rendezvous = "mainline"\nmainline_bootstrap = [${nodes.join(', ')}]\n`);
  return { internet, a, b, natA, natB, configuration };
}

async function startMainline({ namespace }: Host): Promise<void> {
  const nodes = namespace.start(process.execPath, [
    join(import.meta.dirname, 'mainline-nodes.ts'),
    ...[MAINLINE_ADDRESS, String(FIRST_PORT), String(NODES)],
  ]);
  const limit = AbortSignal.timeout(START_TIMEOUT_MS);
  await new Promise<void>((resolve, reject) => {
    nodes.onOutput(() => {
      if (nodes.stdout.includes('ready')) resolve();
    });
    limit.addEventListener('abort', () => reject(new ScriptError(`Mainline does not start: ${nodes.stderr}`)));
  });
}
