import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { ControlServer } from '../../../src/control/control-server.ts';
import type { ControlHandlers } from '../../../src/control/schemas.ts';
import { type Ran, runIdloc } from './run-idloc.ts';

/** An agent that can these methods and nothing else, until the test ends. @returns runs the command there. */
export async function stubAgent(
  t: ExecutionContext,
  command: string,
  handlers: Partial<ControlHandlers>,
): Promise<(...args: string[]) => Promise<Ran>> {
  const folder = mkdtempSync(join(tmpdir(), `idloc-${command}-`));
  const path = join(folder, 'idloc.sock');
  const server = new ControlServer(
    { handlers: handlers as ControlHandlers, logger: silentLogger, report: () => {} },
    { path },
  );
  await server.start();
  t.teardown(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });
  return (...args) => runIdloc([command, ...args, '--socket', path]);
}
