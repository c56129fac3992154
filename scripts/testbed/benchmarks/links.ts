import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from '../agent.ts';
import { ScriptError } from '../command.ts';
import { Crowd } from '../crowd.ts';
import { AGENT_ADDRESS, AGENT_SEEN, CROWD_ADDRESS, MEMBERS, PREFIX_LENGTH } from '../crowd-addresses.ts';
import type { Lab } from '../lab.ts';
import { cpuMs, residentMib } from '../processes.ts';
import { progress } from '../report.ts';
import type { Findings } from '../report.ts';
import type { BenchmarkOptions } from './benchmark.ts';

const FEW_LINKS = 100;
/** Each a handshake of both ends on the cores that there are. */
const GROW_TIMEOUT_MS = 600_000;
const IDLE_SETTLE_MS = 30_000;
const IDLE_MS = 20_000;
const ECHOES = 20_000;
const AGENT_PORT = 6084;
const DATA_PLANE_THREAD = 'idloc-data';

const MOST_BYTES_EACH = 16 * 1024;
const MOST_IDLE_CPU_PERCENT = 2;
/** The table is larger than the processor's caches, which costs some; a search would cost a hundred times as much. */
const MOST_RECORD_RATIO = 2;
const MOST_STATUS_MS = 1_000;

/** One agent with many links that carry nothing: their memory, what they cost, whether they make a record slower. */
export async function benchLinks(lab: Lab, findings: Findings, options: BenchmarkOptions): Promise<void> {
  const wanted = Math.max(options.links, 2 * FEW_LINKS);
  const { agent, crowd } = await agentAndCrowd(lab);
  const { pid } = agent.process;

  await crowd.ask('grow', FEW_LINKS, GROW_TIMEOUT_MS);
  await delay(IDLE_SETTLE_MS);
  const rssBefore = residentMib(pid);
  const few = await recordCost(crowd, pid);
  progress(`${FEW_LINKS} links: ${Math.round(rssBefore)} MiB; growing to ${wanted}`);

  const grown = await crowd.ask('grow', wanted, GROW_TIMEOUT_MS);
  progress(`${String(grown['linked'])} links in ${String(grown['seconds'])} s`);
  progress(`letting them rest for ${IDLE_SETTLE_MS / 1000} s, then watching for ${IDLE_MS / 1000} s`);
  await delay(IDLE_SETTLE_MS);
  const from = performance.now();
  const cpuBefore = cpuMs(pid);
  await delay(IDLE_MS);
  const cpuPercent = ((cpuMs(pid) - cpuBefore) / (performance.now() - from)) * 100;
  const bytesEach = ((residentMib(pid) - rssBefore) * 2 ** 20) / (wanted - FEW_LINKS);

  const many = await recordCost(crowd, pid);
  const statusFrom = performance.now();
  const { links } = await agent.status();
  const statusMs = performance.now() - statusFrom;
  const connected = links.filter(({ state }) => state === 'connected').length;

  findings.figure('links.count', connected, 0);
  findings.figure('links.bytes_each', bytesEach, 0);
  findings.figure('links.idle_cpu_percent', cpuPercent);
  findings.figure('links.few_record_ns', few, 0);
  findings.figure('links.record_ns', many, 0);
  findings.figure('links.status_ms', statusMs, 0);
  findings.expect('links.count', connected >= wanted, `${wanted} links that are up at the end`);
  findings.expect('links.bytes_each', bytesEach <= MOST_BYTES_EACH, `at most ${MOST_BYTES_EACH}`);
  findings.expect('links.idle_cpu_percent', cpuPercent <= MOST_IDLE_CPU_PERCENT, `at most ${MOST_IDLE_CPU_PERCENT}`);
  findings.expect(
    'links.record_ns',
    many <= MOST_RECORD_RATIO * few,
    `at most ${MOST_RECORD_RATIO} x with ${FEW_LINKS} links`,
  );
  findings.expect('links.status_ms', statusMs <= MOST_STATUS_MS, `at most ${MOST_STATUS_MS}`);
  await crowd.process.stop();
  await agent.stop();
}

/** CPU time of the data plane for one record that comes and one that answers it, each on the next link; nanoseconds. */
async function recordCost(crowd: Crowd, pid: number): Promise<number> {
  const before = cpuMs(pid, DATA_PLANE_THREAD);
  const { answered } = await crowd.ask('echoes', ECHOES, GROW_TIMEOUT_MS);
  const spent = cpuMs(pid, DATA_PLANE_THREAD) - before;
  if (typeof answered !== 'number' || answered < 1)
    throw new ScriptError(`only ${String(answered)} of ${ECHOES} echoes were answered`);
  return (spent * 1e6) / answered;
}

async function agentAndCrowd(lab: Lab): Promise<{ agent: Agent; crowd: Crowd }> {
  const [here, there] = [await lab.namespace('agent'), await lab.namespace('crowd')];
  // An address that comes up late would be a change of network: the members', which no interface has, would count as gone.
  await there.sysctl('net.ipv6.conf.all.disable_ipv6', 1);
  await lab.cable(here, 'eth0', there, 'eth0');
  await here.ipBatch([
    `address add ${AGENT_ADDRESS}/${PREFIX_LENGTH} dev eth0`,
    'link set eth0 up',
    `route add ${MEMBERS} via ${CROWD_ADDRESS}`,
  ]);
  await there.ipBatch([
    `address add ${CROWD_ADDRESS}/${PREFIX_LENGTH} dev eth0`,
    'link set eth0 up',
    `route add ${AGENT_SEEN} via ${AGENT_ADDRESS}`,
  ]);
  await Promise.all([here.carrier('eth0'), there.carrier('eth0')]);
  const agent = await Agent.start(lab, { namespace: here, name: 'agent', overlay: { create: 'many.example' } });
  const crowd = await Crowd.start(there, agent.state, { address: AGENT_ADDRESS, port: AGENT_PORT });
  return { agent, crowd };
}
