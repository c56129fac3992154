import { join } from 'node:path';
import { z } from 'zod';
import type { Lab } from '../lab.ts';
import { median, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import { threeHosts } from '../three-hosts.ts';
import type { ThreeHosts } from '../three-hosts.ts';

const COLD_REPETITIONS = 5;
const MOST_COLD_MS = 150;
const WARM_PACKETS = 50;
const RAW_PACKETS = 50;
const ECHO_PORT = 7;
const PUNCH_PORTS = { a: 40_001, b: 40_002 } as const;

const probeSchema = z.object({ nameToHitMs: z.number(), firstAnswerMs: z.number(), warmMs: z.array(z.number()) });
const punchSchema = z.object({ rttMs: z.array(z.number()) });
const tool = (name: string): string => join(import.meta.dirname, '..', name);

/** From a name that nobody asked for to the first answered packet, with agents that have just started. */
export async function benchSetup(lab: Lab, findings: Findings): Promise<void> {
  const hosts = await threeHosts(lab, progress);
  const rawRtt = median(await rawTimes(hosts));
  const cold: number[] = [];
  const warm: number[] = [];
  let linkedBefore = 0;
  for (let repetition = 0; repetition < COLD_REPETITIONS; repetition++) {
    let { alice, bob } = hosts;
    await Promise.all([alice.stop(), bob.stop()]);
    [alice, bob] = await Promise.all([alice.startAgain(), bob.startAgain()]);
    const echo = hosts.homes.b.namespace.start(process.execPath, [tool('udp-echo.ts'), String(ECHO_PORT)]);
    await echo.waitFor(/ready/, 10_000);
    const [aliceStatus, bobStatus] = [await alice.status(), await bob.status()];
    if (aliceStatus.links.some((link) => link.hit === bobStatus.hit)) linkedBefore += 1;
    const args = [aliceStatus.dns?.listen ?? '', bobStatus.name ?? '', String(ECHO_PORT), String(WARM_PACKETS)];
    const text = await hosts.homes.a.namespace.run(process.execPath, [tool('first-packet-probe.ts'), ...args]);
    const result = probeSchema.parse(JSON.parse(text));
    progress(`cold ${result.firstAnswerMs.toFixed(1)} ms, of it the name ${result.nameToHitMs.toFixed(1)} ms`);
    cold.push(result.firstAnswerMs);
    warm.push(median(result.warmMs));
    await echo.stop();
    hosts.alice = alice;
    hosts.bob = bob;
  }
  findings.figure('setup.cold_ms', median(cold));
  findings.figure('setup.warm_ms', median(warm));
  findings.figure('setup.raw_rtt_ms', rawRtt);
  findings.expect('setup.cold_ms', median(cold) <= MOST_COLD_MS, `a median of at most ${MOST_COLD_MS}`);
  findings.expect('setup.warm_ms', median(warm) <= 1.5 * rawRtt + 0.5, 'at most 1.5 x the raw RTT + 0.5');
  findings.note(
    `cold: ${COLD_REPETITIONS} times with agents just started: ${cold.map((ms) => ms.toFixed(1)).join(', ')} ms`,
  );
  if (linkedBefore > 0) findings.note(`in ${linkedBefore} of them the overlay had linked the two hosts already`);
}

/** The same way without overlay: holes punched in both routers. */
async function rawTimes({ homes }: ThreeHosts): Promise<number[]> {
  const punch = (local: number, remote: string, remotePort: number): string[] => [
    tool('hole-punch.ts'),
    ...[String(local), remote, String(remotePort), String(RAW_PACKETS)],
  ];
  const [text] = await Promise.all([
    homes.a.namespace.run(process.execPath, punch(PUNCH_PORTS.a, homes.natB.address, PUNCH_PORTS.b)),
    homes.b.namespace.run(process.execPath, punch(PUNCH_PORTS.b, homes.natA.address, PUNCH_PORTS.a)),
  ]);
  return punchSchema.parse(JSON.parse(text)).rttMs;
}
