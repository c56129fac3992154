import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { TUN_NAME } from '../agent.ts';
import type { Lab, Namespace } from '../lab.ts';
import { cpuSeconds, residentMib, voluntarySwitches } from '../processes.ts';
import { progress } from '../report.ts';
import type { Findings } from '../report.ts';
import { threeHosts } from '../three-hosts.ts';

const SETTLE_MS = 10_000;
const WATCH_MS = 20_000;
const MOST_RSS_MIB = 120;
const MOST_CPU_PERCENT = 1;
const DATA_PLANE_THREAD = 'idloc-data';
/** Beyond one for each packet: the timers of the data plane. */
const MOST_OWN_WAKEUPS_PER_SECOND = 1;

/** What an agent costs that has nothing to do but to stay a member. */
export async function benchIdle(lab: Lab, findings: Findings): Promise<void> {
  const { alice, homes } = await threeHosts(lab, progress);
  const { pid } = alice.process;
  const sample = async (): Promise<Sample> => ({
    at: performance.now() / 1000,
    cpu: await cpuSeconds([pid]),
    wakeups: voluntarySwitches(pid, DATA_PLANE_THREAD),
    packets: await packetsSeen(homes.a.namespace, [homes.a.interfaceName, TUN_NAME]),
  });
  await delay(SETTLE_MS);
  progress(`watching an idle agent for ${WATCH_MS / 1000} s`);
  const before = await sample();
  await delay(WATCH_MS);
  const after = await sample();
  const perSecond = (key: keyof Sample): number => (after[key] - before[key]) / (after.at - before.at);

  const rssMib = residentMib(pid);
  findings.figure('idle.rss_mib', rssMib, 1);
  findings.expect('idle.rss_mib', rssMib <= MOST_RSS_MIB, `at most ${MOST_RSS_MIB}`);
  const cpuPercent = 100 * perSecond('cpu');
  findings.figure('idle.cpu_percent', cpuPercent);
  findings.expect('idle.cpu_percent', cpuPercent <= MOST_CPU_PERCENT, `at most ${MOST_CPU_PERCENT}`);
  findings.figure('idle.wakeups_per_s', perSecond('wakeups'), 2);
  findings.figure('idle.packets_per_s', perSecond('packets'), 2);
  findings.expect(
    'idle.wakeups_per_s',
    perSecond('wakeups') <= perSecond('packets') + MOST_OWN_WAKEUPS_PER_SECOND,
    `at most one for each packet that comes or goes and ${MOST_OWN_WAKEUPS_PER_SECOND} a second for timers`,
  );
}

interface Sample {
  /** In seconds. */
  readonly at: number;
  readonly cpu: number;
  readonly wakeups: number;
  readonly packets: number;
}

const statisticsSchema = z.object({
  ifname: z.string(),
  stats64: z.object({ rx: z.object({ packets: z.number() }), tx: z.object({ packets: z.number() }) }),
});

/** How many packets some interfaces have received and sent. */
async function packetsSeen(namespace: Namespace, interfaces: readonly string[]): Promise<number> {
  const links = z.array(statisticsSchema).parse(JSON.parse(await namespace.ip('-json', '-statistics', 'link', 'show')));
  return links
    .filter(({ ifname }) => interfaces.includes(ifname))
    .reduce((sum, { stats64: { rx, tx } }) => sum + rx.packets + tx.packets, 0);
}
