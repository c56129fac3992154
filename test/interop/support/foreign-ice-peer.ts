import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { IceRole } from '../../../src/ice/ice-agent.ts';
import type { SdpParameters } from './udp-ice-driver.ts';
import { UdpIceDriver } from './udp-ice-driver.ts';

export const INTEROP_DIRECTORY = fileURLToPath(new URL('..', import.meta.url));
const TOOL_MISSING = 3;

/**
 * Makes a part of setup.sh.
 * @returns false: the language it is written in is missing here; a line says so.
 * @throws {Error} when making it failed.
 */
export function setUpPart(part: string): boolean {
  const { status, stderr } = spawnSync(`${INTEROP_DIRECTORY}setup.sh`, [part], { encoding: 'utf8' });
  if (status === TOOL_MISSING) console.log(`skipped: ${part} cannot be made here, python3 or go is missing`);
  else if (status !== 0) throw new Error(`setup.sh ${part}: ${stderr}`);
  return status === 0;
}

/** Our agent and a foreign one connect over loopback, and a datagram goes each way on the selected pair. */
export async function connectWith(
  t: ExecutionContext,
  command: readonly [string, ...string[]],
  ourRole: IceRole,
): Promise<void> {
  const ours = await UdpIceDriver.open('127.0.0.1', ourRole);
  const [program, ...rest] = command;
  const child = spawn(program, rest);
  t.teardown(() => {
    child.kill();
    ours.close();
  });
  const theirs = await firstLine(child, ours.parameters);
  ours.connect(theirs);
  await ours.selected();
  await ours.receives('hello');
  ours.send('are you there?');
  await ours.receives('echo are you there?');
  t.is(ours.agent.role, ourRole);
  t.is(ours.agent.state, 'connected');
  t.deepEqual(
    ours.events.map((event) => event.type).filter((type) => type !== 'valid'),
    ['selected'],
  );
}

async function firstLine(child: ChildProcessWithoutNullStreams, ours: SdpParameters): Promise<SdpParameters> {
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const lines = createInterface({ input: child.stdout });
  const { promise, resolve, reject } = Promise.withResolvers<SdpParameters>();
  lines.once('line', (line) => resolve(JSON.parse(line) as SdpParameters));
  child.once('exit', () => reject(new Error(`the foreign peer ended: ${errors}`)));
  child.stdin.on('error', () => {});
  child.stdin.write(`${JSON.stringify(ours)}\n`);
  return promise;
}
