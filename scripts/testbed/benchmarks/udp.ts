import { ScriptError } from '../command.ts';
import { setUpContenders } from '../contenders.ts';
import { anyAddress } from '../contenders/contender.ts';
import { highestRate } from '../highest-rate.ts';
import { interleaved } from '../interleaved.ts';
import type { Lab } from '../lab.ts';
import { median, progress } from '../report.ts';
import type { Findings } from '../report.ts';
import { udpTrial } from '../udp-load.ts';
import type { BenchmarkOptions } from './benchmark.ts';

const DATAGRAM_BYTES = 1200;
const TRIAL_SECONDS = 2;
const SEARCH = { start: 0.25, lowest: 0.005, highest: 50, precision: 1.06, tries: 2 } as const;

/** The highest rate of datagrams of which less than half a percent is lost. */
export async function benchUdp(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const contenders = await setUpContenders(lab, findings, options.who);
  const found = new Map<string, number>();
  const measured = await interleaved(findings, 'udp', contenders, options.runs, async (contender) => {
    const { who, from, to } = contender;
    const load = { from, to, address: anyAddress(contender), bytes: DATAGRAM_BYTES };
    const search = { ...SEARCH, start: found.get(who) ?? SEARCH.start };
    const rate = await highestRate(search, async (offered) =>
      udpTrial({ ...load, seconds: options.seconds ?? TRIAL_SECONDS }, offered),
    );
    if (rate === undefined) throw new ScriptError('it loses datagrams at every rate');
    progress(`udp: ${who} ${rate.toFixed(3)} Gb/s`);
    found.set(who, rate);
    return rate;
  });
  const medians = new Map<string, number>();
  for (const [who, rates] of measured) {
    const middle = median(rates);
    medians.set(who, middle);
    findings.figure(`udp.${who}`, middle);
  }
  findings.note(`udp: of payload, ${DATAGRAM_BYTES} bytes each, sent one by one without segmentation offload`);
  expectUdp(findings, medians, options.who);
}

/** Above all who were asked for but the cable itself. */
export function expectUdp(findings: Findings, figures: ReadonlyMap<string, number>, who: readonly string[]): void {
  if (!who.includes('idloc')) return;
  for (const rival of who.filter((name) => name !== 'raw' && !name.startsWith('idloc')))
    findings.expect(
      'udp.idloc',
      (figures.get('idloc') ?? NaN) > (figures.get(rival) ?? NaN),
      figures.has(rival) ? `above ${rival}` : `above ${rival}, who was not measured`,
    );
}
