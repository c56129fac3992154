import { expectRatio, spreadPercent } from '../bounds.ts';
import { setUpContenders } from '../contenders.ts';
import { interleaved } from '../interleaved.ts';
import type { Lab } from '../lab.ts';
import { CONGESTION_CONTROLS, congestionControls, tcpThroughput } from '../load.ts';
import type { CongestionControl } from '../load.ts';
import { cpuSeconds } from '../processes.ts';
import { median, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import type { BenchmarkOptions } from './benchmark.ts';

const LOAD_SECONDS = 4;

const KINDS = [
  { kind: 'tcp1', streams: 1, family: 6 },
  { kind: 'tcp4', streams: 4, family: 6 },
  { kind: 'tcp1v4', streams: 1, family: 4 },
] as const;

/** One TCP stream over IPv6 against the others. */
const RIVALS: Readonly<Record<CongestionControl, Readonly<Record<string, number>>>> = {
  bbr: { 'wireguard-go': 12, 'wireguard-go-new': 2.4, yggdrasil: 2.4, raw: 0.4 },
  cubic: { 'wireguard-go-new': 2.6 },
};
const MOST_IPV4_DEVIATION = 0.15;
/** A second implementation of AES-GCM has to be worth its place. */
const WORTH_OF_AEAD = 1.15;

/** One TCP stream, four, and one over IPv4, by bbr and by cubic. */
export async function benchThroughput(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const contenders = await setUpContenders(lab, findings, options.who);
  for (const { who, ipv6, ipv4 } of contenders) {
    if (ipv6 === null) findings.note(`${who} carries no IPv6: its tcp1 and tcp4 are over IPv4`);
    if (ipv4 === null) findings.note(`${who} carries no IPv4: it has no tcp1v4`);
  }
  const available = await congestionControls();
  const rows = available.flatMap((congestionControl) =>
    KINDS.flatMap(({ kind, streams, family }) =>
      contenders.flatMap((contender) => {
        const address = family === 6 ? (contender.ipv6 ?? contender.ipv4) : contender.ipv4;
        const who = `${kind}.${contender.who}.${congestionControl}`;
        return address === null
          ? []
          : [{ ...contender, who, whose: contender.who, address, streams, congestionControl }];
      }),
    ),
  );
  // All kinds in every run: they are held against each other, and a machine may be slower some minutes later.
  const measured = await interleaved(findings, 'throughput', rows, options.runs, async (row) => {
    const pids = row.processes.map(({ pid }) => pid);
    const before = await cpuSeconds(pids);
    const load = { from: row.from, to: row.to, address: row.address, streams: row.streams };
    const seconds = options.seconds ?? LOAD_SECONDS;
    const { gbps, sentGbit } = await tcpThroughput({ ...load, congestionControl: row.congestionControl, seconds });
    progress(`${row.who}: ${gbps.toFixed(2)} Gb/s`);
    return { gbps, cpuPerGbit: ((await cpuSeconds(pids)) - before) / sentGbit };
  });
  const medians = new Map<string, number>();
  for (const { who, whose, processes } of rows) {
    const runs = measured.get(who);
    if (runs === undefined) continue;
    const values = runs.map(({ gbps }) => gbps);
    const middle = median(values);
    medians.set(who, middle);
    findings.figure(who, middle);
    if (processes.length > 0) findings.figure(`cpu.${who}`, median(runs.map(({ cpuPerGbit }) => cpuPerGbit)));
    if (whose === 'idloc')
      findings.note(`${who}: runs differ by ${spreadPercent(values, middle).toFixed(0)} % of the median`);
  }
  for (const congestionControl of CONGESTION_CONTROLS) {
    if (!available.includes(congestionControl))
      findings.note(`this kernel does not offer ${congestionControl}: modprobe tcp_${congestionControl}`);
    expectThroughput(findings, medians, options.who, congestionControl);
  }
}

/** The bounds of one congestion control, against those of `who` that have one. */
export function expectThroughput(
  findings: Findings,
  medians: ReadonlyMap<string, number>,
  who: readonly string[],
  congestionControl: CongestionControl,
): void {
  const named = (kind: string, whose: string): string => `${kind}.${whose}.${congestionControl}`;
  if (!who.includes('idloc')) return;
  for (const [rival, atLeast] of Object.entries(RIVALS[congestionControl]))
    if (who.includes(rival))
      expectRatio(findings, {
        name: named('tcp1', 'idloc'),
        value: medians.get(named('tcp1', 'idloc')),
        reference: medians.get(named('tcp1', rival)),
        referenceName: rival,
        atLeast,
      });
    else findings.note(`${named('tcp1', 'idloc')} is not held against ${rival}, who was not asked for`);
  const one = medians.get(named('tcp1', 'idloc'));
  if (who.includes('idloc-openssl'))
    expectRatio(findings, {
      name: named('tcp1', 'idloc'),
      value: one,
      reference: medians.get(named('tcp1', 'idloc-openssl')),
      referenceName: 'OpenSSL alone',
      atLeast: WORTH_OF_AEAD,
    });
  expectRatio(findings, {
    name: named('tcp4', 'idloc'),
    value: medians.get(named('tcp4', 'idloc')),
    reference: one,
    referenceName: 'one stream',
    atLeast: 1,
  });
  const deviation = Math.abs((medians.get(named('tcp1v4', 'idloc')) ?? NaN) / (one ?? NaN) - 1);
  findings.expect(
    named('tcp1v4', 'idloc'),
    deviation <= MOST_IPV4_DEVIATION,
    `within ${100 * MOST_IPV4_DEVIATION} % of IPv6`,
  );
}
