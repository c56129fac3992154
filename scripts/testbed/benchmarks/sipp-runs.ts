import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ScriptError } from '../command.ts';
import type { Host } from '../topology.ts';

export const OVERLAY = 'sip.example';
export const ADAPTOR_PORT = 5_062;
export const PHONE_PORT = 5_060;
const SCENARIOS = join(import.meta.dirname, '../sipp');

/** Where a sipp is, and its proxy. */
export interface SippSide {
  readonly host: Host;
  /** Of both, as sipp writes it: `[2001:db8::1]`. */
  readonly address: string;
}

export function sippArguments(
  scenario: 'register' | 'call' | 'ring' | 'answer',
  { address, host }: SippSide,
): string[] {
  const file = join(SCENARIOS, `${scenario}.xml`);
  const keys = ['-key', 'domain', OVERLAY, '-key', 'caller', host.name, '-key', 'expires', '300'];
  const ends = scenario === 'answer' ? [] : [`${address}:${ADAPTOR_PORT}`];
  return ['-sf', file, ...ends, '-i', address, '-p', String(PHONE_PORT), '-t', 'u1', '-nostdin', ...keys];
}

/** Bob's phone. */
export async function registerBob(side: SippSide): Promise<void> {
  const { namespace } = side.host;
  const { status, stderr } = await namespace.tryRun('sipp', [
    ...sippArguments('register', side),
    ...['-s', 'bob', '-m', '1'],
  ]);
  if (status !== 0) throw new ScriptError(`bob's phone does not register: ${stderr}`);
}

const row = z.tuple([z.string(), z.coerce.number(), z.string()]).rest(z.string());

/** Of each call, in milliseconds: sipp's `Date;response_time(ms);rtd_name`. */
export function responseTimes(folder: string): number[] {
  const file = readdirSync(folder).find((name) => name.endsWith('_rtt.csv'));
  if (file === undefined) throw new ScriptError('sipp wrote no response times');
  const [, ...lines] = readFileSync(join(folder, file), 'utf8').trim().split('\n');
  return lines.map((line) => row.parse(line.split(';'))[1]);
}
