import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../lab.ts';
import { median } from '../report.ts';
import type { Findings } from '../report.ts';
import { Internet } from '../topology.ts';
import { type BenchmarkOptions, chosenParts } from './benchmark.ts';
import { APART_S, type CrowdTime, SAVED_MS, Village } from './village.ts';

const CROWDS = 5;

const MOST_FIRST_MS = 300;
const MOST_RESTART_MS = 200;
const MOST_POWER_CUT_MS = 1_000;
const MOST_POWER_CUT_WORST_MS = 3_000;
const MOST_APART_MS = 1_000;
/** Of the median crowd, and of the worst. */
const MOST_CROWD_MS = 2_000;

/** How long agents take into their overlay, by their own logs: from their first datagram on, without the start of the runtime. */
export async function benchJoin(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const parts = chosenParts({ restarts, crowd: crowds }, options.only);
  const internet = await Internet.create(lab);
  for (const part of parts) await part(lab, internet, findings);
}

/** Newcomers one by one, restarts of one and of all. */
async function restarts(lab: Lab, internet: Internet, findings: Findings): Promise<void> {
  const first: number[] = [];
  const restart: number[] = [];
  const cuts: number[] = [];
  const apart: number[] = [];
  for (const [place, suffix, firstHost] of [
    ['public', 'p', 10],
    ['behind NATs', 'n', 30],
  ] as const) {
    const village = await Village.create(lab, internet, { place, suffix, firstHost });
    first.push(...village.firstMs);
    await delay(SAVED_MS);
    restart.push(...(await village.restarts()));
    await delay(SAVED_MS);
    cuts.push(...(await village.powerCuts()));
    apart.push(...(await village.startsApart()));
    await village.end();
  }
  report(findings, 'join.first_ms', median(first), MOST_FIRST_MS);
  report(findings, 'join.restart_ms', median(restart), MOST_RESTART_MS);
  report(findings, 'join.power_cut_ms', median(cuts), MOST_POWER_CUT_MS);
  report(findings, 'join.power_cut_worst_ms', Math.max(...cuts), MOST_POWER_CUT_WORST_MS);
  report(findings, 'join.apart_worst_ms', Math.max(...apart), MOST_APART_MS);
  findings.note(`the first half public, the second behind NATs: newcomers ${shown(first)}; restarts ${shown(restart)}`);
  findings.note(`power cuts ${shown(cuts)}; the founder first and last by ${APART_S.join(', ')} s ${shown(apart)}`);
}

/** Each crowd comes to a founder and members of its own. */
async function crowds(lab: Lab, internet: Internet, findings: Findings): Promise<void> {
  const times: CrowdTime[] = [];
  for (let i = 1; i <= CROWDS; i++) {
    const village = await Village.create(lab, internet, { place: 'public', suffix: `c${i}`, firstHost: 50 + i * 20 });
    times.push(await village.crowd());
    await village.end();
  }
  const tookMs = times.map((time) => time.tookMs);
  report(findings, 'join.crowd_ms', median(tookMs), MOST_CROWD_MS);
  report(findings, 'join.crowd_worst_ms', Math.max(...tookMs), MOST_CROWD_MS);
  const cpu = (which: 'founderCpuMs' | 'newcomerCpuMs'): string => shown(times.map((time) => time[which]));
  findings.note(
    `crowds ${shown(tookMs)}; CPU of the founder ${cpu('founderCpuMs')}, of a newcomer ${cpu('newcomerCpuMs')}`,
  );
}

function shown(times: readonly number[]): string {
  return `${times.map((ms) => ms.toFixed(0)).join(', ')} ms`;
}

function report(findings: Findings, name: string, value: number, most: number): void {
  findings.figure(name, value, 0);
  findings.expect(name, value <= most, `at most ${most}`);
}
