import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { command } from '../command.ts';
import type { Lab } from '../lab.ts';
import { UNDERLAY, cabledPair, carries } from './contender.ts';
import type { Contender } from './contender.ts';

const PORT = 9001;
const START_TIMEOUT_MS = 10_000;

/** Two nodes that peer over TCP, as it comes otherwise (with its large MTU). IPv6 only. @param binary path or name */
export async function yggdrasilContender(lab: Lab, who: string, binary: string): Promise<Contender> {
  const { a, b } = await cabledPair(lab, who);
  const peer = `tcp://${UNDERLAY.b}:${PORT}`;
  const there = await configuration(lab, binary, `${who}-b`, { Listen: [peer] });
  const here = await configuration(lab, binary, `${who}-a`, { Peers: [peer] });
  const listener = b.start(binary, ['-useconffile', there]);
  // Whoever is refused at first tries again much later.
  await listener.waitFor(/listener started/, START_TIMEOUT_MS);
  const processes = [listener, a.start(binary, ['-useconffile', here])];
  const ipv6 = (await command(binary, ['-useconffile', there, '-address'])).trim();
  await carries(a, ipv6, processes);
  return { who, from: a, to: b, ipv6, ipv4: null, processes };
}

/** A new identity, and nobody but those it is told of. @returns path of the file */
async function configuration(lab: Lab, binary: string, name: string, changes: object): Promise<string> {
  const made = z.record(z.string(), z.unknown()).parse(JSON.parse(await command(binary, ['-genconf', '-json'])));
  const file = join(lab.directory, `${name}.json`);
  const alone = { MulticastInterfaces: [], AdminListen: 'none', IfName: 'ygg0' };
  writeFileSync(file, JSON.stringify({ ...made, ...alone, ...changes }), { mode: 0o600 });
  return file;
}
