import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { command } from './command.ts';
import { contenders } from './contenders.ts';
import type { Contender } from './contenders.ts';
import type { Lab } from './lab.ts';
import { congestionControls, pingTimes, tcpThroughput } from './load.ts';
import { Findings, median, progress } from './report.ts';
import { threeHosts } from './three-hosts.ts';
import type { ThreeHosts } from './three-hosts.ts';

const REPETITIONS = 3;
const LOAD_SECONDS = 3;
const WIREGUARD_FACTOR = 5;

const LATENCY_PINGS = 300;
const LATENCY_INTERVAL_MS = 10;

/** One TCP stream, four, and one over IPv4, each WHO in turn so that a busy moment of the machine hits all. */
export async function benchThroughput(lab: Lab): Promise<Findings> {
  const findings = new Findings();
  const all = await contenders(lab, progress);
  const kinds = [
    { kind: 'tcp1', streams: 1, family: 6 },
    { kind: 'tcp4', streams: 4, family: 6 },
    { kind: 'tcp1v4', streams: 1, family: 4 },
  ] as const;
  for (const { kind, streams, family } of kinds)
    for (const congestionControl of await congestionControls()) {
      const measured = new Map<string, number[]>(all.map(({ who }) => [who, []]));
      for (let repetition = 0; repetition < REPETITIONS; repetition++)
        for (const { who, from, to, ipv6, ipv4 } of all) {
          const address = family === 6 ? ipv6 : ipv4;
          const load = { from, to, address, streams, congestionControl, seconds: LOAD_SECONDS };
          measured.get(who)?.push(await tcpThroughput(load));
        }
      const medians = new Map([...measured].map(([who, values]) => [who, median(values)]));
      for (const [who, gbps] of medians) findings.figure(`${kind}.${who}.${congestionControl}`, gbps);
      progress(
        `${kind} ${congestionControl}: ${[...medians].map(([who, gbps]) => `${who} ${gbps.toFixed(2)}`).join(', ')} Gb/s`,
      );
      const ratio = (medians.get('idloc') ?? 0) / (medians.get('wireguard-go') ?? NaN);
      findings.note(`${kind} ${congestionControl}: idloc is ${ratio.toFixed(1)} x wireguard-go of Debian`);
      if (kind === 'tcp1')
        findings.expect(
          `tcp1.idloc.${congestionControl}`,
          ratio >= WIREGUARD_FACTOR,
          `at least ${WIREGUARD_FACTOR} x wireguard-go`,
        );
    }
  await measureLatency(findings, all);
  return findings;
}

export async function benchLatency(lab: Lab): Promise<Findings> {
  const findings = new Findings();
  await measureLatency(findings, await contenders(lab, progress));
  return findings;
}

async function measureLatency(findings: Findings, all: readonly Contender[]): Promise<void> {
  progress('ping');
  const means = new Map<string, number>();
  for (const { who, from, ipv6 } of all) {
    const times = await pingTimes(from, ipv6, LATENCY_PINGS, LATENCY_INTERVAL_MS);
    const sorted = [...times].sort((x, y) => x - y);
    const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
    means.set(who, mean);
    findings.figure(`latency.${who}.mean_us`, 1000 * mean, 1);
    findings.figure(`latency.${who}.p99_us`, 1000 * (sorted[Math.floor(0.99 * sorted.length)] ?? NaN), 1);
    findings.expect(
      `latency.${who}.mean_us`,
      times.length === LATENCY_PINGS,
      `${LATENCY_PINGS} of ${LATENCY_PINGS} answered`,
    );
  }
  findings.expect(
    'latency.idloc.mean_us',
    (means.get('idloc') ?? Infinity) <= (means.get('wireguard-go') ?? 0),
    "at most wireguard-go's",
  );
}

const COLD_REPETITIONS = 5;
const MOST_COLD_MS = 150;
const WARM_PACKETS = 50;
const RAW_PACKETS = 50;
const ECHO_PORT = 7;
const PUNCH_PORTS = { a: 40_001, b: 40_002 } as const;

const probeSchema = z.object({ nameToHitMs: z.number(), firstAnswerMs: z.number(), warmMs: z.array(z.number()) });
const punchSchema = z.object({ rttMs: z.array(z.number()) });
const tool = (name: string): string => join(import.meta.dirname, name);

/** From a name that nobody asked for to the first answered packet, with agents that have just started. */
export async function benchSetup(lab: Lab): Promise<Findings> {
  const findings = new Findings();
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
  return findings;
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

const IDLE_SETTLE_MS = 10_000;
const IDLE_MS = 20_000;
const MOST_RSS_MIB = 120;
const MOST_IDLE_CPU_PERCENT = 1;

/** What an agent costs that has nothing to do but to stay a member. */
export async function benchIdle(lab: Lab): Promise<Findings> {
  const findings = new Findings();
  const { alice } = await threeHosts(lab, progress);
  const ticksPerSecond = Number(await command('getconf', ['CLK_TCK']));
  await delay(IDLE_SETTLE_MS);
  progress(`watching an idle agent for ${IDLE_MS / 1000} s`);
  const before = cpuTicks(alice.process.pid);
  const from = performance.now();
  await delay(IDLE_MS);
  const seconds = (performance.now() - from) / 1000;
  const cpuPercent = ((cpuTicks(alice.process.pid) - before) / ticksPerSecond / seconds) * 100;
  const rssMib = residentMib(alice.process.pid);
  findings.figure('idle.rss_mib', rssMib, 1);
  findings.figure('idle.cpu_percent', cpuPercent);
  findings.expect('idle.rss_mib', rssMib <= MOST_RSS_MIB, `at most ${MOST_RSS_MIB}`);
  findings.expect('idle.cpu_percent', cpuPercent <= MOST_IDLE_CPU_PERCENT, `at most ${MOST_IDLE_CPU_PERCENT}`);
  return findings;
}

/** User and system time of a process in clock ticks (proc(5), fields 14 and 15). */
function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function residentMib(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(match?.[1] ?? NaN) / 1024;
}
